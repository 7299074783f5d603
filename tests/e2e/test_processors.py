"""Processors in the running bridge: killed at any moment, every answer is told, once, and right."""

from __future__ import annotations

import json
import random
import re
import subprocess
from collections import Counter
from typing import Any

import psycopg
import pytest

from tests.e2e.conftest import MakeBridge
from tests.fixtures.bridge_process import SLOT, BridgeProcess
from tests.fixtures.databases import Database
from tests.fixtures.delivered import Event
from tests.fixtures.orders import (
    PAID,
    PAID_ORDERS,
    PUBLISHED,
    REVENUE,
    Shoppers,
    create_tables,
    expected_answers,
    told_answers,
)
from tests.fixtures.postgres import PrivateServerFactory
from tests.fixtures.slot_history import current_wal_lsn, look_at_slot, wait_until_confirmed
from tests.fixtures.webhook_receiver import WebhookReceiver

_CATCH_UP_S = 60.0
SINKS = [{"type": "file", "name": "changes"}, {"type": "file", "name": "results"}]


def with_processors(
    dsn: str, make_bridge: MakeBridge, *, slot: str = SLOT, **settings: Any
) -> BridgeProcess:
    shared = {
        "tables": PUBLISHED,
        "source": {"slot": slot, "snapshot": "initial"},
        "sinks": SINKS,
        "processors": [REVENUE, PAID, PAID_ORDERS],
    }
    return make_bridge(dsn, **{**shared, **settings})


def repeats(results: list[Event], name: str) -> list[str]:
    return [id for id, count in Counter(result[name] for result in results).items() if count > 1]


def live(bridge: BridgeProcess, choose: random.Random) -> None:
    """Let it live for a while, from its start on, and kill it."""
    try:
        bridge.process.wait(choose.choice((0.3, 1.0, 2.0)) + choose.random())
    except subprocess.TimeoutExpired:
        bridge.kill()
        return
    raise AssertionError(f"it ended by itself:\n{bridge.stderr}")


def until_all_is_told(
    bridge: BridgeProcess, connection: psycopg.Connection[Any], timeout: float = _CATCH_UP_S
) -> None:
    """Wait until the results say what the tables say; the database has to be idle."""
    expected = expected_answers(connection)
    results = bridge.delivered("results")
    bridge.until(
        lambda: told_answers(results.events()) == expected,
        f"the results say the same as {len(expected)} rows of SQL",
        timeout,
        interval=0.1,
    )


@pytest.mark.parametrize(
    "kills",
    [
        6,
        pytest.param(20, marks=pytest.mark.nightly),
        pytest.param(100, marks=[pytest.mark.nightly, pytest.mark.timeout(1800)]),
    ],
)
def test_killed_at_random_moments_it_tells_every_answer_once(
    kills: int, newest_database: Database, make_bridge: MakeBridge
) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    choose = random.Random(seed)
    connection = newest_database.connect()
    create_tables(connection)
    steady = with_processors(newest_database.dsn, make_bridge, name="steady", slot="steady")
    killed = with_processors(newest_database.dsn, make_bridge, name="killed")
    for bridge in (steady, killed):
        bridge.start().wait_until_logged("stream_started")
    with Shoppers(newest_database.dsn, seed=seed):
        for _ in range(kills):
            live(killed, choose)
            killed.start()
    for bridge in (steady, killed):
        until_all_is_told(bridge, connection)
        assert bridge.terminate() == 0

    told = killed.delivered("results").events()
    assert killed.delivered("results").torn() == b""
    assert repeats(told, "event_id") == []
    assert repeats(told, "delivery_id") == []
    assert [result["delivery_id"] for result in told] == sorted(
        result["delivery_id"] for result in told
    )
    assert told_answers(told) == told_answers(steady.delivered("results").events())
    kinds = Counter(change["operation"] for change in killed.delivered("changes").events())
    assert kinds.keys() >= {"Insert", "Update", "Delete"}
    revised = sum(result.get("revision", 0) > 0 for result in told)
    assert revised
    print(f"{kills} kills, {kinds.total()} changes, {len(told)} results, {revised} of them revised")


