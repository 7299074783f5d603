"""What the server is told to forget: only what every sink holds, and where the stream goes on."""

from __future__ import annotations

import random
import shutil
from itertools import pairwise

import psycopg
import pytest

from bridge.postgres.embedded import StopMode
from tests.e2e.conftest import MakeBridge, MakeDatabase
from tests.fixtures.bridge_process import SLOT
from tests.fixtures.databases import Database
from tests.fixtures.delivered import position, without_repeats
from tests.fixtures.one_table import (
    create_table,
    insert,
    keys,
    single_row_commits,
    stored_keys,
    write_unpublished,
)
from tests.fixtures.postgres import PrivateServerFactory
from tests.fixtures.slot_history import (
    SlotHistory,
    current_wal_lsn,
    look_at_slot,
    wait_until_confirmed,
)
from tests.fixtures.waiting import eventually

MIB = 1 << 20
SEGMENT = 16 * MIB

QUICK = {"status_interval_seconds": 0.2}


# What may be confirmed


@pytest.mark.parametrize("major", [pytest.param(15, marks=pytest.mark.nightly), 18])
def test_wal_of_other_tables_and_databases_is_given_up_while_the_published_ones_rest(
    major: int, make_database: MakeDatabase, make_bridge: MakeBridge
) -> None:
    database, other = make_database(major), make_database(major)
    connection, elsewhere = database.connect(), other.connect()
    create_table(connection)
    bridge = make_bridge(database.dsn).start()
    bridge.wait_until_logged("stream_started")
    before = current_wal_lsn(connection)
    write_unpublished(connection, 50)
    write_unpublished(elsewhere, 50)
    assert current_wal_lsn(connection) - before > 100 * MIB
    for _ in range(2):  # the server moves restart_lsn to where it has described its transactions
        connection.execute("CHECKPOINT")
        wait_until_confirmed(connection)
    eventually(
        lambda: (look_at_slot(connection).retained_bytes or 0) < 2 * SEGMENT,
        timeout=20,
        message="the slot retains less than two segments",
    )
    assert bridge.delivered().events() == []
    assert bridge.terminate() == 0


@pytest.mark.parametrize("major", [pytest.param(15, marks=pytest.mark.nightly), 18])
def test_one_event_that_is_not_durable_holds_the_slot_whatever_else_is_written(
    major: int, make_database: MakeDatabase, make_bridge: MakeBridge
) -> None:
    database, other = make_database(major), make_database(major)
    connection, elsewhere = database.connect(), other.connect()
    create_table(connection)
    bridge = make_bridge(database.dsn, sinks=[{"type": "gated"}], source=QUICK)
    bridge.gate().hold()
    bridge.start().wait_until_logged("stream_started")
    insert(connection, 1)
    (event,) = bridge.wait_for_events(1)
    with SlotHistory(database.dsn) as history:
        write_unpublished(connection, 20)
        write_unpublished(elsewhere, 20)
        connection.execute("CHECKPOINT")
        seen = history.answers
        bridge.until(lambda: history.answers >= seen + 5, "five answers to keepalives")
        (confirmed,) = history.confirmed
    assert confirmed <= event["commit_lsn"]
    retained = look_at_slot(connection).retained_bytes
    assert retained is not None
    assert retained > 40 * MIB
    bridge.gate().release()
    wait_until_confirmed(connection)


@pytest.mark.parametrize("major", [pytest.param(13, marks=pytest.mark.nightly), 18])
def test_keepalives_and_empty_transactions_confirm_nothing_that_a_stuck_sink_owes(
    major: int, make_database: MakeDatabase, make_bridge: MakeBridge
) -> None:
    database = make_database(major)
    connection = database.connect()
    create_table(connection)
    create_table(connection, "unpublished")  # server 13 sends its transactions, without content
    bridge = make_bridge(database.dsn, sinks=[{"type": "gated"}], source=QUICK)
    bridge.gate().block()
    bridge.start().wait_until_logged("stream_started")
    with SlotHistory(database.dsn) as history:
        for key in (1, 2, 3):
            insert(connection, key)
            insert(connection, key, table="unpublished")
        seen = history.answers
        bridge.until(lambda: history.answers >= seen + 5, "five answers to keepalives")
        bridge.kill()
        eventually(lambda: look_at_slot(connection).active_pid is None, message="the slot is free")
    assert bridge.delivered().events() == []
    bridge.gate().release()
    events = bridge.start().wait_for_events(3)
    assert keys(events) == [1, 2, 3]
    assert max(history.confirmed) <= events[0]["commit_lsn"]
    wait_until_confirmed(connection)


