"""Projections in the running bridge: killed at any moment, each change is told once, in order."""

from __future__ import annotations

import json
import math
import random
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any, TypeAlias

import psycopg
import pytest

from bridge import DomainEvent, EventStore, emit
from bridge.config.event_store import StoreConfig
from bridge.core.events import Position
from bridge.core.secret import Dsn
from bridge.event_stores import open_storage
from bridge.eventsourcing.storage import EventStorage
from tests.e2e.conftest import MakeBridge
from tests.fixtures.bridge_process import BridgeProcess
from tests.fixtures.databases import Database
from tests.fixtures.delivered import Table
from tests.fixtures.postgres import PrivateServerFactory
from tests.fixtures.proxy import Proxy, socket_path
from tests.fixtures.slot_history import current_wal_lsn, look_at_slot
from tests.fixtures.writers import (
    PUBLISHED,
    Change,
    Writers,
    create_tables,
    current_tables,
    recorded_history,
)

Connection: TypeAlias = psycopg.Connection[Any]

_CATCH_UP_S = 60.0
_EXISTING_ROWS = 5_000
_LONGEST_LIFE = 500
"""Events after which the process is killed at the latest; short lives are more frequent."""


@contextmanager
def storage_of(bridge: BridgeProcess) -> Iterator[EventStorage]:
    """Open the storage of its only projection, beside it."""
    settings = dict(bridge.settings["projections"][0]["store"])
    if "path" in settings:
        settings["path"] = Path(settings["path"])
    if "dsn" in settings:
        settings["dsn"] = Dsn(settings["dsn"])
    if "servers" in settings:
        settings["servers"] = tuple(settings["servers"])
    with closing(open_storage(StoreConfig(**settings))) as storage:
        yield storage


def events_of(bridge: BridgeProcess) -> list[DomainEvent]:
    with storage_of(bridge) as storage:
        return list(EventStore(storage).read_all())


def with_projection(
    dsn: str, make_bridge: MakeBridge, *, bridge: dict[str, Any], **settings: Any
) -> BridgeProcess:
    """Make a bridge with one projection.

    Args:
        bridge: further settings of the bridge.
        settings: of the projection; its store is a file by default.
    """
    made = make_bridge(dsn, projections=[{"name": "accounts", **settings}], **bridge)
    file = {"type": "sqlite", "path": str(made.directory / "events.db")}
    made.settings["projections"][0].setdefault("store", file)
    return made


def told_history(events: list[DomainEvent]) -> dict[str, list[Change]]:
    """Return what each transaction changed, in order, as the writers have recorded it.

    An update of a key is two events of one change.
    """
    history: dict[str, list[Change]] = defaultdict(list)
    for _, group in groupby(events, key=lambda event: event.metadata["causation_id"]):
        last = list(group)[-1]
        operation = last.metadata["operation"]
        if operation == "Read":
            continue
        table = last.metadata["table"].removeprefix("public.")
        version = None if operation == "Delete" else last.data["version"]
        change = (table, operation, int(last.aggregate_id), version)
        history[last.metadata["transaction_id"]].append(change)
    return dict(history)


def fold(events: list[DomainEvent]) -> dict[str, Table]:
    """Rebuild the tables: strictly, so that an event that is missing or told twice shows."""
    tables: dict[str, Table] = {"items": {}, "notes": {}, "counters": {}}
    for event in events:
        rows = tables[f"{event.aggregate_type.lower()}s"]
        what = event.event_type.removeprefix(event.aggregate_type)
        if what == "Created":
            assert event.aggregate_id not in rows
            rows[event.aggregate_id] = dict(event.data)
        elif what == "Updated":
            rows[event.aggregate_id] |= event.data
        else:
            assert what == "Deleted"
            del rows[event.aggregate_id]
    return tables


def assert_exact(events: list[DomainEvent], connection: Connection) -> None:
    """Hold the events, in the order of the store, against what the database says of itself."""
    places = [Position.parse(event.metadata["position"]) for event in events]
    for before, after in pairwise(places):
        assert before <= after  # of a change that is two events, the same
    for first, second in pairwise(events):
        assert first.global_sequence < second.global_sequence
    sequences: dict[tuple[str, str], int] = defaultdict(int)
    for event in events:
        key = (event.aggregate_type, event.aggregate_id)
        sequences[key] += 1
        assert event.sequence == sequences[key]
    assert told_history(events) == recorded_history(connection)
    rebuilt = fold(events)
    for name, rows in current_tables(connection).items():
        assert {row["id"]: row for row in rebuilt[name].values()} == rows, f"table {name}"


