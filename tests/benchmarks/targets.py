"""Brokers and receivers to deliver to: real ones, on this machine, each for a run of its own."""

from __future__ import annotations

import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pika
from confluent_kafka import Consumer, KafkaError, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from bridge.core.errors import EnvironmentProblem
from tests.benchmarks.contestants import Contestant, Task, Void, run_bridge
from tests.benchmarks.latency import Arrival
from tests.fixtures.kafka import jars
from tests.fixtures.kafka.cluster import KafkaCluster
from tests.fixtures.rabbitmq import node

_PARTITIONS = 4
_LANES = 8
_BATCH_EVENTS = 500
_BROKER_JAVA = ("-Xms512m", "-Xmx512m", "-XX:+UseG1GC")
_LATENCY = "bench_latency"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A server that takes events.

    Attributes:
        name: of the contestant.
        place: makes a fresh place for a run, named as told; returns the settings of the sink.
        held: how many messages or events that place has got.
        arrive: makes a fresh place, and starts a process that notes when messages arrive there.
        pids: of the server's processes.
        variants: further settings of the sink, by what they add to the name of the contestant.
    """

    name: str
    place: Callable[[str], dict[str, Any]]
    held: Callable[[str], int]
    arrive: Callable[[Path], tuple[dict[str, Any], subprocess.Popen[bytes]]]
    pids: Sequence[int]
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: {"": {}})

    def contestants(self) -> list[Contestant]:
        """Return the bridges that deliver to this target."""
        return [
            self._contestant(f"bridge, {self.name}{addition}", settings)
            for addition, settings in self.variants.items()
        ]

    def _contestant(self, name: str, settings: Mapping[str, Any]) -> Contestant:

        def check(task: Task) -> None:
            held = self.held(task.slot)
            if held != task.rows:
                raise Void(f"{name}: {held} messages for {task.rows} rows.")

        return Contestant(
            name,
            lambda task: run_bridge(task, {**self.place(task.slot), **settings}),
            ends=False,
            check=check,
            target=self.pids,
        )

    def arrival(self) -> Arrival:
        """Return the target as a place whose latency is measured."""
        return Arrival(name=f"consumer of {self.name}", open=self.arrive)


@contextmanager
def kafka() -> Iterator[Target]:
    """One broker of Kafka, topics of four partitions, every message acknowledged."""
    reason = jars.why_not()
    if reason is not None:
        raise EnvironmentProblem(f"There is no Kafka to deliver to: {reason}.")
    with KafkaCluster(jars.fetch(), java=_BROKER_JAVA) as cluster:
        admin = AdminClient({"bootstrap.servers": cluster.bootstrap})

        def place(name: str) -> dict[str, Any]:
            topic = NewTopic(name, num_partitions=_PARTITIONS, replication_factor=1)
            admin.create_topics([topic])[name].result(30)
            return {"type": "kafka", "brokers": cluster.bootstrap, "topic": name}

        def held(name: str) -> int:
            # Offsets would not do: the ends of transactions have some too.
            consumer = Consumer(
                {
                    "bootstrap.servers": cluster.bootstrap,
                    "group.id": "bench",
                    "isolation.level": "read_committed",
                    "enable.partition.eof": True,
                }
            )
            consumer.assign([TopicPartition(name, i, 0) for i in range(_PARTITIONS)])
            count = ended = 0
            while ended < _PARTITIONS:
                for message in consumer.consume(10_000, timeout=1):
                    if message.error() is None:
                        count += 1
                    else:
                        ended += message.error().code() == KafkaError._PARTITION_EOF
            consumer.close()
            return count

        yield Target(
            name="kafka",
            place=place,
            held=held,
            arrive=lambda samples: (
                place(_LATENCY),
                _reader("kafka", cluster.bootstrap, _LATENCY, samples),
            ),
            pids=[broker.pid for broker in cluster.brokers],
            variants={
                "": {},
                ", no headers": {"headers": False},
                ", exactly once": {"delivery": "exactly_once"},
            },
        )


@contextmanager
def rabbitmq() -> Iterator[Target]:
    """One node of RabbitMQ, a durable classic queue, every message confirmed."""
    programs = node.programs()
    if programs is None:
        raise EnvironmentProblem(
            "There is no RabbitMQ to deliver to.", remedy="Install the package rabbitmq-server."
        )
    with node.RabbitMqNode(programs) as broker:

        def on_channel(use: Callable[[Any], Any]) -> Any:
            connection = pika.BlockingConnection(pika.URLParameters(broker.url()))
            channel = connection.channel()
            found = use(channel)
            connection.close()
            return found

        def place(name: str) -> dict[str, Any]:
            def declare(channel: Any) -> None:
                channel.exchange_declare(name, "fanout", durable=True)
                channel.queue_declare(name, durable=True)
                channel.queue_bind(name, name)

            on_channel(declare)
            return {
                "type": "rabbitmq",
                "url": broker.url(),
                "exchange": name,
                "exchange_type": "fanout",
            }

        def held(name: str) -> int:
            def count(channel: Any) -> int:
                messages: int = channel.queue_declare(name, passive=True).method.message_count
                channel.queue_delete(name)
                return messages

            found: int = on_channel(count)
            return found

        yield Target(
            name="rabbitmq",
            place=place,
            held=held,
            arrive=lambda samples: (
                place(_LATENCY),
                _reader("rabbitmq", broker.url(), _LATENCY, samples),
            ),
            pids=[int((broker.directory / "node-pid").read_text())],
        )


@contextmanager
def webhook_single() -> Iterator[Target]:
    """One POST for each event, over eight lanes."""
    with _webhook("webhook, single", {}) as target:
        yield target


@contextmanager
def webhook_batches() -> Iterator[Target]:
    """One POST for up to 500 events, over eight lanes."""
    batch = {"max_events": _BATCH_EVENTS}
    with _webhook("webhook, batches", {"batch": batch}) as target:
        yield target


@contextmanager
def _webhook(name: str, settings: Mapping[str, Any]) -> Iterator[Target]:
    receiver, url = _receiver()
    counted = 0

    def sink_at(address: str) -> dict[str, Any]:
        return {
            "type": "webhook",
            "url": address,
            "lanes": _LANES,
            "allow_private_addresses": True,
            **settings,
        }

    def arrive(samples: Path) -> tuple[dict[str, Any], subprocess.Popen[bytes]]:
        process, address = _receiver("--samples", str(samples))
        return sink_at(address), process

    try:

        def held(_: str) -> int:
            nonlocal counted
            with urllib.request.urlopen(url) as answer:
                before, counted = counted, int(answer.read())
            return counted - before

        yield Target(
            name=name,
            place=lambda _: sink_at(url),
            held=held,
            arrive=arrive,
            pids=[receiver.pid],
        )
    finally:
        receiver.kill()
        receiver.wait()


def _receiver(*options: str) -> tuple[subprocess.Popen[bytes], str]:
    receiver = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.receiver", *options], stdout=subprocess.PIPE
    )
    assert receiver.stdout is not None
    return receiver, f"http://127.0.0.1:{int(receiver.stdout.readline())}/"


def _reader(kind: str, address: str, name: str, samples: Path) -> subprocess.Popen[bytes]:
    reader = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.readers", kind, address, name, str(samples)],
        stdout=subprocess.PIPE,
    )
    assert reader.stdout is not None
    if not reader.stdout.readline():
        raise EnvironmentProblem(f"The reader of {name!r} ended with {reader.wait()}.")
    return reader


@dataclass(frozen=True, slots=True)
class Race:
    """What is measured with a target.

    Attributes:
        target: starts it.
        share: of the rows; less for the slower ones.
        per_transaction: sizes of the transactions, one drain for each.
    """

    target: Callable[[], AbstractContextManager[Target]]
    share: float
    per_transaction: Sequence[int] = (100,)


RACES: Mapping[str, Race] = {
    "kafka": Race(kafka, 1.0, (1, 100)),
    "rabbitmq": Race(rabbitmq, 0.2),
    "webhook": Race(webhook_single, 0.04),
    "webhook-batches": Race(webhook_batches, 1.0),
}
"""By the name on the command line."""