# Where the stream goes on


@pytest.mark.parametrize(
    ("breaks", "kills"),
    [(25, 6), pytest.param(100, 100, marks=[pytest.mark.nightly, pytest.mark.timeout(900)])],
)
def test_at_any_border_between_two_transactions_nothing_is_lost_and_nothing_confirmed_repeats(
    breaks: int, kills: int, newest_database: Database, make_bridge: MakeBridge
) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    choose = random.Random(seed)
    connection = newest_database.connect()
    create_table(connection)
    bridge = make_bridge(newest_database.dsn, sinks=[{"type": "gated"}])
    bridge.start().wait_until_logged("stream_started")
    rounds = ["break"] * breaks + ["kill"] * kills
    choose.shuffle(rounds)
    lives = [(0, 0)]  # number of the first event, and where the slot stood before
    with single_row_commits(newest_database.dsn):
        for act in rounds:
            enough = len(bridge.delivered().events()) + choose.randrange(1, 60)
            bridge.wait_for_events(enough)
            if act == "break":
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_replication"
                    " WHERE pid = (SELECT active_pid FROM pg_replication_slots"
                    " WHERE slot_name = %s)",
                    [SLOT],
                )
            else:
                bridge.kill()
                eventually(
                    lambda: look_at_slot(connection).active_pid is None, message="the slot is free"
                )
                confirmed = look_at_slot(connection).confirmed
                lives.append((len(bridge.delivered().events()), confirmed))
                bridge.start()
    wait_until_confirmed(connection)
    assert bridge.terminate() == 0

    events = bridge.delivered().events()
    stored = stored_keys(connection)
    assert sorted(keys(without_repeats(events))) == stored
    repeats = 0
    ends = [first for first, _ in lives[1:]] + [len(events)]
    known: set[str] = set()
    for (first, confirmed), end in zip(lives, ends, strict=True):
        for before, after in pairwise(events[first:end]):
            assert position(before) < position(after)  # none twice in one life of the process
        for event in events[first:end]:
            if event["event_id"] in known:
                repeats += 1
                assert event["commit_lsn"] >= confirmed
            known.add(event["event_id"])
    print(f"{len(stored)} rows, {repeats} repeats in {len(lives)} lives")


def test_a_commit_that_begins_where_the_confirmed_one_ends_is_not_skipped(
    newest_database: Database, make_bridge: MakeBridge
) -> None:
    first, second = newest_database.connect(), newest_database.connect()
    create_table(first)
    bridge = make_bridge(newest_database.dsn, source=QUICK)
    for attempt in range(5):  # the server may write something of its own in between
        bridge.start().wait_until_logged("stream_started")
        first.execute("BEGIN")
        insert(first, 10 * attempt)
        second.execute("BEGIN")
        insert(second, 10 * attempt + 1)
        first.execute("COMMIT")
        bridge.wait_for_events(2 * attempt + 1)
        wait_until_confirmed(first)
        with SlotHistory(newest_database.dsn) as history:  # keepalives carry the border too
            bridge.until(lambda history=history: history.answers >= 3, "answers to keepalives")
        bridge.kill()
        confirmed = look_at_slot(first).confirmed
        second.execute("COMMIT")
        event = bridge.start().wait_for_events(2 * attempt + 2)[-1]
        assert keys([event]) == [10 * attempt + 1]
        assert bridge.terminate() == 0
        if event["commit_lsn"] == confirmed:
            return
    raise AssertionError("no two commits had a common border")


