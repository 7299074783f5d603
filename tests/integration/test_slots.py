"""Slots on real servers: creation with a deadline, limits, ownership, lag, cleanup."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.pq import Conninfo

from bridge.core.errors import BridgeError, ConfigError, EnvironmentProblem, SlotBusy
from bridge.core.lsn import format_lsn, parse_lsn
from bridge.postgres.connection import Connection, Database
from bridge.postgres.embedded import EmbeddedPostgres
from bridge.postgres.owned_slots import RememberedSlots, SlotFile
from bridge.postgres.slot_creation import Blocker
from bridge.postgres.slots import ReplicationConfig, ReplicationSlotManager
from tests.fixtures.databases import Database as FreshDatabase
from tests.fixtures.waiting import eventually

DAY = 86400.0


def manager_of(database: FreshDatabase, **limits: Any) -> ReplicationSlotManager:
    return ReplicationSlotManager(ReplicationConfig(**limits), Database(database.dsn))


def own(database: FreshDatabase, suffix: str = "") -> str:
    """Return a slot name that no other test uses on the same server."""
    return f"{database.name}{suffix}"


def server_lsn(admin: psycopg.Connection[Any]) -> str:
    (lsn,) = admin.execute("SELECT pg_current_wal_lsn()::text").fetchone()  # type: ignore[misc]
    return str(lsn)


def commit_something(admin: psycopg.Connection[Any]) -> None:
    admin.execute("CREATE TABLE IF NOT EXISTS t (a int)")
    admin.execute("INSERT INTO t VALUES (1)")


def start_streaming(database: FreshDatabase, slot: str) -> Connection:
    connection = Database(database.dsn).connect_replication()
    connection.pgconn.exec_(f'START_REPLICATION SLOT "{slot}" LOGICAL 0/0'.encode())
    return connection


def test_a_new_slot_is_described_as_the_server_has_it(database: FreshDatabase) -> None:
    manager, name = manager_of(database), own(database)

    slot = manager.create_slot(name)

    assert (slot.name, slot.plugin, slot.slot_type, slot.database) == (
        name,
        "pgoutput",
        "logical",
        database.name,
    )
    assert (slot.active, slot.active_pid, slot.temporary, slot.lost) == (False, None, False, False)
    assert slot.wal_status == "reserved"
    assert slot.confirmed_flush_lsn is not None
    assert slot.created_by_us
    assert name in [s.name for s in manager.list_slots()]
    major = database.server.major_version
    assert (slot.two_phase is None) is (major < 14)
    assert (slot.failover is None) is (major < 17)
    assert (slot.inactive_since is None) is (major < 17)


def test_a_manager_takes_a_connection_string_or_what_the_environment_says(
    newest_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = ReplicationSlotManager(ReplicationConfig(2, 3600.0, False, 1 << 30))
    with monkeypatch.context() as environment:
        for option in Conninfo.parse(newest_database.dsn.encode()):
            if option.envvar and option.val:
                environment.setenv(option.envvar.decode(), option.val.decode())
        manager.create_slot(own(newest_database), "pgoutput")

    again = ReplicationSlotManager(ReplicationConfig(), newest_database.dsn)
    assert own(newest_database) in [slot.name for slot in again.list_slots()]


@pytest.mark.postgres(min=14)
def test_a_two_phase_slot(database: FreshDatabase) -> None:
    assert manager_of(database).create_slot(own(database), two_phase=True).two_phase


@pytest.mark.postgres(min=17)
def test_a_failover_slot(database: FreshDatabase) -> None:
    assert manager_of(database).create_slot(own(database), failover=True).failover


@pytest.mark.postgres(max=13)
def test_what_the_server_is_too_old_for_is_said_before(database: FreshDatabase) -> None:
    manager = manager_of(database)

    with pytest.raises(EnvironmentProblem, match="need PostgreSQL 14"):
        manager.create_slot(own(database), two_phase=True)
    with pytest.raises(EnvironmentProblem, match="need PostgreSQL 17"):
        manager.create_slot(own(database), failover=True)
    assert manager.get_slot(own(database)) is None


def test_a_temporary_slot_goes_with_its_manager(newest_database: FreshDatabase) -> None:
    manager, name = manager_of(newest_database), own(newest_database)

    assert manager.create_slot(name, temporary=True).temporary
    manager.close()

    eventually(lambda: manager.get_slot(name) is None, message="the temporary slot is gone")


@pytest.mark.parametrize("name", ["", "Upper", "with-hyphen", "with space", 'q"', "x" * 64, "ä"])
def test_a_name_that_is_none_is_refused(newest_database: FreshDatabase, name: str) -> None:
    with pytest.raises(ConfigError, match="name of a slot"):
        manager_of(newest_database).create_slot(name)


def test_a_name_in_use_is_refused(newest_database: FreshDatabase) -> None:
    manager, name = manager_of(newest_database), own(newest_database)
    manager.create_slot(name)

    with pytest.raises(EnvironmentProblem, match="exists already"):
        manager.create_slot(name)


def test_no_more_slots_than_allowed(newest_database: FreshDatabase) -> None:
    manager = manager_of(newest_database, max_slots=2)
    manager.create_slot(own(newest_database, "_1"))
    manager.create_slot(own(newest_database, "_2"))

    with pytest.raises(EnvironmentProblem, match=r"slots\.max_slots is 2") as caught:
        manager.create_slot(own(newest_database, "_3"))

    assert own(newest_database, "_1") in str(caught.value)
    assert manager.get_slot(own(newest_database, "_3")) is None


def test_a_server_without_a_free_slot_says_so(
    private_server: Callable[..., EmbeddedPostgres],
) -> None:
    server = private_server(max_replication_slots="1")
    manager = ReplicationSlotManager(ReplicationConfig(), Database(server.dsn()))
    manager.create_slot("first")

    with pytest.raises(EnvironmentProblem, match="no replication slot left") as caught:
        manager.create_slot("second")

    assert "max_replication_slots" in caught.value.remedy


def test_an_unknown_plugin_is_explained(database: FreshDatabase) -> None:
    with pytest.raises(EnvironmentProblem, match="output plugin") as caught:
        manager_of(database).create_slot(own(database), "no_such_plugin")

    assert caught.value.remedy


def test_a_server_without_logical_wal_is_explained(
    private_server: Callable[..., EmbeddedPostgres],
) -> None:
    server = private_server(wal_level="replica")
    manager = ReplicationSlotManager(ReplicationConfig(), Database(server.dsn()))

    with pytest.raises(EnvironmentProblem, match="wal_level") as caught:
        manager.create_slot("any")

    assert "ALTER SYSTEM SET wal_level = logical" in caught.value.remedy


@pytest.fixture
def open_writer(database: FreshDatabase) -> Iterator[psycopg.Connection[Any]]:
    """A transaction that has written and does not end by itself."""
    connection = database.connect(application_name="night batch")
    connection.execute("CREATE TABLE held (a int)")
    connection.execute("BEGIN")
    connection.execute("INSERT INTO held VALUES (1)")
    yield connection
    connection.rollback()


def test_creation_names_who_is_in_the_way_and_leaves_no_slot(
    database: FreshDatabase, open_writer: psycopg.Connection[Any]
) -> None:
    manager = manager_of(database)
    pid = open_writer.info.backend_pid

    with pytest.raises(EnvironmentProblem, match=f"pid {pid} .*night batch.*idle in") as caught:
        manager.create_slot(own(database), timeout_seconds=0.7)

    assert database.name in str(caught.value)
    assert manager.get_slot(own(database)) is None


def test_creation_with_a_snapshot_has_the_same_deadline(
    database: FreshDatabase, open_writer: psycopg.Connection[Any]
) -> None:
    manager = manager_of(database)
    pid = open_writer.info.backend_pid

    with (
        closing(Database(database.dsn).connect_replication()) as replication,
        pytest.raises(EnvironmentProblem, match=f"pid {pid}"),
    ):
        manager.create_slot_with_snapshot(replication, own(database), timeout_seconds=0.7)

    assert manager.get_slot(own(database)) is None


def test_creation_names_a_prepared_transaction(database: FreshDatabase) -> None:
    admin = database.connect()
    commit_something(admin)
    admin.execute("BEGIN")
    admin.execute("INSERT INTO t VALUES (2)")
    gid = f"transfer of {database.name}"
    admin.execute(sql.SQL("PREPARE TRANSACTION {}").format(sql.Literal(gid)))

    with pytest.raises(EnvironmentProblem, match=f"prepared transaction '{gid}'"):
        manager_of(database).create_slot(own(database), timeout_seconds=0.7)


def test_creation_goes_on_when_the_older_transaction_ends(
    database: FreshDatabase, open_writer: psycopg.Connection[Any]
) -> None:
    manager = manager_of(database)
    told: list[tuple[Blocker, ...]] = []
    somebody_told = threading.Event()

    def on_blocked(blockers: tuple[Blocker, ...]) -> None:
        told.append(blockers)
        somebody_told.set()

    def end_it() -> None:
        somebody_told.wait(30)
        open_writer.rollback()

    ending = threading.Thread(target=end_it)
    ending.start()
    slot = manager.create_slot(own(database), timeout_seconds=30, on_blocked=on_blocked)
    ending.join()

    assert slot.created_by_us
    assert open_writer.info.backend_pid in [blocker.pid for blocker in told[0]]


def test_the_exported_snapshot_shows_the_rows_as_of_the_slot(database: FreshDatabase) -> None:
    admin = database.connect()
    commit_something(admin)
    source = Database(database.dsn)
    manager = ReplicationSlotManager(ReplicationConfig(), source)

    with closing(source.connect_replication()) as replication:
        created = manager.create_slot_with_snapshot(replication, own(database))
        admin.execute("INSERT INTO t VALUES (2)")
        with source.connect() as reader:
            reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            name = sql.Literal(created.snapshot_name)
            reader.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(name))
            rows = reader.execute("SELECT a FROM public.t").fetchall()

    assert rows == [(1,)]
    slot = manager.get_slot(created.name)
    assert slot is not None
    assert slot.confirmed_flush_lsn == created.consistent_point
    assert slot.created_by_us


def test_a_temporary_slot_with_a_snapshot_goes_with_its_session(
    newest_database: FreshDatabase,
) -> None:
    source = Database(newest_database.dsn)
    manager = ReplicationSlotManager(ReplicationConfig(), source)

    with closing(source.connect_replication()) as replication:
        created = manager.create_slot_with_snapshot(
            replication, own(newest_database), temporary=True
        )
        slot = manager.get_slot(created.name)
        assert slot is not None
        assert slot.temporary

    eventually(lambda: manager.get_slot(own(newest_database)) is None, message="the slot is gone")


def test_lag_counts_what_is_written_and_not_confirmed(database: FreshDatabase) -> None:
    manager, admin = manager_of(database), database.connect()
    manager.create_slot(own(database))
    before = manager.get_slot_lag(own(database))

    for _ in range(100):
        commit_something(admin)

    lag = manager.get_slot_lag(own(database))
    assert lag.retained_bytes is not None
    assert lag.unconfirmed_bytes is not None
    assert before.unconfirmed_bytes is not None
    assert lag.retained_bytes >= lag.unconfirmed_bytes > before.unconfirmed_bytes
    if database.server.major_version >= 17:
        assert lag.seconds is not None
        assert 0 <= lag.seconds < 300
    else:
        assert lag.seconds is None


def test_the_lag_of_no_slot_is_an_error(newest_database: FreshDatabase) -> None:
    with pytest.raises(EnvironmentProblem, match="no slot 'nowhere'"):
        manager_of(newest_database).get_slot_lag("nowhere")


def test_a_slot_advances_to_a_position_and_not_back(database: FreshDatabase) -> None:
    manager, admin, name = manager_of(database), database.connect(), own(database)
    start = manager.create_slot(name).confirmed_flush_lsn
    assert start is not None
    commit_something(admin)
    target = parse_lsn(server_lsn(admin))

    assert manager.advance_slot(name, format_lsn(target)) == target

    slot = manager.get_slot(name)
    assert slot is not None
    assert slot.confirmed_flush_lsn == target
    for lsn, says in ((start, "cannot be moved back"), ("FFFF/0", "WAL ends at")):
        with pytest.raises(EnvironmentProblem, match=says) as caught:
            manager.advance_slot(name, lsn)
        assert caught.value.remedy
    with pytest.raises(EnvironmentProblem, match="no slot"):
        manager.advance_slot("nowhere", target)


def test_a_slot_in_use_is_neither_dropped_nor_advanced(database: FreshDatabase) -> None:
    manager, name = manager_of(database), own(database)
    manager.create_slot(name, "test_decoding")

    with closing(start_streaming(database, name)) as stream:
        slot = manager.get_slot(name)
        assert slot is not None
        assert slot.active
        assert slot.active_pid == stream.info.backend_pid
        with pytest.raises(SlotBusy, match=f"pid {slot.active_pid}"):
            manager.drop_slot(name)
        with pytest.raises(SlotBusy):
            manager.advance_slot(name, server_lsn(database.connect()))
        assert manager.get_slot(name) is not None

    eventually(lambda: not _is_active(manager, name), message="the slot is free")
    manager.drop_slot(name)
    assert manager.get_slot(name) is None


def _is_active(manager: ReplicationSlotManager, name: str) -> bool:
    slot = manager.get_slot(name)
    return slot is not None and slot.active


def test_only_slots_of_ours_are_cleaned_up(newest_database: FreshDatabase) -> None:
    manager = manager_of(newest_database, stale_threshold_seconds=0)
    ours, foreign = own(newest_database, "_ours"), own(newest_database, "_foreign")
    manager.create_slot(ours)
    newest_database.connect().execute(
        "SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [foreign]
    )

    assert [stale.slot.name for stale in manager.find_stale_slots()] == [ours]
    assert manager.cleanup_stale_slots() == [ours]

    assert manager.get_slot(ours) is None
    assert manager.get_slot(foreign) is not None
    manager.drop_slot(foreign)  # whoever names it means it
    assert manager.get_slot(foreign) is None


def test_a_slot_in_use_or_used_lately_is_not_stale(newest_database: FreshDatabase) -> None:
    patient = manager_of(newest_database, stale_threshold_seconds=DAY)
    patient.create_slot(own(newest_database, "_new"))
    hasty = manager_of(newest_database, stale_threshold_seconds=0)
    hasty.create_slot(own(newest_database, "_used"), "test_decoding")

    assert patient.cleanup_stale_slots() == []
    with closing(start_streaming(newest_database, own(newest_database, "_used"))):
        assert hasty.cleanup_stale_slots() == []


def test_an_unused_slot_that_retains_too_much_is_stale_at_once(
    newest_database: FreshDatabase,
) -> None:
    manager = manager_of(newest_database, stale_threshold_seconds=DAY, max_lag=2000)
    manager.create_slot(own(newest_database))
    assert manager.find_stale_slots() == []
    admin = newest_database.connect()
    for _ in range(100):
        commit_something(admin)

    (stale,) = manager.find_stale_slots()

    assert "retains" in stale.reason


def test_room_is_made_by_dropping_stale_slots_if_that_is_configured(
    newest_database: FreshDatabase,
) -> None:
    manager = manager_of(newest_database, max_slots=1, stale_threshold_seconds=0, auto_cleanup=True)
    manager.create_slot(own(newest_database, "_old"))

    manager.create_slot(own(newest_database, "_new"))

    assert manager.get_slot(own(newest_database, "_old")) is None


def test_ownership_outlives_the_process_and_ends_with_the_slot(
    newest_database: FreshDatabase, tmp_path: Path
) -> None:
    source, record = Database(newest_database.dsn), tmp_path / "state" / "slots.json"
    config = ReplicationConfig(stale_threshold_seconds=0)

    def restarted() -> ReplicationSlotManager:
        return ReplicationSlotManager(config, source, owned=SlotFile(record))

    restarted().create_slot(own(newest_database))
    assert [s.slot.name for s in restarted().find_stale_slots()] == [own(newest_database)]

    admin = newest_database.connect()
    admin.execute("SELECT pg_drop_replication_slot(%s)", [own(newest_database)])
    restarted().list_slots()
    admin.execute(
        "SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [own(newest_database)]
    )
    assert restarted().find_stale_slots() == []


@pytest.mark.postgres(max=16)
def test_where_the_server_does_not_tell_since_when_the_record_does(
    database: FreshDatabase, tmp_path: Path
) -> None:
    config, source = ReplicationConfig(stale_threshold_seconds=DAY), Database(database.dsn)
    record = SlotFile(tmp_path / "slots.json")
    manager = ReplicationSlotManager(config, source, owned=record)
    manager.create_slot(own(database))
    assert manager.find_stale_slots() == []
    (key,) = record.recorded()
    two_days_ago = record.seen_inactive(key, 0) - 2 * DAY
    record.seen_active(key)
    record.seen_inactive(key, two_days_ago)

    (stale,) = ReplicationSlotManager(
        config, source, owned=SlotFile(tmp_path / "slots.json")
    ).find_stale_slots()

    assert "unused for 1728" in stale.reason


@pytest.mark.parametrize("durable", [False, True])
def test_the_record_of_a_slot_forgets_when_somebody_used_it(durable: bool, tmp_path: Path) -> None:
    record = SlotFile(tmp_path / "new" / "slots.json") if durable else RememberedSlots()
    record.add("a")

    assert record.seen_inactive("a", 10) == 10
    assert record.seen_inactive("a", 20) == 10
    record.seen_active("a")
    assert record.seen_inactive("a", 30) == 30
    record.remove("a")
    record.remove("a")
    assert "a" not in record


def test_a_record_that_cannot_be_read_or_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "slots.json").write_text("{")
    with pytest.raises(EnvironmentProblem, match="cannot be read"):
        SlotFile(tmp_path / "slots.json").recorded()

    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentProblem, match="cannot be written"):
        SlotFile(tmp_path / "file" / "slots.json").add("a")


def test_two_processes_may_record_at_once(tmp_path: Path) -> None:
    one, other = SlotFile(tmp_path / "slots.json"), SlotFile(tmp_path / "slots.json")

    one.add("a")
    other.add("b")
    one.remove("nothing")

    assert one.recorded() == other.recorded() == ("a", "b")


def test_a_role_that_may_only_replicate_can_do_all_of_it(
    database: FreshDatabase, request: pytest.FixtureRequest
) -> None:
    role = sql.Identifier(f"capture_{database.name}")
    database.connect().execute(sql.SQL("CREATE ROLE {} LOGIN REPLICATION").format(role))

    def drop_role() -> None:
        with psycopg.connect(database.server.dsn(), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP ROLE {}").format(role))

    request.addfinalizer(drop_role)
    source = Database(make_conninfo(database.dsn, user=f"capture_{database.name}"))
    manager = ReplicationSlotManager(ReplicationConfig(stale_threshold_seconds=0), source)

    manager.create_slot(own(database))
    manager.advance_slot(own(database), server_lsn(database.connect()))
    assert manager.get_slot_lag(own(database)).retained_bytes is not None
    assert manager.cleanup_stale_slots() == [own(database)]


def test_a_role_without_the_right_is_told_what_it_needs(
    newest_database: FreshDatabase, request: pytest.FixtureRequest
) -> None:
    role = sql.Identifier(f"plain_{newest_database.name}")
    newest_database.connect().execute(sql.SQL("CREATE ROLE {} LOGIN").format(role))

    def drop_role() -> None:
        with psycopg.connect(newest_database.server.dsn(), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP ROLE {}").format(role))

    request.addfinalizer(drop_role)
    source = Database(make_conninfo(newest_database.dsn, user=f"plain_{newest_database.name}"))

    with pytest.raises(BridgeError, match="may not use replication") as caught:
        ReplicationSlotManager(ReplicationConfig(), source).create_slot(own(newest_database))

    assert "REPLICATION" in caught.value.remedy
