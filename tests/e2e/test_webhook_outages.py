"""Receivers that fail under load: nothing is lost, the slot waits, the stream stays."""

from __future__ import annotations

import json
import random
import time
from collections import defaultdict
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import psycopg
import pytest

from tests.e2e.conftest import MakeBridge
from tests.e2e.test_huge_transaction import peak_rss_mb
from tests.e2e.test_secrets import command
from tests.fixtures.bridge_process import BridgeProcess
from tests.fixtures.delivered import without_repeats
from tests.fixtures.one_table import create_table, insert_many, keys
from tests.fixtures.postgres import PrivateServerFactory
from tests.fixtures.slot_history import SlotHistory, look_at_slot, wait_until_confirmed
from tests.fixtures.webhook_receiver import (
    LORIS,
    OK,
    RESET_AFTER_BODY,
    SILENCE,
    Event,
    Reply,
    WebhookReceiver,
)
from tests.fixtures.writers import (
    PUBLISHED,
    Writers,
    create_tables,
    delivered_history,
    recorded_history,
)

WAL_SENDER_TIMEOUT_S = 5
RSS_LIMIT_MB = 200
CATCH_UP_S = 60.0


def hook(receiver: WebhookReceiver, **settings: Any) -> dict[str, Any]:
    """Return the section of a sink that notices failures soon, and tries again soon."""
    return {
        "type": "webhook",
        "name": "hook",
        "url": receiver.url(),
        "allow_private_addresses": True,
        "lanes": 4,
        "timeout_seconds": 1,
        "retry": {"initial_delay_ms": 20, "max_delay_ms": 500},
        "circuit_breaker": {"pause_ms": 200},
        **settings,
    }


def first_arrivals(events: list[Event]) -> list[Event]:
    return list({event["event_id"]: event for event in events}.values())


def assert_in_order_per_key(events: list[Event]) -> None:
    arrived: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for event in first_arrivals(events):
        key = (event["table"], event["row_id"])
        arrived[key].append((event["commit_lsn"], event["ordinal"]))
    assert [key for key, places in arrived.items() if places != sorted(places)] == []


def wait_for_all(
    bridge: BridgeProcess, receiver: WebhookReceiver, connection: psycopg.Connection[Any]
) -> None:
    """Wait until the receiver has every change, and the server knows; print the counts."""
    history = recorded_history(connection)
    count = sum(map(len, history.values()))
    bridge.until(
        lambda: len(first_arrivals(receiver.kept())) >= count, f"{count} events", CATCH_UP_S
    )
    wait_until_confirmed(connection)
    kept = receiver.kept()
    events = without_repeats(kept)
    assert delivered_history(events) == history
    assert_in_order_per_key(kept)
    print(
        f"sent {sum(len(request.events) for request in receiver.requests)} "
        f"confirmed {count} duplicated {len(kept) - len(events)} lost {count - len(events)}"
    )


def asks_for_a_pause() -> Reply:
    return Reply(429, {"Retry-After": formatdate(time.time() + 3, usegmt=True)})


OUTAGES: dict[str, Callable[[WebhookReceiver], None]] = {
    "429 with a date": lambda receiver: receiver.always(asks_for_a_pause()),
    "503": lambda receiver: receiver.always(Reply(503)),
    "timeouts": lambda receiver: receiver.always(SILENCE),
    "slow loris": lambda receiver: receiver.always(LORIS),
    "reset after body": lambda receiver: receiver.always(RESET_AFTER_BODY),
    "down": lambda receiver: receiver.stop(),
}


