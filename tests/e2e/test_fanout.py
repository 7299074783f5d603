"""Several sinks on one slot: each gets its part, and an optional one makes nobody wait."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from tests.e2e.conftest import MakeBridge
from tests.fixtures.bridge_process import SLOT, BridgeProcess
from tests.fixtures.databases import Database
from tests.fixtures.delivered import position, without_repeats
from tests.fixtures.one_table import (
    Connection,
    create_table,
    insert,
    insert_many,
    keys,
    single_row_commits,
    stored_keys,
)
from tests.fixtures.slot_history import look_at_slot, wait_until_confirmed
from tests.fixtures.waiting import eventually

QUICK = {"status_interval_seconds": 0.2}
REQUIRED = {"type": "file", "name": "required"}
OPTIONAL = {"type": "gated", "name": "optional", "required": False}


@pytest.fixture
def connection(newest_database: Database) -> Connection:
    connection = newest_database.connect()
    create_table(connection)
    return connection


def sinks_of(bridge: BridgeProcess) -> dict[str, dict[str, Any]]:
    """Return what ``pgbridge sinks list`` says of each sink."""
    return {sink["name"]: sink for sink in json.loads(bridge.command("sinks", "list", "--json"))}


# What each sink gets


def test_each_sink_gets_its_own_part_under_its_own_names(
    newest_database: Database, connection: Connection, make_bridge: MakeBridge
) -> None:
    connection.execute("CREATE TABLE orders (id int PRIMARY KEY, who text, card text, total int)")
    bridge = make_bridge(
        newest_database.dsn,
        tables=["public.t", "public.orders"],
        source=QUICK,
        sinks=[
            {"type": "file", "name": "all"},
            {
                "type": "file",
                "name": "orders",
                "filter": {"tables": ["*.orders"], "operations": ["insert", "delete"]},
                "columns": {"public.orders": {"exclude": ["card"]}},
                "rename": {"public.orders": {"who": "customer"}},
            },
            {
                "type": "file",
                "name": "dear",
                "filter": {"tables": ["public.orders"], "where": "total > 10"},
                "columns": {"public.orders": ["total"]},
            },
        ],
    )
    bridge.start().wait_until_logged("stream_started")
    connection.execute("INSERT INTO orders VALUES (1, 'ann', '4111', 5), (2, 'bob', '4222', 50)")
    connection.execute("UPDATE orders SET total = 60 WHERE id = 1")
    connection.execute("DELETE FROM orders WHERE id = 2")
    insert(connection, *range(10))
    bridge.wait_for_events(14, sink="all")
    wait_until_confirmed(connection)  # also what two of the sinks never get

    orders = bridge.delivered("orders").events()
    assert [(e["operation"], e["row_id"]) for e in orders] == [
        ("Insert", "1"), ("Insert", "2"), ("Delete", "2"),
    ]  # fmt: skip
    assert orders[0]["new_values"] == {"id": 1, "customer": "ann", "total": 5}
    assert orders[2]["old_values"] == {"id": 2}
    dear = bridge.delivered("dear").events()
    assert [e["new_values"] for e in dear] == [{"id": 2, "total": 50}, {"id": 1, "total": 60}]
    everything = {e["event_id"]: position(e) for e in bridge.delivered("all").events()}
    assert all(everything[e["event_id"]] == position(e) for e in orders + dear)

    assert bridge.terminate() == 0
    insert(connection, 20)
    bridge.start().wait_for_events(15, sink="all")  # the others repeat and skip nothing
    wait_until_confirmed(connection)
    assert len(bridge.delivered("orders").events()) == 3


def test_a_python_function_chooses_and_its_fault_does_not_show_the_row(
    newest_database: Database, connection: Connection, make_bridge: MakeBridge
) -> None:
    chosen = {"type": "file", "filter": {"function": "tests.e2e.test_fanout:wanted"}}
    bridge = make_bridge(newest_database.dsn, sinks=[chosen])
    bridge.start().wait_until_logged("stream_started")
    insert(connection, 1, 2, 3, 4)
    assert keys(bridge.wait_for_events(2)) == [2, 4]
    wait_until_confirmed(connection)
    connection.execute("INSERT INTO t VALUES (5, 'canary-7e1f')")
    assert bridge.wait() == 1
    assert "tests.e2e.test_fanout:wanted of sink 'file' failed at" in bridge.stderr
    assert "canary-7e1f" not in bridge.stderr


def wanted(event: Any) -> bool:
    """A filter: rows with an even key."""
    values = event.new_values
    if values["name"] == "canary-7e1f":
        raise ValueError(values["name"])
    return bool(values["id"] % 2 == 0)


# An optional sink


def test_a_blocked_optional_sink_holds_nobody_back_and_gets_everything_after_kill_9(
    newest_database: Database, connection: Connection, make_bridge: MakeBridge
) -> None:
    bridge = make_bridge(newest_database.dsn, sinks=[REQUIRED, OPTIONAL], source=QUICK)
    bridge.gate("optional").block()
    bridge.start().wait_until_logged("stream_started")
    for batch in range(20):
        insert_many(connection, 1000 * batch, 1000)
    bridge.wait_for_events(20_000, sink="required")
    wait_until_confirmed(connection)
    assert bridge.delivered("optional").events() == []
    state = sinks_of(bridge)
    assert state["required"]["waiting_events"] is None
    assert state["optional"]["waiting_events"] == 20_000
    assert not state["optional"]["required"]

    bridge.kill()
    insert_many(connection, 20_000, 1000)
    bridge.start().wait_for_events(21_000, sink="required")
    wait_until_confirmed(connection)
    bridge.kill()
    bridge.gate("optional").release()
    bridge.start()
    optional = bridge.delivered("optional")
    bridge.until(lambda: keys(optional.events())[-1:] == [20_999], "the last row")
    delivered = without_repeats(optional.events())
    repeats = len(optional.events()) - len(delivered)
    print(f"21000 sent, {len(delivered)} delivered, {repeats} repeated")
    assert delivered == bridge.delivered("required").events()
    assert bridge.terminate() == 0

    insert(connection, 30_000)
    bridge.start().wait_until_logged("stream_started")
    bridge.until(lambda: keys(optional.events())[-1:] == [30_000], "the new row")
    assert len(without_repeats(optional.events())) == 21_001
    assert sinks_of(bridge)["optional"]["waiting_events"] == 0
    assert bridge.terminate() == 0


def test_an_ended_optional_sink_repeats_nothing_after_an_orderly_stop(
    newest_database: Database, connection: Connection, make_bridge: MakeBridge
) -> None:
    bridge = make_bridge(newest_database.dsn, sinks=[REQUIRED, OPTIONAL], source=QUICK)
    optional = bridge.delivered("optional")
    for round_ in range(3):
        bridge.start().wait_until_logged("stream_started")
        insert(connection, *range(round_ * 10, round_ * 10 + 10))
        bridge.wait_for_events(10 * (round_ + 1), sink="optional")
        assert bridge.terminate() == 0
    assert keys(optional.events()) == [*range(30)]


def test_a_full_spill_pauses_the_sink_and_the_gap_is_told_when_it_is_resumed(
    newest_database: Database, connection: Connection, make_bridge: MakeBridge
) -> None:
    small = {**OPTIONAL, "spill_bytes": 64 * 1024}
    bridge = make_bridge(newest_database.dsn, sinks=[REQUIRED, small], source=QUICK)
    bridge.gate("optional").block()
    bridge.start().wait_until_logged("stream_started")
    for batch in range(30):
        insert_many(connection, 100 * batch, 10, row_bytes=1000)
        bridge.wait_for_events(10 * (batch + 1), sink="required")
    wait_until_confirmed(connection)
    begun = bridge.wait_until_logged("sink_gap_begun")
    assert begun["reason"] == "the spill is full"
    assert bridge.wait_until_logged("sink_paused")["sink"] == "optional"
    state = sinks_of(bridge)["optional"]
    assert state["paused"] == "the spill is full"
    assert state["misses_events"]
    assert "the spill is full" in bridge.command("status")

    bridge.kill()  # what is known of the gap survives
    bridge.gate("optional").release()
    bridge.start().wait_until_logged("stream_started")
    insert(connection, 5000)
    wait_until_confirmed(connection)
    optional = bridge.delivered("optional")
    missed_before = len(optional.events())
    assert 5000 not in keys(optional.events())

    bridge.command("sinks", "resume", "optional")
    bridge.wait_until_logged("sink_resumed")
    bridge.wait_until_logged("sink_gap_ended")
    insert(connection, 6000)
    bridge.until(lambda: keys(optional.events())[-1:] == [6000], "the row after the gap")
    delivered = optional.events()
    [at] = [i for i, event in enumerate(delivered) if event["operation"] == "Message"]
    gap = delivered[at]
    assert gap["new_values"]["prefix"] == "pgbridge.gap"
    between = json.loads(gap["new_values"]["content"])
    everything = bridge.delivered("required").events()
    places = {text_of(event): event for event in everything}
    since, until = position(places[between["from"]]), position(places[between["to"]])
    held = {event["event_id"] for event in delivered}
    missed = [event for event in everything if event["event_id"] not in held]
    print(f"{len(everything)} sent, {len(delivered) - 1} delivered, {len(missed)} missed")
    assert [position(event) for event in missed] == [
        position(event) for event in everything if since < position(event) <= until
    ]
    assert missed
    assert keys(missed)[-1] == 5000
    assert [position(event) for event in delivered] == sorted(map(position, delivered))
    assert missed_before <= at
    state = sinks_of(bridge)["optional"]
    assert (state["paused"], state["misses_events"]) == (None, False)
    assert bridge.terminate() == 0


def text_of(event: dict[str, Any]) -> str:
    lsn = event["commit_lsn"]
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}:{event['ordinal']}"


@pytest.mark.parametrize(
    "kills", [5, pytest.param(50, marks=[pytest.mark.nightly, pytest.mark.timeout(900)])]
)
def test_whenever_it_is_killed_an_optional_sink_misses_nothing(
    kills: int, newest_database: Database, connection: Connection, make_bridge: MakeBridge
) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    choose = random.Random(seed)
    narrow = {"max_events": 500}  # so that it reads from disk, too
    bridge = make_bridge(
        newest_database.dsn, sinks=[REQUIRED, OPTIONAL], source=QUICK, backpressure=narrow
    )
    bridge.start().wait_until_logged("stream_started")
    bridge.kill()
    with single_row_commits(newest_database.dsn, writers=2):
        for _ in range(kills):
            gate = bridge.gate("optional")
            gate.block() if choose.random() < 0.5 else gate.release()
            enough = len(bridge.delivered("required").events()) + choose.randrange(1, 2000)
            bridge.start().wait_for_events(enough, sink="required")
            bridge.kill()
    bridge.gate("optional").release()
    bridge.start().wait_until_logged("stream_started")
    wait_until_confirmed(connection)
    stored = stored_keys(connection)
    optional = bridge.delivered("optional")
    required = bridge.delivered("required").events()
    bridge.until(
        lambda: len({e["event_id"] for e in optional.events()}) >= len(required), "all of them"
    )
    delivered = without_repeats(optional.events())
    repeats = len(optional.events()) - len(delivered)
    print(f"{len(stored)} sent, {len(delivered)} delivered, {repeats} repeated in {kills} kills")
    assert sorted(keys(delivered)) == stored
    assert delivered == required
    assert bridge.terminate() == 0


def test_existing_rows_wait_in_the_spill_too(
    newest_database: Database, connection: Connection, make_bridge: MakeBridge
) -> None:
    insert_many(connection, 0, 1000)
    bridge = make_bridge(
        newest_database.dsn,
        sinks=[REQUIRED, OPTIONAL],
        source={**QUICK, "snapshot": "initial"},
    )
    bridge.gate("optional").block()
    bridge.start().wait_until_logged("stream_started")
    insert(connection, 5000)
    bridge.wait_for_events(1001, sink="required")
    wait_until_confirmed(connection)
    bridge.gate("optional").release()
    optional = bridge.wait_for_events(1001, sink="optional")
    assert optional == bridge.delivered("required").events()
    assert bridge.terminate() == 0


def test_an_accepted_gap_is_told_behind_what_still_waits(
    newest_database: Database, connection: Connection, make_bridge: MakeBridge
) -> None:
    bridge = make_bridge(newest_database.dsn, sinks=[REQUIRED, OPTIONAL], source=QUICK)
    bridge.gate("optional").block()
    bridge.start().wait_until_logged("stream_started")
    insert(connection, 1)
    bridge.wait_for_events(1, sink="required")
    wait_until_confirmed(connection)
    bridge.kill()
    eventually(lambda: look_at_slot(connection).active_pid is None, message="the slot is free")
    connection.execute("SELECT pg_drop_replication_slot(%s)", [SLOT])
    insert(connection, 2)
    bridge.gate("optional").release()
    bridge.start("--accept-gap").wait_until_logged("stream_started")
    insert(connection, 3)
    optional = bridge.wait_for_events(3, sink="optional")
    assert [event["operation"] for event in optional] == ["Insert", "Message", "Insert"]
    assert keys(optional) == [1, 3]
    assert bridge.terminate() == 0
    insert(connection, 4)
    bridge.start()
    bridge.until(lambda: keys(bridge.delivered("optional").events())[-1:] == [4], "the next row")
    assert bridge.terminate() == 0


# Pausing


def test_a_paused_required_sink_holds_the_slot_until_it_is_resumed(
    newest_database: Database, connection: Connection, make_bridge: MakeBridge
) -> None:
    bridge = make_bridge(newest_database.dsn, sinks=[REQUIRED], source=QUICK)
    bridge.start().wait_until_logged("stream_started")
    insert(connection, 1)
    bridge.wait_for_events(1)
    wait_until_confirmed(connection)
    bridge.command("sinks", "pause", "required")
    bridge.wait_until_logged("sink_paused", timeout=3)
    insert(connection, 2)
    stands_at = look_at_slot(connection).confirmed
    assert sinks_of(bridge)["required"]["paused"] == "by the operator"
    assert bridge.terminate() == 0  # it does not wait for a sink that is paused

    bridge.start().wait_until_logged("stream_started")  # the pause survives
    insert(connection, 3)
    assert bridge.delivered().events() == bridge.delivered().events()[:1]
    assert look_at_slot(connection).confirmed <= stands_at
    bridge.command("sinks", "resume", "required")
    assert keys(bridge.wait_for_events(3)) == [1, 2, 3]
    wait_until_confirmed(connection)
    assert bridge.terminate() == 0


def test_a_paused_optional_sink_gets_its_events_when_it_is_resumed(
    newest_database: Database, connection: Connection, make_bridge: MakeBridge
) -> None:
    bridge = make_bridge(newest_database.dsn, sinks=[REQUIRED, OPTIONAL], source=QUICK)
    bridge.start().wait_until_logged("stream_started")
    bridge.command("sinks", "pause", "optional")
    bridge.wait_until_logged("sink_paused", timeout=3)
    insert(connection, *range(10))
    bridge.wait_for_events(10, sink="required")
    wait_until_confirmed(connection)
    assert bridge.delivered("optional").events() == []
    assert sinks_of(bridge)["optional"]["waiting_events"] == 10
    bridge.command("sinks", "resume", "optional")
    assert keys(bridge.wait_for_events(10, sink="optional")) == [*range(10)]
    assert bridge.terminate() == 0


# Sinks that come and go


def test_a_new_sink_begins_with_the_stream_and_a_removed_one_is_forgotten(
    newest_database: Database, connection: Connection, make_bridge: MakeBridge
) -> None:
    insert(connection, 1)
    bridge = make_bridge(
        newest_database.dsn,
        sinks=[REQUIRED, {**REQUIRED, "name": "late"}],
        source={**QUICK, "snapshot": "initial"},
    )
    both = bridge.settings["sinks"]
    bridge.settings["sinks"] = both[:1]
    bridge.start().wait_until_logged("stream_started")
    insert(connection, 2)
    assert [e["operation"] for e in bridge.wait_for_events(2)] == ["Read", "Insert"]
    wait_until_confirmed(connection)
    assert bridge.terminate() == 0

    bridge.settings["sinks"] = both
    bridge.start().wait_until_logged("stream_started")
    insert(connection, 3)
    late = bridge.wait_for_events(1, sink="late")
    assert (late[-1]["operation"], keys(late[-1:])) == ("Insert", [3])
    assert "Read" not in {event["operation"] for event in late}
    wait_until_confirmed(connection)
    assert bridge.terminate() == 0

    bridge.settings["sinks"] = both[:1]
    bridge.start().wait_until_logged("stream_started")
    insert(connection, 4)
    bridge.wait_for_events(4)
    wait_until_confirmed(connection)
    assert bridge.terminate() == 0
    assert set(bridge.checkpoint().positions) == {"required"}

    bridge.settings["sinks"] = both
    bridge.start().wait_until_logged("stream_started")
    insert(connection, 5)
    bridge.until(lambda: keys(bridge.delivered("late").events())[-1:] == [5], "the last row")
    assert keys(bridge.delivered("required").events()) == [1, 2, 3, 4, 5]
    assert bridge.terminate() == 0


def test_what_waits_for_an_optional_sink_goes_with_it(
    newest_database: Database, connection: Connection, make_bridge: MakeBridge
) -> None:
    bridge = make_bridge(newest_database.dsn, sinks=[REQUIRED, OPTIONAL], source=QUICK)
    bridge.gate("optional").block()
    bridge.start().wait_until_logged("stream_started")
    insert(connection, 1, 2)
    bridge.wait_for_events(2, sink="required")
    bridge.command("sinks", "pause", "optional")
    wait_until_confirmed(connection)
    bridge.kill()
    both = bridge.settings["sinks"]
    bridge.settings["sinks"] = both[:1]
    bridge.start().wait_until_logged("stream_started")
    assert bridge.logged("spill_dropped")[0]["events"] == 2
    insert(connection, 3)
    bridge.wait_for_events(3, sink="required")
    wait_until_confirmed(connection)
    assert bridge.terminate() == 0

    bridge.gate("optional").release()
    bridge.settings["sinks"] = both
    bridge.start().wait_until_logged("stream_started")
    insert(connection, 4)  # it comes back as a new sink, with neither its pause nor its events
    bridge.until(lambda: keys(bridge.delivered("optional").events())[-1:] == [4], "the new row")
    assert not {1, 2} & set(keys(bridge.delivered("optional").events()))
    assert bridge.terminate() == 0


def test_a_sink_with_a_filled_spill_cannot_become_required_unnoticed(
    newest_database: Database, connection: Connection, make_bridge: MakeBridge
) -> None:
    bridge = make_bridge(newest_database.dsn, sinks=[REQUIRED, OPTIONAL], source=QUICK)
    bridge.gate("optional").block()
    bridge.start().wait_until_logged("stream_started")
    insert(connection, 1, 2)
    bridge.wait_for_events(2, sink="required")
    wait_until_confirmed(connection)
    bridge.kill()
    bridge.settings["sinks"][1]["required"] = True
    assert bridge.start().wait() == 2
    assert "'optional' is required now, but 2 events wait in its spill" in bridge.stderr
    bridge.settings["sinks"][1]["required"] = False
    bridge.gate("optional").release()
    bridge.start().wait_for_events(2, sink="optional")
    assert bridge.terminate() == 0
