"""A broker that goes away under load: nothing is lost, nothing overtakes, the slot waits."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from bridge.postgres.embedded import EmbeddedPostgres
from tests.e2e.conftest import MakeBridge
from tests.e2e.test_crash import assert_exact
from tests.fixtures.bridge_process import BridgeProcess
from tests.fixtures.kafka.cluster import KafkaCluster
from tests.fixtures.kafka.fixtures import PrivateKafkaFactory
from tests.fixtures.kafka.reader import Topics
from tests.fixtures.kafka.tally import Tally, tally
from tests.fixtures.one_table import create_table, insert_many
from tests.fixtures.postgres import PrivateServerFactory
from tests.fixtures.slot_history import current_wal_lsn, look_at_slot, wait_until_confirmed
from tests.fixtures.waiting import eventually
from tests.fixtures.writers import PUBLISHED, TABLES, Writers, create_tables, recorded_history

_CATCH_UP_S = 90.0
_MAX_MEMORY_KB = 400_000
"""The queue of the bridge (32 MiB), that of the client (64 MiB), as objects, and the process."""

TOPICS = tuple(f"public.{table}" for table in TABLES)


class Scene:
    """A database under load, a bridge, and a cluster that fails.

    Args:
        server: the source.
        cluster: the target.
        bridge: between them, started.
    """

    def __init__(
        self, server: EmbeddedPostgres, cluster: KafkaCluster, bridge: BridgeProcess
    ) -> None:
        self.server = server
        self.cluster = cluster
        self.bridge = bridge
        self.topics = Topics(cluster.bootstrap)

    def messages(self) -> int:
        """Return how many messages the topics hold."""
        return len(self.topics.read(*TOPICS))

    def confirmed(self) -> int:
        with psycopg.connect(self.server.dsn(), autocommit=True) as connection:
            return look_at_slot(connection).confirmed

    def wait(self, seconds: float, what: str) -> None:
        """Let time pass, as long as the bridge lives."""
        until = time.monotonic() + seconds
        self.bridge.until(lambda: time.monotonic() > until, what, seconds + 10)

    def stand_still(self, seconds: float) -> None:
        """Let an outage last; the slot must not move, however much is written."""
        self.wait(2, "the last confirmations are there")
        before = self.confirmed()
        with psycopg.connect(self.server.dsn(), autocommit=True) as connection:
            written = current_wal_lsn(connection)
            self.wait(seconds, "the outage lasts")
            assert current_wal_lsn(connection) > written, "nothing was written meanwhile"
        assert self.confirmed() == before, "the slot moved while the brokers were away"

    def compare(self, what: str) -> Tally:
        """Wait until all is delivered, and hold it against the history of the database."""
        with psycopg.connect(self.server.dsn(), autocommit=True) as connection:
            end = current_wal_lsn(connection)
            self.bridge.until(
                lambda: look_at_slot(connection).confirmed >= end, "all is delivered", _CATCH_UP_S
            )
            sent = sum(len(changes) for changes in recorded_history(connection).values())
        status = Path(f"/proc/{self.bridge.process.pid}/status").read_text()
        peak_kb = int(status.partition("VmHWM:")[2].split()[0])
        assert self.bridge.terminate() == 0
        found = tally(self.topics.read(*TOPICS))
        print(found.line(what, sent), f", peak memory {peak_kb // 1024} MiB")
        assert_exact(found.events, self.server)
        assert "terminating walsender" not in self.server.log_path.read_text()
        assert len(self.bridge.logged("stream_started")) == 1
        assert peak_kb < _MAX_MEMORY_KB
        return found


MakeScene = Callable[..., Any]


@pytest.fixture
def make_scene(
    private_server: PrivateServerFactory,
    private_kafka: PrivateKafkaFactory,
    make_bridge: MakeBridge,
) -> MakeScene:
    @contextmanager
    def make(brokers: int = 1, writers: int = 6, **settings: Any) -> Iterator[Scene]:
        seed = random.randrange(1 << 32)
        print(f"seed {seed}")
        server = private_server(wal_sender_timeout="5s")
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            create_tables(connection)
        cluster = private_kafka(brokers)
        for topic in TOPICS:
            Topics(cluster.bootstrap).create(topic, partitions=3)
        sink = {
            "type": "kafka",
            "brokers": cluster.bootstrap,
            "topic": "{schema}.{table}",
            "retry": {"max_delay_ms": 500},
            **settings,
        }
        bridge = make_bridge(server.dsn(), tables=PUBLISHED, sinks=[sink]).start()
        bridge.wait_until_logged("stream_started")
        with Writers(server.dsn(), seed=seed, count=writers, pause_s=0.04) as load:
            scene = Scene(server, cluster, bridge)
            bridge.until(lambda: load.commits > 500, "there is load")
            yield scene
            last = load.commits
            bridge.until(lambda: load.commits > last + 200, "there was load to the end")
            load.stop()
        found = scene.compare(f"{brokers} broker(s), {settings['delivery']}")
        assert settings["delivery"] == "at_least_once" or found.duplicated == 0

    return make


ABSENCES = [("stop", 8, "exactly_once")]
NIGHTLY_ABSENCES = [
    ("stop", 8, "at_least_once"),
    *(("kill", 3, delivery) for delivery in ("at_least_once", "exactly_once")),
    *(("pause", 6, delivery) for delivery in ("at_least_once", "exactly_once")),
    *(("stop", 60, delivery) for delivery in ("at_least_once", "exactly_once")),
    *(("pause", 90, delivery) for delivery in ("at_least_once", "exactly_once")),
]


@pytest.mark.parametrize(
    ("end", "seconds", "delivery"),
    [
        *ABSENCES,
        *(pytest.param(*absence, marks=pytest.mark.nightly) for absence in NIGHTLY_ABSENCES),
    ],
)
def test_a_broker_that_is_away_is_waited_for(
    end: str, seconds: float, delivery: str, make_scene: MakeScene
) -> None:
    with make_scene(delivery=delivery) as scene:
        (broker,) = scene.cluster.brokers
        getattr(broker, end)()
        scene.stand_still(seconds)
        if end == "pause":
            broker.resume()
        else:
            broker.start()


@pytest.mark.parametrize("delivery", ["at_least_once", "exactly_once"])
@pytest.mark.nightly
def test_the_leader_of_three_brokers_may_die(delivery: str, make_scene: MakeScene) -> None:
    with make_scene(3, delivery=delivery) as scene:
        for _ in range(2):
            leader = scene.topics.leader(TOPICS[0])
            broker = scene.cluster.broker(leader)
            broker.kill()
            eventually(
                lambda gone=leader: scene.topics.leader(TOPICS[0]) not in (gone, -1),
                timeout=60,
                message="there is a new leader",
            )
            before = scene.messages()
            eventually(
                lambda enough=before + 500: scene.messages() > enough,
                timeout=60,
                message="messages flow through the new leader",
            )
            broker.start()
            eventually(
                lambda: min(scene.topics.in_sync(topic) for topic in TOPICS) == 3,
                timeout=60,
                message="all replicas are in sync again",
            )


# Single failures


def simple_bridge(
    make_bridge: MakeBridge, server: EmbeddedPostgres, cluster: KafkaCluster, **settings: Any
) -> BridgeProcess:
    sink = {
        "type": "kafka",
        "brokers": cluster.bootstrap,
        "topic": "t",
        "retry": {"max_delay_ms": 500},
        **settings,
    }
    bridge = make_bridge(server.dsn(), sinks=[sink]).start()
    bridge.wait_until_logged("stream_started")
    return bridge


def sent_keys(topics: Topics) -> list[int]:
    """Return the keys of the topic ``t`` in order."""
    return [int(message.key() or b"") for message in topics.read("t")]


@pytest.mark.parametrize(
    "delivery", ["at_least_once", pytest.param("exactly_once", marks=pytest.mark.nightly)]
)
def test_a_topic_that_is_deleted_is_waited_for(
    delivery: str,
    private_server: PrivateServerFactory,
    private_kafka: PrivateKafkaFactory,
    make_bridge: MakeBridge,
) -> None:
    server, cluster = private_server(wal_sender_timeout="5s"), private_kafka()
    topics = Topics(cluster.bootstrap)
    topics.create("t", partitions=1)
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        create_table(connection)
        bridge = simple_bridge(make_bridge, server, cluster, delivery=delivery)
        insert_many(connection, 1, 100)
        wait_until_confirmed(connection)
        topics.delete("t")
        insert_many(connection, 101, 100)
        bridge.wait_until_logged("sink_retry", timeout=60)
        before = look_at_slot(connection).confirmed
        insert_many(connection, 201, 100)
        bridge.wait_until_logged("sink_retry", count=3, timeout=60)
        assert look_at_slot(connection).confirmed == before
        topics.create("t", partitions=1)
        wait_until_confirmed(connection, timeout=60)
    assert "set create_topics" in bridge.stderr or "topic" in bridge.stderr
    assert bridge.terminate() == 0
    arrived = sent_keys(topics)
    once = [*dict.fromkeys(arrived)]
    print(
        f"topic deleted, {delivery}: sent 200, confirmed {len(once)}, "
        f"duplicated {len(arrived) - len(once)}, lost {200 - len(once)}"
    )
    assert once == [*range(101, 301)]
    assert len(bridge.logged("stream_started")) == 1


@pytest.mark.parametrize(
    ("refused_by", "delivery"),
    [
        ("us", "at_least_once"),
        pytest.param("brokers", "exactly_once", marks=pytest.mark.nightly),
        pytest.param("us", "exactly_once", marks=pytest.mark.nightly),
        pytest.param("brokers", "at_least_once", marks=pytest.mark.nightly),
    ],
)
def test_a_row_that_is_too_large_becomes_a_dead_letter_and_the_others_flow(
    refused_by: str,
    delivery: str,
    private_server: PrivateServerFactory,
    private_kafka: PrivateKafkaFactory,
    make_bridge: MakeBridge,
) -> None:
    server, cluster = private_server(wal_sender_timeout="5s"), private_kafka()
    topics = Topics(cluster.bootstrap)
    topics.create("t", config={"max.message.bytes": "200000"})
    limit = 200_000 if refused_by == "us" else 10_000_000
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        create_table(connection)
        bridge = simple_bridge(
            make_bridge, server, cluster, delivery=delivery, max_message_bytes=limit,
            compression="none",
        )  # fmt: skip
        insert_many(connection, 1, 50)
        insert_many(connection, 51, 1, row_bytes=5_000_000)
        insert_many(connection, 52, 49)
        bridge.wait_until_logged("event_dead_lettered", timeout=60)
        wait_until_confirmed(connection, timeout=60)
    letters = bridge.logged("event_dead_lettered")
    assert bridge.terminate() == 0
    arrived = sent_keys(topics)
    once = [*dict.fromkeys(arrived)]
    print(
        f"too large for {refused_by}, {delivery}: sent 100, confirmed {len(once)}, dead letters "
        f"{len(letters)}, duplicated {len(arrived) - len(once)}, lost {99 - len(once)}"
    )
    assert len(letters) == 1
    assert ("5000" if refused_by == "us" else "too large") in letters[0]["reason"]
    assert once == [*range(1, 51), *range(52, 101)]
    assert delivery == "at_least_once" or arrived == once