@pytest.mark.parametrize(
    ("name", "batch"),
    [
        ("429 with a date", None),
        ("503", {"max_events": 50}),
        ("timeouts", None),
        pytest.param("slow loris", {"max_events": 50}, marks=pytest.mark.nightly),
        ("reset after body", {"max_events": 50}),
        ("down", None),
    ],
)
def test_the_slot_waits_for_a_receiver_and_everything_arrives_in_order(
    name: str,
    batch: dict[str, Any] | None,
    private_server: PrivateServerFactory,
    make_bridge: MakeBridge,
) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    server = private_server(wal_sender_timeout=f"{WAL_SENDER_TIMEOUT_S}s")
    with (
        psycopg.connect(server.dsn(), autocommit=True) as connection,
        WebhookReceiver() as receiver,
    ):
        create_tables(connection)
        bridge = make_bridge(
            server.dsn(), tables=PUBLISHED, sinks=[hook(receiver, batch=batch)]
        ).start()
        bridge.wait_until_logged("stream_started")
        with Writers(server.dsn(), seed=seed, count=3, pause_s=0.2):
            bridge.until(lambda: len(receiver.kept()) > 100, "the first events")
            OUTAGES[name](receiver)
            until = time.monotonic() + WAL_SENDER_TIMEOUT_S + 1.5
            with SlotHistory(server.dsn()) as history:
                bridge.until(lambda: time.monotonic() > until, "longer than wal_sender_timeout")
            accepted = {e["event_id"] for r in receiver.requests if r.reply is OK for e in r.events}
            before = history.confirmed[-1]
            assert bridge.logged("sink_retry")
            if name == "down":
                receiver.start()
            receiver.accept_everything()
            bridge.until(
                lambda: look_at_slot(connection).confirmed > before, "the slot to go on", 20
            )
        wait_for_all(bridge, receiver, connection)
        waited_for = min(e["commit_lsn"] for e in receiver.kept() if e["event_id"] not in accepted)
        assert before <= waited_for
        assert len(bridge.logged("stream_started")) == 1
        assert "terminating walsender" not in server.log_path.read_text()
        assert peak_rss_mb(bridge.process.pid) < RSS_LIMIT_MB
        assert bridge.terminate() == 0


def test_a_receiver_that_flaps_gets_everything(
    private_server: PrivateServerFactory, make_bridge: MakeBridge
) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    choose = random.Random(seed)
    faults = (Reply(503), Reply(502), RESET_AFTER_BODY, Reply(429, {"Retry-After": "0"}))
    server = private_server(wal_sender_timeout=f"{WAL_SENDER_TIMEOUT_S}s")
    with (
        psycopg.connect(server.dsn(), autocommit=True) as connection,
        WebhookReceiver() as receiver,
    ):
        create_tables(connection)
        bridge = make_bridge(server.dsn(), tables=PUBLISHED, sinks=[hook(receiver)]).start()
        bridge.wait_until_logged("stream_started")
        receiver.answer(*choose.choices((OK, *faults), weights=(12, 1, 1, 1, 1), k=2_000))
        with Writers(server.dsn(), seed=seed, count=3):
            bridge.until(lambda: len(receiver.requests) > 2_000, "2000 requests", CATCH_UP_S)
            receiver.stop()
            receiver.start()
        wait_for_all(bridge, receiver, connection)
        assert len(bridge.logged("stream_started")) == 1
        assert bridge.terminate() == 0


def test_a_bridge_that_is_killed_repeats_and_loses_nothing(
    private_server: PrivateServerFactory, make_bridge: MakeBridge
) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    server = private_server()
    with (
        psycopg.connect(server.dsn(), autocommit=True) as connection,
        WebhookReceiver() as receiver,
    ):
        create_tables(connection)
        bridge = make_bridge(
            server.dsn(), tables=PUBLISHED, sinks=[hook(receiver, batch={"max_events": 20})]
        )
        bridge.start().wait_until_logged("stream_started")
        with Writers(server.dsn(), seed=seed, count=3):
            for _ in range(4):
                enough = len(receiver.kept()) + 200
                bridge.until(lambda n=enough: len(receiver.kept()) > n, "events")  # type: ignore[misc]
                bridge.kill()
                bridge.start()
        wait_for_all(bridge, receiver, connection)
        assert bridge.terminate() == 0


GIVES_UP: dict[str, Any] = {
    "on_give_up": "dead_letter",
    "retry": {"max_retries": 2, "initial_delay_ms": 1, "max_delay_ms": 5},
    "circuit_breaker": {"pause_ms": 10},
}


