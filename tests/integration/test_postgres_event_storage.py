"""The event store in PostgreSQL: append-only, poolers, publications, rights, and restarts."""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from bridge.core.errors import EnvironmentProblem, Transient
from bridge.core.events import Position
from bridge.eventsourcing.errors import ConcurrencyConflict
from bridge.eventsourcing.expected_version import ANY, NO_STREAM, ExpectedVersion
from bridge.eventsourcing.records import (
    NewEvent,
    Progress,
    Recorded,
    Segment,
    SnapshotRecord,
    Write,
)
from bridge.postgres.connection import Database
from bridge.postgres.embedded import EmbeddedPostgres
from bridge.postgres.event_storage import PostgresStorage
from tests.fixtures.databases import Database as FreshDatabase
from tests.fixtures.pooler import pooler
from tests.fixtures.waiting import eventually

ALL = 1_000_000
_SESSIONS, _APPENDS = 4, 25


def open_storage(dsn: str, **settings: str) -> PostgresStorage:
    return PostgresStorage(Database(dsn), **settings)


def make_write(aggregate: str, events: int = 1, expected: ExpectedVersion = ANY) -> Write:
    made = (
        NewEvent(str(uuid.uuid4()), "Deposited", 1, 7, '{"note": "\\u0000 é"}', "{}")
        for _ in range(events)
    )
    return Write("Account", aggregate, expected, tuple(made))


@pytest.fixture
def role(newest_database: FreshDatabase) -> Iterator[str]:
    """A role that may connect, and no more."""
    admin = newest_database.connect()
    name = f"role_{newest_database.name}"
    admin.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(name)))
    yield name
    admin.execute(sql.SQL("DROP OWNED BY {0} CASCADE").format(sql.Identifier(name)))
    admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def test_it_works_on_every_server(database: FreshDatabase) -> None:
    progress = Progress("accounts", Position(5, -1), "here")
    with closing(open_storage(database.dsn)) as storage:
        first = storage.append([make_write("b", 2, NO_STREAM), make_write("a")], progress)
        with pytest.raises(ConcurrencyConflict):
            storage.append([make_write("a", 1, NO_STREAM)])
        storage.archive(Segment("one", 1, 2, 2, 100, "ab"), [("Account", "b", 2)])
        storage.save_snapshot(SnapshotRecord("Account", "b", 2, 1, 7, "{}"))

    with closing(open_storage(database.dsn)) as storage:
        assert storage.read_all(0, ALL) == first[2:]
        assert storage.progress("accounts") == progress
        assert [tuple(head) for head in storage.aggregates(None, ALL)] == [
            ("Account", "a", 1, 0),
            ("Account", "b", 2, 2),
        ]
        assert [event.sequence for event in storage.append([make_write("b")])] == [3]
        assert storage.types_of("b") == ("Account",)
        assert storage.counts() == {"events": 2, "aggregates": 2, "snapshots": 1}


def test_a_batch_is_numbered_as_one_append_after_the_other_would_be(
    newest_database: FreshDatabase,
) -> None:
    with closing(open_storage(newest_database.dsn)) as storage:
        repeated = make_write("a", 2)
        storage.append([repeated])
        stored = storage.append(
            [make_write("a", 1, 2), make_write("b", 2, NO_STREAM), repeated, make_write("a", 1, 3)]
        )

        assert [(e.global_sequence, e.aggregate_id, e.sequence) for e in stored] == [
            (3, "a", 3),
            (4, "b", 1),
            (5, "b", 2),
            (1, "a", 1),
            (2, "a", 2),
            (6, "a", 4),
        ]
        assert storage.read_all(2, ALL) == [stored[n] for n in (0, 1, 2, 5)]


def test_sessions_that_append_at_once_make_one_order_that_a_follower_may_trust(
    newest_database: FreshDatabase,
) -> None:
    seen: list[Recorded] = []

    def write(writer: int) -> None:
        with closing(open_storage(newest_database.dsn)) as storage:
            for number in range(_APPENDS):
                storage.append([make_write("shared"), make_write(f"{writer}", number % 3 + 1)])

    with ThreadPoolExecutor(_SESSIONS) as pool:
        writers = [pool.submit(write, number) for number in range(_SESSIONS)]
        with closing(open_storage(newest_database.dsn)) as follower:
            while not all(writer.done() for writer in writers):
                seen += follower.read_all(seen[-1].global_sequence if seen else 0, 5)
            for writer in writers:
                writer.result()
            seen += follower.read_all(seen[-1].global_sequence, ALL)

    by_aggregate: dict[str, list[int]] = {}
    for event in seen:
        by_aggregate.setdefault(event.aggregate_id, []).append(event.sequence)
    assert [event.global_sequence for event in seen] == list(range(1, len(seen) + 1))
    assert len(by_aggregate["shared"]) == _SESSIONS * _APPENDS
    assert all(found == list(range(1, len(found) + 1)) for found in by_aggregate.values())