def test_states_in_the_database_itself_survive_kills_and_a_restart_of_the_server(
    private_server: PrivateServerFactory, make_bridge: MakeBridge
) -> None:
    server = private_server()
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        create_tables(connection)
    bridge = with_processors(server.dsn(), make_bridge, processing={"store": {"type": "postgres"}})
    bridge.start().wait_until_logged("stream_started")
    results = bridge.delivered("results").events
    with Shoppers(server.dsn(), seed=7):
        for enough in (5, 10, 15):
            bridge.until(lambda enough=enough: len(results()) >= enough, f"{enough} results")  # type: ignore[misc]
            status = json.loads(bridge.command("status", "--json"))  # and the bridge goes on
            assert status["processing"]["store"] == "postgres"
            assert status["processing"]["results"] >= enough
            assert all(processor["figures"]["events"] for processor in status["processors"])
            bridge.kill()
            bridge.start()
    bridge.wait_until_logged("stream_started")
    server.restart("immediate")
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute("INSERT INTO orders (customer, amount) VALUES (1, 10)")
        until_all_is_told(bridge, connection)
    assert bridge.terminate() == 0
    assert repeats(results(), "event_id") == []


def test_windows_of_an_idle_database_are_told(
    newest_database: Database, make_bridge: MakeBridge
) -> None:
    connection = newest_database.connect()
    create_tables(connection)
    bridge = with_processors(newest_database.dsn, make_bridge)
    bridge.start().wait_until_logged("stream_started")
    connection.execute("INSERT INTO orders (customer, amount) VALUES (1, 10), (1, 2.50)")
    connection.execute("INSERT INTO payments (order_id, amount) VALUES (1, 10)")
    until_all_is_told(bridge, connection)
    assert bridge.terminate() == 0


def test_rows_that_were_there_before_count_once_also_after_a_snapshot_that_was_interrupted(
    newest_database: Database, make_bridge: MakeBridge
) -> None:
    connection = newest_database.connect()
    create_tables(connection)
    connection.execute(
        "INSERT INTO orders (customer, amount) SELECT i % 5, i FROM generate_series(1, 20000) AS i"
    )
    bridge = with_processors(newest_database.dsn, make_bridge, processors=[REVENUE])
    bridge.start().wait_for_events(1, sink="changes")
    bridge.kill()
    bridge.start().wait_until_logged("stream_started")
    connection.execute("DELETE FROM orders WHERE id % 2 = 0")
    until_all_is_told(bridge, connection)
    assert bridge.terminate() == 0
    assert repeats(bridge.delivered("results").events(), "event_id") == []


def test_results_wait_for_a_sink_that_is_away_and_arrive_in_order(
    newest_database: Database, make_bridge: MakeBridge
) -> None:
    connection = newest_database.connect()
    create_tables(connection)
    with WebhookReceiver() as receiver:
        hook = {
            "type": "webhook",
            "name": "results",
            "url": receiver.url(),
            "allow_private_addresses": True,
            "lanes": 1,
            "timeout_seconds": 1,
            "retry": {"initial_delay_ms": 20, "max_delay_ms": 200},
            "circuit_breaker": {"pause_ms": 100},
        }
        receiver.stop()
        bridge = with_processors(
            newest_database.dsn, make_bridge, sinks=[{"type": "file", "name": "changes"}, hook]
        )
        bridge.start().wait_until_logged("stream_started")
        with Shoppers(newest_database.dsn, seed=7):
            bridge.wait_until_logged("sink_retry", count=3)
        bridge.kill()
        bridge.start().wait_until_logged("sink_retry")
        status = json.loads(bridge.command("status", "--json"))
        # Results may be added between one look and the next.
        assert 0 < status["processing"]["results"] <= status["processing"]["waiting"]["results"]
        assert [bool(sink["waiting_events"]) for sink in status["sinks"]] == [False, True]
        receiver.start()
        expected = expected_answers(connection)
        bridge.until(
            lambda: told_answers(receiver.kept()) == expected, "all results arrive", _CATCH_UP_S
        )
        assert bridge.terminate() == 0
        places = list(dict.fromkeys(result["delivery_id"] for result in receiver.kept()))
    assert places == sorted(places)