@pytest.mark.parametrize(
    ("status", "settings"),
    [
        (400, {}),
        pytest.param(400, {"batch": {"max_events": 40}}, marks=pytest.mark.nightly),
        pytest.param(410, {}, marks=pytest.mark.nightly),
        (500, GIVES_UP),
        (500, {"batch": {"max_events": 40}, **GIVES_UP}),
    ],
)
def test_refused_events_are_put_aside_and_come_again_by_replay(
    status: int,
    settings: dict[str, Any],
    private_server: PrivateServerFactory,
    make_bridge: MakeBridge,
) -> None:
    server = private_server(wal_sender_timeout=f"{WAL_SENDER_TIMEOUT_S}s")
    with (
        psycopg.connect(server.dsn(), autocommit=True) as connection,
        WebhookReceiver() as receiver,
    ):
        create_table(connection)
        receiver.refuse_where(lambda event: event["row_id"].endswith("7"), status)
        bridge = make_bridge(server.dsn(), sinks=[hook(receiver, **settings)]).start()
        bridge.wait_until_logged("stream_started")
        insert_many(connection, 1, 1_000)
        wait_until_confirmed(connection)
        good = [key for key in range(1, 1_001) if key % 10 != 7]
        assert sorted(keys(receiver.kept())) == good
        bridge.wait_until_logged("event_dead_lettered", count=100)
        assert bridge.terminate() == 0
        letters = json.loads(command(bridge, "dlq", "list", "--limit", "1000", "--json"))
        print(f"sent 1000 confirmed {len(good)} dead letters {len(letters)} duplicated 0 lost 0")
        assert len(letters) == 100
        assert f"status {status}" in json.dumps(letters)

        refused = {event["event_id"] for request in receiver.requests
                   if not request.reply.keeps and len(request.events) == 1
                   for event in request.events}  # fmt: skip
        receiver.accept_everything()
        assert "Traceback" not in command(bridge, "dlq", "replay", "--sink", "hook")
        again = [event for event in receiver.kept() if event["row_id"].endswith("7")]
        assert {event["event_id"] for event in again} == refused
        assert sorted(keys(receiver.kept())) == [*range(1, 1_001)]


def test_a_receiver_that_is_away_for_a_large_transaction_costs_no_memory(
    private_server: PrivateServerFactory, make_bridge: MakeBridge
) -> None:
    rows = 200_000
    server = private_server(wal_sender_timeout=f"{WAL_SENDER_TIMEOUT_S}s")
    with (
        psycopg.connect(server.dsn(), autocommit=True) as connection,
        WebhookReceiver() as receiver,
    ):
        create_table(connection)
        receiver.always(Reply(503))
        sink = hook(receiver, batch={"max_events": 500}, compression="gzip")
        bridge = make_bridge(server.dsn(), sinks=[sink]).start()
        bridge.wait_until_logged("stream_started")
        insert_many(connection, 1, rows, row_bytes=200)
        until = time.monotonic() + WAL_SENDER_TIMEOUT_S + 1
        bridge.until(lambda: time.monotonic() > until, "longer than wal_sender_timeout")
        assert receiver.kept() == []
        receiver.accept_everything()
        wait_until_confirmed(connection, timeout=CATCH_UP_S)
        kept = receiver.kept()
        assert sorted(set(keys(kept))) == [*range(1, rows + 1)]
        print(f"sent {len(kept)} confirmed {rows} duplicated {len(kept) - rows} lost 0, "
              f"peak {peak_rss_mb(bridge.process.pid):.0f} MB")  # fmt: skip
        assert peak_rss_mb(bridge.process.pid) < RSS_LIMIT_MB
        assert "terminating walsender" not in server.log_path.read_text()


def test_a_bridge_can_be_stopped_while_its_receiver_is_away(
    private_server: PrivateServerFactory, make_bridge: MakeBridge
) -> None:
    rows = 50_000  # more than the sink and the queue in front of it hold
    server = private_server()
    with (
        psycopg.connect(server.dsn(), autocommit=True) as connection,
        WebhookReceiver() as receiver,
    ):
        create_table(connection)
        receiver.always(SILENCE)
        bridge = make_bridge(
            server.dsn(),
            sinks=[hook(receiver, batch={"max_events": 500}, timeout_seconds=3600)],
            shutdown={"drain_seconds": 1},
        ).start()
        bridge.wait_until_logged("stream_started")
        insert_many(connection, 1, rows)
        bridge.until(lambda: len(receiver.requests) == 4, "a request in every lane")
        assert bridge.terminate(timeout=10) == 0
        assert bridge.logged("stopped")[0]["drained"] is False
        receiver.accept_everything()
        bridge.start()
        wait_until_confirmed(connection, timeout=CATCH_UP_S)
        assert sorted(set(keys(receiver.kept()))) == [*range(1, rows + 1)]


def test_an_account_that_is_not_accepted_stops_the_bridge_and_loses_nothing(
    private_server: PrivateServerFactory, make_bridge: MakeBridge
) -> None:
    server = private_server()
    with (
        psycopg.connect(server.dsn(), autocommit=True) as connection,
        WebhookReceiver() as receiver,
    ):
        create_table(connection)
        receiver.always(Reply(401))
        bridge = make_bridge(server.dsn(), sinks=[hook(receiver)]).start()
        bridge.wait_until_logged("stream_started")
        insert_many(connection, 1, 10)
        assert bridge.wait() == 3
        assert "does not accept the account" in bridge.stderr
        receiver.accept_everything()
        bridge.start()
        wait_until_confirmed(connection)
        assert sorted(set(keys(receiver.kept()))) == [*range(1, 11)]