def test_an_append_whose_session_is_ended_can_be_repeated(newest_database: FreshDatabase) -> None:
    admin = newest_database.connect()
    done = threading.Event()
    failures: list[Transient] = []

    def end_sessions() -> None:
        while not done.is_set():
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            done.wait(0.02)

    def append(write: Write) -> bool:
        try:
            storage.append([write])
        except Transient as error:
            failures.append(error)
            return False
        return True

    number = 0
    with closing(open_storage(newest_database.dsn)) as storage:
        ender = threading.Thread(target=end_sessions)
        ender.start()
        try:
            while len(failures) < 10:
                write = make_write("a", 2, 2 * number or NO_STREAM)
                number += 1
                eventually(lambda: append(write), message="stored")  # noqa: B023
        finally:
            done.set()
            ender.join(30)

        found = eventually(lambda: storage.read_all(0, ALL), message="read", ignoring=(Transient,))
    assert [event.sequence for event in found] == list(range(1, 2 * number + 1))


def test_the_usual_append_takes_one_round_trip(
    newest_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent_by: list[psycopg.Connection[Any]] = []
    execute = psycopg.Connection.execute

    def counted(self: psycopg.Connection[Any], *args: Any, **kwargs: Any) -> Any:
        sent_by.append(self)
        return execute(self, *args, **kwargs)

    with closing(open_storage(newest_database.dsn)) as storage:
        storage.append([make_write("a")])
        monkeypatch.setattr(psycopg.Connection, "execute", counted)

        storage.append([make_write("a", 3), make_write("b", 2)], Progress("p", Position(1, 0), ""))

        (connection,) = sent_by
        assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE pgbridge_events.event SET data = '{}'",
        "DELETE FROM pgbridge_events.event",
        "TRUNCATE pgbridge_events.event",
        "UPDATE pgbridge_events.event_type SET block = 0",
        "DELETE FROM pgbridge_events.event_type",
        "TRUNCATE pgbridge_events.event_type",
    ],
)
def test_events_are_append_only_by_privilege_and_by_trigger(
    newest_database: FreshDatabase, role: str, change: str
) -> None:
    admin = newest_database.connect()
    admin.execute(
        sql.SQL("CREATE SCHEMA pgbridge_events AUTHORIZATION {}").format(sql.Identifier(role))
    )
    with closing(
        open_storage(newest_database.server.dsn(dbname=newest_database.name, user=role))
    ) as storage:
        stored = storage.append([make_write("a", 3)])
        owner = newest_database.connect(user=role)

        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            owner.execute(change)
        admin.execute("SET session_replication_role = replica")
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="append-only"):
            admin.execute(change)
        storage.archive(Segment("one", 1, 2, 2, 100, "ab"), [("Account", "a", 2)])
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            owner.execute(change)

        assert storage.read_all(0, ALL) == stored[2:]


def test_it_works_through_a_pooler_that_changes_sessions(
    newest_database: FreshDatabase, tmp_path: Path
) -> None:
    with pooler(newest_database, tmp_path, mode="transaction") as dsn:
        storages = [open_storage(dsn) for _ in range(2)]
        for number in range(1, 6):
            for storage in storages:
                storage.append([make_write("a"), make_write("b", 2)])
            with pytest.raises(ConcurrencyConflict):
                storages[0].append([make_write("a", 1, NO_STREAM)])
            assert storages[1].last() == 6 * number
        for storage in storages:
            assert [e.global_sequence for e in storage.read_all(0, ALL)] == list(range(1, 31))
            storage.close()
        with psycopg.connect(dsn, autocommit=True) as session:
            for setting, value in (("lock_timeout", "0"), ("enable_seqscan", "on")):
                assert session.execute(sql.SQL("SHOW {}").format(sql.SQL(setting))).fetchone() == (
                    value,
                )