def until_confirmed(bridge: BridgeProcess, connection: Connection) -> None:
    end = current_wal_lsn(connection)
    bridge.until(lambda: look_at_slot(connection).confirmed >= end, "all is delivered", _CATCH_UP_S)


def live(bridge: BridgeProcess, storage: EventStorage, choose: random.Random) -> None:
    """Let it live for a while, from its start on, and kill it."""
    if choose.random() < 0.25:
        with suppress(subprocess.TimeoutExpired):
            bridge.process.wait(choose.random())
        assert bridge.running, bridge.stderr
    else:
        enough = storage.last() + int(math.exp(choose.uniform(0, math.log(_LONGEST_LIFE))))
        bridge.until(lambda: storage.last() >= enough, f"{enough} events", _CATCH_UP_S)
    bridge.kill()


def store_settings(
    store: str, database: Database, request: pytest.FixtureRequest
) -> dict[str, dict[str, Any]]:
    """Return ``store`` of a projection; nothing for the file that it has by default."""
    match store:
        case "postgres":
            return {"store": {"type": store, "dsn": database.dsn}}
        case "jetstream":
            cluster = request.getfixturevalue("nats_cluster")
            return {"store": {"type": store, "servers": cluster.servers, "stream": "accounts"}}
    return {}


NIGHTLY = [pytest.mark.nightly, pytest.mark.timeout(1800)]


@pytest.mark.parametrize(
    ("store", "kills"),
    [
        pytest.param("sqlite", 20, id="sqlite"),
        pytest.param("sqlite", 150, id="sqlite, often", marks=NIGHTLY),
        pytest.param("postgres", 50, id="postgres", marks=NIGHTLY),
        pytest.param("jetstream", 20, id="jetstream", marks=NIGHTLY),
    ],
)
def test_killed_at_random_moments_it_stores_each_change_once_in_the_order_of_commits(
    store: str,
    kills: int,
    newest_database: Database,
    make_bridge: MakeBridge,
    request: pytest.FixtureRequest,
) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    choose = random.Random(seed)
    connection = newest_database.connect()
    create_tables(connection)
    # Their keys change and their large bodies do not: no other identity sends those then.
    connection.execute("ALTER TABLE items REPLICA IDENTITY FULL")
    bridge = with_projection(
        newest_database.dsn,
        make_bridge,
        bridge={
            "tables": PUBLISHED,
            "source": {"snapshot": "initial"},
            "sinks": [{"type": "gated"}],
        },
        aggregates=[{"table": table} for table in PUBLISHED],
        **store_settings(store, newest_database, request),
    )
    connection.execute(
        "INSERT INTO notes SELECT 1000000000 + i, 0, 1, repeat('x', 200) "
        "FROM generate_series(1, %s) AS i",
        [_EXISTING_ROWS],
    )
    bridge.gate().hold()  # all rows are read, and the first snapshot does not come to its end
    bridge.start().wait_for_events(_EXISTING_ROWS)
    bridge.kill()
    bridge.gate().release()
    connection.execute("UPDATE notes SET version = version + 1 WHERE id % 2 = 0")
    connection.execute("DELETE FROM notes WHERE id % 100 = 0")
    bridge.start().wait_until_logged("stream_started")
    with storage_of(bridge) as storage, Writers(newest_database.dsn, seed=seed, count=4):
        for _ in range(kills):
            live(bridge, storage, choose)
            bridge.start()
    until_confirmed(bridge, connection)
    assert bridge.terminate() == 0
    events = events_of(bridge)
    assert_exact(events, connection)
    print(f"{kills} kills, {len(events)} events")


def test_while_its_store_is_away_the_slot_waits_and_nothing_is_lost(
    private_server: PrivateServerFactory, make_bridge: MakeBridge
) -> None:
    server = private_server()
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        create_tables(connection)
        connection.execute("CREATE DATABASE events")
        with Proxy(socket_path(server)) as proxy:
            away = server.dsn(host="127.0.0.1", port=proxy.port, dbname="events")
            bridge = with_projection(
                server.dsn(),
                make_bridge,
                bridge={"tables": PUBLISHED, "source": {"snapshot": "initial"}},
                aggregates=[{"table": "public.notes"}],
                store={"type": "postgres", "dsn": away},
            )
            bridge.start().wait_until_logged("stream_started")
            connection.execute("INSERT INTO notes VALUES (1, 1, 1, 'before')")
            until_confirmed(bridge, connection)
            proxy.redirect("/nowhere")
            stood = look_at_slot(connection).confirmed
            connection.execute("INSERT INTO notes VALUES (2, 1, 1, 'while it is away')")
            bridge.wait_until_logged("projection_store_retry", count=3)
            bridge.wait_for_events(5)  # the other sink is not held up
            assert look_at_slot(connection).confirmed == stood
            proxy.redirect(socket_path(server))
            until_confirmed(bridge, connection)
            assert [event.data["body"] for event in events_of(bridge)] == [
                "before",
                "while it is away",
            ]
            assert bridge.terminate() == 0


