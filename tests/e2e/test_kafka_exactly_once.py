"""Exactly once, across SIGKILL: the topics hold the history of the tables, each change once."""

from __future__ import annotations

import random
import subprocess
import time

import psycopg
import pytest

from tests.e2e.conftest import MakeBridge
from tests.e2e.test_crash import assert_exact
from tests.fixtures.bridge_process import BridgeProcess
from tests.fixtures.kafka.fixtures import PrivateKafkaFactory
from tests.fixtures.kafka.reader import Topics
from tests.fixtures.kafka.tally import tally
from tests.fixtures.postgres import PrivateServerFactory
from tests.fixtures.slot_history import current_wal_lsn, look_at_slot
from tests.fixtures.writers import PUBLISHED, TABLES, Writers, create_tables, recorded_history

_CATCH_UP_S = 90.0
_LONGEST_LIFE_S = 1.5

TOPICS = tuple(f"public.{table}" for table in TABLES)


def live_for_a_while(bridge: BridgeProcess, choose: random.Random) -> None:
    """Let the bridge run up to a random moment: of its start, or of its work."""
    if choose.random() < 0.25:
        try:
            bridge.process.wait(choose.random())
        except subprocess.TimeoutExpired:
            return
        raise AssertionError(f"it ended by itself:\n{bridge.stderr}")
    bridge.wait_until_logged("stream_started")
    until = time.monotonic() + choose.random() * _LONGEST_LIFE_S
    bridge.until(lambda: time.monotonic() > until, "it works")


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "kills", [5, *(pytest.param(many, marks=pytest.mark.nightly) for many in (30, 150))]
)
def test_killed_at_random_moments_it_sends_each_change_once(
    kills: int,
    private_server: PrivateServerFactory,
    private_kafka: PrivateKafkaFactory,
    make_bridge: MakeBridge,
) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    choose = random.Random(seed)
    server = private_server()
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        create_tables(connection)
    cluster = private_kafka()
    topics = Topics(cluster.bootstrap)
    for topic in TOPICS:
        topics.create(topic, partitions=3)
    sink = {
        "type": "kafka",
        "brokers": cluster.bootstrap,
        "topic": "{schema}.{table}",
        "delivery": "exactly_once",
    }
    bridge = make_bridge(server.dsn(), tables=PUBLISHED, sinks=[sink]).start()
    bridge.wait_until_logged("stream_started")  # the slot exists: from here on nothing is missed
    working = 0
    with Writers(server.dsn(), seed=seed) as writers:
        for _ in range(kills):
            live_for_a_while(bridge, choose)
            working += bool(bridge.logged("stream_started"))
            bridge.kill()
            bridge.start()
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        end = current_wal_lsn(connection)
        bridge.until(
            lambda: look_at_slot(connection).confirmed >= end, "all is delivered", _CATCH_UP_S
        )
        sent = sum(len(changes) for changes in recorded_history(connection).values())
    assert bridge.terminate() == 0
    found = tally(topics.read(*TOPICS))
    what = f"{kills} kills, {working} of them while streaming, {writers.commits} transactions"
    print(found.line(what, sent))
    assert found.duplicated == 0
    assert_exact(found.events, server)