def test_a_paused_result_sink_gets_its_results_when_it_is_resumed(
    newest_database: Database, make_bridge: MakeBridge
) -> None:
    connection = newest_database.connect()
    create_tables(connection)
    bridge = with_processors(newest_database.dsn, make_bridge)
    bridge.start().wait_until_logged("stream_started")
    assert "wait in the store" in bridge.command("sinks", "pause", "results")
    bridge.wait_until_logged("sink_paused")
    connection.execute("INSERT INTO orders (customer, amount) VALUES (1, 10)")

    def waiting() -> int:
        status = json.loads(bridge.command("status", "--json"))
        return sum(status["processing"]["waiting"].values())

    bridge.until(lambda: waiting() == 1, "the result waits")
    assert bridge.delivered("results").events() == []
    wait_until_confirmed(connection)  # it does not hold the slot
    bridge.command("sinks", "resume", "results")
    until_all_is_told(bridge, connection)
    bridge.until(lambda: waiting() == 0, "the store has forgotten it")
    assert "Processed up to" in bridge.command("status")
    assert bridge.terminate() == 0


@pytest.mark.nightly
def test_processing_waits_before_undelivered_results_fill_the_disk(
    newest_database: Database, make_bridge: MakeBridge
) -> None:
    rows = 250_000
    connection = newest_database.connect()
    create_tables(connection)
    each = {
        "name": "each",
        "from": {"tables": ["public.orders"], "operations": ["insert"]},
        "window": {"type": "count", "count": 1},
        "aggregates": {"last": "max(new.id)"},
        "to": ["results"],
    }
    bridge = with_processors(newest_database.dsn, make_bridge, processors=[each])
    bridge.start().wait_until_logged("stream_started")
    bridge.command("sinks", "pause", "results")
    bridge.wait_until_logged("sink_paused")
    connection.execute(
        "INSERT INTO orders (customer, amount) SELECT 1, 1 FROM generate_series(1, %s)", [rows]
    )
    end = current_wal_lsn(connection)
    bridge.wait_until_logged("processing_held_up", timeout=_CATCH_UP_S)
    waiting = json.loads(bridge.command("status", "--json"))["processing"]["waiting"]["results"]
    assert 100_000 <= waiting < rows
    assert look_at_slot(connection).confirmed < end
    bridge.command("sinks", "resume", "results")
    results = bridge.delivered("results").events
    bridge.until(lambda: len(results()) >= rows, "all results", _CATCH_UP_S)
    assert [int(result["values"]["last"]) for result in results()] == list(range(1, rows + 1))
    wait_until_confirmed(connection, end)
    assert bridge.terminate() == 0


def test_sigterm_delivers_what_was_processed_and_nothing_comes_again(
    newest_database: Database, make_bridge: MakeBridge
) -> None:
    connection = newest_database.connect()
    create_tables(connection)
    bridge = with_processors(newest_database.dsn, make_bridge)
    bridge.start().wait_until_logged("stream_started")
    with Shoppers(newest_database.dsn, seed=7):
        for _ in range(3):
            before = len(bridge.delivered("results").events())
            bridge.until(
                lambda before=before: len(bridge.delivered("results").events()) > before + 5,  # type: ignore[misc]
                "some results",
            )
            assert bridge.terminate() == 0
            assert bridge.logged("results_kept") == []
            assert bridge.logged("stopped")[-1]["drained"]
            bridge.start()
    until_all_is_told(bridge, connection)
    assert bridge.terminate() == 0
    assert repeats(bridge.delivered("results").events(), "event_id") == []