def test_events_of_the_application_come_with_its_transactions(
    newest_database: Database, make_bridge: MakeBridge
) -> None:
    connection = newest_database.connect()
    connection.execute(
        "CREATE TABLE outbox (id uuid PRIMARY KEY, aggregatetype varchar, aggregateid varchar, "
        "type varchar, payload jsonb)"
    )
    bridge = with_projection(
        newest_database.dsn,
        make_bridge,
        bridge={"tables": ["public.outbox"], "sinks": []},
        outbox=[{"table": "public.outbox"}],
        messages=True,
    )
    bridge.start().wait_until_logged("stream_started")
    placed, paid, dropped = (
        DomainEvent.new("Order", "42", name, {"total": "10.50"})
        for name in ("OrderPlaced", "OrderPaid", "OrderDropped")
    )
    with connection.transaction():
        _write_outbox(connection, placed)
        connection.execute("DELETE FROM outbox")
        begun_at = current_wal_lsn(connection)
        paid_at = emit(connection, paid)
    with connection.transaction(force_rollback=True):
        _write_outbox(connection, dropped)
        emit(connection, dropped)
    connection.execute("SELECT pg_logical_emit_message(true, 'pgbridge.event', 'no event')")
    with connection.transaction():  # what was told already is not told again
        _write_outbox(connection, placed)
        taken = DomainEvent(placed.event_id, "43", "Order", "OrderPlaced", 1, 0, {})
        emit(connection, taken)
        emit(connection, DomainEvent.new("Order", "44", "OrderPlaced", {}))
    until_confirmed(bridge, connection)
    assert bridge.terminate() == 0
    events = events_of(bridge)
    assert [(event.aggregate_id, event.event_type) for event in events] == [
        ("42", "OrderPlaced"),
        ("42", "OrderPaid"),
        ("44", "OrderPlaced"),
    ]
    assert begun_at < paid_at <= Position.parse(events[1].metadata["position"]).commit_lsn
    assert [event.event_id for event in events[:2]] == [placed.event_id, paid.event_id]
    assert [event.data for event in events] == [placed.data, paid.data, {}]
    [state] = json.loads(bridge.command("status", "--json"))["projections"]
    assert (state["name"], state["store"], state["dead_letters"]) == ("accounts", "sqlite", 2)
    assert Position.parse(state["position"]) >= Position.parse(events[-1].metadata["position"])
    letters = json.loads(bridge.command("dlq", "list", "--json"))
    assert [letter["sink"] for letter in letters] == ["projection:accounts"] * 2
    assert placed.event_id in letters[1]["reason"]


def _write_outbox(connection: Connection, event: DomainEvent) -> None:
    connection.execute(
        "INSERT INTO outbox VALUES (%s, %s, %s, %s, %s)",
        [
            event.event_id,
            event.aggregate_type,
            event.aggregate_id,
            event.event_type,
            json.dumps(event.data),
        ],
    )


def test_a_start_that_would_be_wrong_in_silence_is_refused(
    newest_database: Database, make_bridge: MakeBridge
) -> None:
    connection = newest_database.connect()
    create_tables(connection)
    deposited = {"name": "Grown", "on": "update", "when": "new.version > old.version"}
    bridge = with_projection(
        newest_database.dsn,
        make_bridge,
        bridge={"tables": ["public.items"]},
        aggregates=[{"table": "public.items", "events": [deposited]}],
    )
    assert bridge.start().wait() == 3
    assert "reads old.version of public.items" in bridge.stderr
    assert 'ALTER TABLE "public"."items" REPLICA IDENTITY FULL' in bridge.stderr
    connection.execute("ALTER TABLE items REPLICA IDENTITY FULL")

    bridge.start().wait_until_logged("stream_started")
    connection.execute("INSERT INTO items VALUES (1, 1, 1, ''); UPDATE items SET version = 2")
    until_confirmed(bridge, connection)
    assert bridge.terminate() == 0
    [event] = events_of(bridge)
    assert (event.event_type, event.data["version"]) == ("Grown", 2)
    for file in bridge.directory.glob("events.db*"):
        file.unlink()
    assert bridge.start().wait() == 3
    assert "its events are lost" in bridge.stderr

    aggregates = [{"table": "public.items"}, {"table": "public.nowhere"}]
    bridge.settings["projections"][0]["aggregates"] = aggregates
    assert bridge.start("--accept-gap").wait() == 3
    assert "reads public.nowhere" in bridge.stderr