def test_a_database_that_cannot_hold_every_character_is_refused(
    newest_database: FreshDatabase,
) -> None:
    name = f"{newest_database.name}_latin"
    admin = newest_database.connect()
    admin.execute(
        sql.SQL("CREATE DATABASE {} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0").format(
            sql.Identifier(name)
        )
    )
    try:
        with pytest.raises(EnvironmentProblem, match="encoding LATIN1"):
            open_storage(newest_database.server.dsn(dbname=name))
    finally:
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def test_a_publication_of_all_tables_is_refused(newest_database: FreshDatabase) -> None:
    admin = newest_database.connect()
    admin.execute("CREATE TABLE orders (id int PRIMARY KEY)")
    admin.execute("CREATE PUBLICATION everything FOR ALL TABLES")
    admin.execute("CREATE PUBLICATION orders FOR TABLE orders")

    with pytest.raises(EnvironmentProblem, match="Publication 'everything' sends the tables"):
        open_storage(newest_database.dsn, publication="everything")

    assert admin.execute("SELECT to_regnamespace('pgbridge_events')").fetchone() == (None,)
    open_storage(newest_database.dsn, publication="orders").close()


def test_the_schema_can_be_chosen(newest_database: FreshDatabase) -> None:
    name = 'odd "schema" {x} %s'
    with closing(open_storage(newest_database.dsn, schema=name)) as storage:
        stored = storage.append([make_write("a", 3)])
        storage.archive(Segment("one", 1, 1, 1, 100, "ab"), [("Account", "a", 1)])
        assert storage.read_all(0, ALL) == stored[1:]
        identity = storage.identity

    with closing(open_storage(newest_database.dsn)) as other:
        assert other.identity != identity
        assert other.last() == 0


def test_an_account_that_may_not_create_is_told_what_to_ask_for(
    newest_database: FreshDatabase, role: str
) -> None:
    dsn = newest_database.server.dsn(dbname=newest_database.name, user=role)
    with pytest.raises(
        EnvironmentProblem, match=r'may not create a schema.*CREATE SCHEMA "pgbridge_events"'
    ):
        open_storage(dsn)


def test_a_role_that_only_appends_and_reads_needs_the_documented_rights(
    newest_database: FreshDatabase, role: str
) -> None:
    open_storage(newest_database.dsn).close()
    page = (Path(__file__).parents[2] / "docs/event-sourcing.md").read_text(encoding="utf-8")
    grants = re.findall(r"^GRANT .*;$", page, re.M)
    for grant in grants:
        newest_database.connect().execute(grant.replace("TO app", f"TO {role}").encode())

    dsn = newest_database.server.dsn(dbname=newest_database.name, user=role)
    with closing(open_storage(dsn)) as storage:
        write = make_write("a", 2)
        stored = storage.append([write], Progress("accounts", Position(5, 0), "here"))
        assert storage.append([write, make_write("b")])[:2] == stored
        storage.save_snapshot(SnapshotRecord("Account", "a", 2, 1, 7, "{}"))
        with pytest.raises(EnvironmentProblem, match="denied for table event_segment"):
            storage.archive(Segment("one", 1, 1, 1, 100, "ab"), [("Account", "a", 1)])
        assert storage.counts() == {"events": 3, "aggregates": 2, "snapshots": 1}
    assert len(grants) == 4


def test_a_layout_from_the_future_is_refused(newest_database: FreshDatabase) -> None:
    open_storage(newest_database.dsn).close()
    newest_database.connect().execute("INSERT INTO pgbridge_events.event_layout VALUES (999)")

    with pytest.raises(EnvironmentProblem, match="newer pgbridge"):
        open_storage(newest_database.dsn)


def test_a_server_that_is_away_is_waited_for(
    private_server: Callable[..., EmbeddedPostgres],
) -> None:
    server = private_server()
    with closing(open_storage(server.dsn())) as storage:
        first = storage.append([make_write("a")])
        server.shut_down()
        write = make_write("a", 1, 1)
        for _ in range(2):
            with pytest.raises(Transient):
                storage.append([write])
        server.start()

        second = eventually(
            lambda: storage.append([write]), message="stored", ignoring=(Transient,)
        )
        assert storage.read_all(0, ALL) == [*first, *second]
