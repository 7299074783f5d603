"""The Kafka of the tests does what tests ask of it, or what they show proves nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import Producer

from tests.fixtures.kafka.cluster import KafkaCluster
from tests.fixtures.kafka.fixtures import Kafka, PrivateKafkaFactory
from tests.fixtures.kafka.reader import Topics
from tests.fixtures.waiting import eventually

_REPOSITORY = Path(__file__).parents[2]


def produce(bootstrap: str, topic: str, *values: str) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "log_level": 0})
    for value in values:
        producer.produce(topic, value)
    assert producer.flush(30) == 0


def values(topics: Topics, topic: str) -> list[str]:
    return [message.value().decode() for message in topics.read(topic)]


def test_what_is_produced_can_be_read(kafka: Kafka, new_topic: Callable[[], str]) -> None:
    topic = new_topic()
    kafka.topics.create(topic, partitions=3)
    produce(kafka.bootstrap, topic, "one", "two")
    assert sorted(values(kafka.topics, topic)) == ["one", "two"]
    kafka.topics.delete(topic)
    assert kafka.topics.read(topic) == []


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_broker_comes_back_with_its_data(end: str, private_kafka: PrivateKafkaFactory) -> None:
    cluster = private_kafka()
    (broker,) = cluster.brokers
    topics = Topics(cluster.bootstrap)
    topics.create("t")
    produce(cluster.bootstrap, "t", "before")
    getattr(broker, end)()
    assert not broker.running
    broker.start()
    produce(cluster.bootstrap, "t", "after")
    assert values(topics, "t") == ["before", "after"]


def test_three_brokers_survive_the_loss_of_a_leader(private_kafka: PrivateKafkaFactory) -> None:
    cluster = private_kafka(3)
    topics = Topics(cluster.bootstrap)
    topics.create("t")
    produce(cluster.bootstrap, "t", "before")
    leader = topics.leader("t")
    cluster.broker(leader).kill()
    eventually(
        lambda: topics.leader("t") not in (leader, -1), timeout=60, message="there is a new leader"
    )
    produce(cluster.bootstrap, "t", "after")
    assert values(topics, "t") == ["before", "after"]


_HOLDER = """
import sys
from tests.fixtures.kafka.cluster import KafkaCluster
from tests.fixtures.kafka import jars
cluster = KafkaCluster(jars.fetch())
cluster.start()
broker = cluster.brokers[0]
print(broker._process.pid, broker.log_path.parent, flush=True)
sys.stdin.read()  # until somebody ends this process
"""


def test_a_broker_ends_with_the_process_that_started_it(kafka_jars: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER],
        cwd=_REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    with holder.stdin, holder.stdout:
        pid, directory = holder.stdout.readline().split()
        os.kill(int(pid), signal.SIGSTOP)  # not even that keeps it
        holder.kill()
        holder.wait()
    eventually(lambda: not Path(directory).exists(), message="the directory is gone")
    eventually(lambda: not Path(f"/proc/{pid}/cmdline").exists(), message="the broker is gone")


def test_a_cluster_that_does_not_start_says_why(kafka_jars: Path) -> None:
    cluster = KafkaCluster(kafka_jars, settings={"log.retention.hours": "never"})
    with pytest.raises(RuntimeError, match=r"log\.retention\.hours"):
        cluster.start()
    cluster.stop()