def test_a_changed_definition_begins_anew_and_the_old_state_is_reported(
    newest_database: Database, make_bridge: MakeBridge
) -> None:
    connection = newest_database.connect()
    create_tables(connection)
    bridge = with_processors(newest_database.dsn, make_bridge, processors=[PAID])
    bridge.start().wait_until_logged("stream_started")
    connection.execute("INSERT INTO payments (order_id, amount) VALUES (1, 10), (2, 2.50)")
    results = bridge.delivered("results").events
    bridge.until(results, "a result")
    assert bridge.terminate() == 0
    bridge.settings["processors"] = [{**PAID, "aggregates": {"payments": "count()"}}]
    bridge.start().wait_until_logged("stream_started")
    unused = bridge.logged("processor_state_unused")
    assert [entry["state"].rpartition("-")[0] for entry in unused] == ["paid"]
    connection.execute("INSERT INTO payments (order_id, amount) VALUES (3, 99)")
    bridge.until(lambda: len(results()) == 2, "a result of the new one")
    assert [result["values"] for result in results()] == [
        {"payments": 2, "largest": "10"},
        {"payments": 1},
    ]
    assert bridge.terminate() == 0
    bridge.start().wait_until_logged("stream_started")
    assert bridge.logged("processor_state_unused") == []
    assert bridge.terminate() == 0
    bridge.settings["processors"] = [{**PAID, "where": "new.ammount > 0"}]
    assert bridge.start().wait() == 2
    assert re.search(r"processors\[0\]\.where: .*did you mean amount", bridge.stderr)
    assert "stream_started" not in bridge.stderr


def test_what_follows_every_row_is_refused_where_rows_do_not_come_any_more(
    newest_database: Database, make_bridge: MakeBridge
) -> None:
    create_tables(newest_database.connect())
    bridge = with_processors(newest_database.dsn, make_bridge, processors=[PAID])
    bridge.start().wait_until_logged("stream_started")
    assert bridge.terminate() == 0
    bridge.settings["processors"] = [PAID, REVENUE]
    assert bridge.start().wait() == 3
    assert "Processor 'revenue' needs the rows of public.orders" in bridge.stderr


def test_what_has_no_value_is_a_dead_letter_and_what_cannot_be_is_an_error(
    newest_database: Database, make_bridge: MakeBridge
) -> None:
    connection = newest_database.connect()
    connection.execute("CREATE TABLE readings (id int8 PRIMARY KEY, value text)")
    total = {
        "name": "total",
        "from": {"tables": ["public.readings"]},
        "where": "new.value::int8 > 0",
        "window": {"type": "count", "count": 1},
        "aggregates": {"readings": "count()"},
        "to": ["results"],
    }
    bridge = with_processors(
        newest_database.dsn, make_bridge, tables=["public.readings"], processors=[total]
    )
    bridge.start().wait_until_logged("stream_started")
    connection.execute("INSERT INTO readings VALUES (1, '7'), (2, 'seven'), (3, '9')")
    results = bridge.delivered("results").events
    bridge.until(lambda: len(results()) == 2, "two results")
    assert bridge.terminate() == 0
    [letter] = json.loads(bridge.command("dlq", "list", "--json"))
    assert (letter["sink"], letter["table"]) == ("processor:total", "readings")
    assert "seven" not in bridge.stderr

    connection.execute("ALTER TABLE readings RENAME COLUMN value TO measured")
    bridge.start().wait_until_logged("stream_started")
    connection.execute("INSERT INTO readings VALUES (4, '11')")
    assert bridge.wait() == 2
    assert "Processor 'total' cannot go on" in bridge.stderr


def test_a_lost_store_is_a_gap_unless_that_is_accepted(
    newest_database: Database, make_bridge: MakeBridge
) -> None:
    connection = newest_database.connect()
    create_tables(connection)
    bridge = with_processors(newest_database.dsn, make_bridge, processors=[PAID])
    bridge.start().wait_until_logged("stream_started")
    connection.execute("INSERT INTO payments (order_id, amount) VALUES (1, 10)")
    results = bridge.delivered("results").events
    bridge.until(results, "a result")
    assert bridge.terminate() == 0
    for file in (bridge.directory / "state").glob("processing.db*"):
        file.unlink()
    assert bridge.start().wait() == 3
    assert "their states are lost" in bridge.stderr
    bridge.start("--accept-gap").wait_until_logged("stream_started")
    connection.execute("INSERT INTO payments (order_id, amount) VALUES (2, 20)")
    bridge.until(lambda: len(results()) == 2, "another result")
    assert repeats(results(), "delivery_id") == []
    assert bridge.terminate() == 0