def test_positions_rise_through_interleaved_transactions_and_a_copy(
    newest_database: Database, make_bridge: MakeBridge
) -> None:
    first, second = newest_database.connect(), newest_database.connect()
    create_table(first)
    bridge = make_bridge(newest_database.dsn).start()
    bridge.wait_until_logged("stream_started")
    with first.transaction():
        insert(first, 1)
        insert(second, 2)
        insert(first, 3)
    with second.cursor() as cursor, cursor.copy("COPY t FROM STDIN") as copy:
        for key in range(10, 60):
            copy.write_row((key, "row"))
    events = bridge.wait_for_events(53)
    assert keys(events) == [2, 1, 3, *range(10, 60)]
    assert [position(event) for event in events] == sorted({position(event) for event in events})
    row_lsns = [event["lsn"] for event in events]
    assert row_lsns != sorted(row_lsns)  # the row's own LSN is no order
    assert len(set(row_lsns)) < len(row_lsns)  # and no identity


# Repeats


@pytest.mark.parametrize("mode", ["fast", "immediate"])
@pytest.mark.parametrize("major", [pytest.param(15, marks=pytest.mark.nightly), 18])
def test_what_the_server_sends_again_after_its_restart_is_identical_and_kept_from_the_sinks(
    major: int, mode: StopMode, private_server: PrivateServerFactory, make_bridge: MakeBridge
) -> None:
    server = private_server(major)
    # One sink knows what it holds; the other takes whatever it is given.
    sinks = [{"type": "file"}, {"type": "gated"}]
    bridge = make_bridge(server.dsn(), sinks=sinks)
    known, given = bridge.delivered("file"), bridge.delivered("gated")
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        create_table(connection)

    def write_and_confirm(*written: int) -> None:
        bridge.wait_until_logged("stream_started")
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            for key in written:
                insert(connection, key)
            for file in (known, given):
                bridge.until(lambda file=file: keys(file.events())[-1:] == [written[-1]], "a row")
            wait_until_confirmed(connection)

    bridge.start()
    write_and_confirm(*range(5))
    server.restart(mode)  # a bridge that lives through it knows what it has had
    bridge.wait_until_logged("stream_started", count=2)
    write_and_confirm(*range(5, 10))
    assert bridge.terminate() == 0
    server.restart(mode)  # and so does the next one
    bridge.start()
    write_and_confirm(*range(10, 15))
    assert keys(known.events()) == [*range(15)]
    assert given.lines() == known.lines()

    assert bridge.terminate() == 0
    server.restart(mode)
    shutil.rmtree(bridge.directory / "state")  # without it, only the sink can tell
    bridge.start()
    write_and_confirm(15)
    assert keys(known.events()) == [*range(16)]
    assert set(given.lines()) == set(known.lines())
    again = len(given.lines()) - len(known.lines())
    print(f"server {major}, {mode}: {again} confirmed transactions were sent again")
    if (major, mode) != (18, "fast"):
        assert again > 0  # or this test shows nothing


# Several sinks


def test_the_slot_stands_where_the_last_of_several_sinks_stands(
    newest_database: Database, make_bridge: MakeBridge
) -> None:
    connection = newest_database.connect()
    create_table(connection)
    sinks = [{"type": "gated", "name": "ahead"}, {"type": "gated", "name": "behind"}]
    bridge = make_bridge(newest_database.dsn, sinks=sinks, source=QUICK)
    behind = next(sink for sink in bridge.settings["sinks"] if sink["name"] == "behind")
    behind["pass_first"] = 2 + 4  # it stalls at the fifth event of the second transaction
    bridge.gate("behind").block()
    bridge.start().wait_until_logged("stream_started")
    insert(connection, 1, 2)
    bridge.wait_for_events(2, sink="behind")
    insert(connection, *range(10, 20))
    insert(connection, 30)
    ahead = bridge.wait_for_events(13, sink="ahead")
    assert keys(bridge.wait_for_events(6, sink="behind")) == [1, 2, 10, 11, 12, 13]

    with SlotHistory(newest_database.dsn) as history:
        bridge.until(lambda: history.answers >= 3, "the slot had time to move")
    first, second = ahead[0]["commit_lsn"], ahead[2]["commit_lsn"]
    assert first < history.confirmed[-1] <= second
    bridge.kill()
    assert len(bridge.delivered("behind").events()) == 6

    bridge.gate("behind").release()
    bridge.start()
    behind_events = bridge.delivered("behind").events
    bridge.until(lambda: keys(behind_events())[-1] == 30, "the last row")
    delivered = without_repeats(behind_events())
    assert delivered == without_repeats(bridge.delivered("ahead").events())
    assert len(delivered) == 13
    wait_until_confirmed(connection)
