"""Creating a slot, which waits for every older transaction that has written: with a deadline.

The server waits without limit, also for prepared transactions, and no timeout of a session
interrupts a replication command. So a second session watches: it finds out who is being waited
for, and cancels when the time is up. A creation that was cancelled leaves no slot.
https://www.postgresql.org/docs/current/logicaldecoding-explanation.html
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Self, TypeAlias

import psycopg

from bridge.core.errors import BridgeError, EnvironmentProblem
from bridge.core.lsn import Lsn, parse_lsn
from bridge.postgres.connection import Connection, Database
from bridge.postgres.server_errors import explain
from sql import load

DEFAULT_TIMEOUT_SECONDS = 60.0

_UNNOTICED_S = 0.5
_LOOK_EVERY_S = 1.0
_CANCEL_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocker:
    """A transaction that has written and not ended.

    Attributes:
        pid: of its session; None for a prepared transaction.
        gid: the name of a prepared transaction; None for a session.
        database: where it runs.
        owner: the role.
        application: the session's application_name.
        state: of the session, such as "idle in transaction".
        since: when it began. All but ``pid`` and ``gid`` can be None: a role without
            pg_read_all_stats is not told.
    """

    pid: int | None
    gid: str | None
    database: str | None
    owner: str | None
    application: str | None
    state: str | None
    since: datetime | None

    def __str__(self) -> str:
        if self.gid is not None:
            text = f"prepared transaction {self.gid!r}"
        else:
            text = f"session with pid {self.pid}"
        known = (
            self.application,
            f"user {self.owner}" if self.owner else None,
            f"database {self.database}" if self.database else None,
            self.state,
            f"since {self.since:%Y-%m-%d %H:%M:%S} UTC" if self.since else None,
        )
        described = ", ".join(part for part in known if part)
        return f"{text} ({described})" if described else text


OnBlocked: TypeAlias = Callable[[tuple[Blocker, ...]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatedSlot:
    """A new slot, as ``CREATE_REPLICATION_SLOT`` reports it.

    Attributes:
        name: of the slot.
        consistent_point: from where it streams: every later commit, and only those.
        snapshot_name: for ``SET TRANSACTION SNAPSHOT``, which shows the rows as of that point. It
            is valid until the next command on the session that created the slot.
    """

    name: str
    consistent_point: Lsn
    snapshot_name: str


def find_writers(session: Connection, *, besides: int | None = None) -> tuple[Blocker, ...]:
    """Return the oldest transactions that have written and not ended, of all databases.

    Args:
        session: to ask.
        besides: the pid of a session to leave out.

    Raises:
        psycopg.Error: the server does not answer.
    """
    rows = session.execute(load("slots/blockers.sql"), {"waiting_pid": besides}).fetchall()
    return tuple(
        Blocker(
            pid=pid,
            gid=gid,
            database=database,
            owner=owner,
            application=application,
            state=state,
            since=since,
        )
        for pid, gid, database, owner, application, state, since, _ in rows
    )


def create_by_function(
    connection: Connection,
    name: str,
    *,
    plugin: str,
    temporary: bool,
    two_phase: bool,
    failover: bool,
    deadline: SlotDeadline,
) -> Lsn:
    """Create a slot over an SQL session.

    Returns:
        The consistent point.

    Raises:
        EnvironmentProblem: as the server says, or the deadline passed; then the error names the
            transactions that were waited for, and there is no slot.
        Transient: the server is away.
    """
    major = connection.info.server_version // 10000
    _check_support(major, two_phase=two_phase, failover=failover)
    version = 17 if major >= 17 else 14 if major >= 14 else 13
    arguments = {
        "name": name,
        "plugin": plugin,
        "temporary": temporary,
        "two_phase": two_phase,
        "failover": failover,
    }
    statement = load(f"slots/create_{version}.sql")
    with deadline.watching(name, connection):
        row = connection.execute(statement, arguments).fetchone()
    assert row is not None
    return parse_lsn(row[0])


def create_with_snapshot(
    connection: Connection,
    name: str,
    *,
    plugin: str,
    temporary: bool,
    two_phase: bool,
    failover: bool,
    deadline: SlotDeadline,
) -> CreatedSlot:
    """Create a slot over a replication session, and export the snapshot that belongs to it.

    https://www.postgresql.org/docs/current/protocol-replication.html

    Raises:
        EnvironmentProblem: as for ``create_by_function``.
        Transient: the server is away.
    """
    major = connection.info.server_version // 10000
    _check_support(major, two_phase=two_phase, failover=failover)
    kind = "TEMPORARY LOGICAL" if temporary else "LOGICAL"
    command = f"CREATE_REPLICATION_SLOT {_quoted(name)} {kind} {_quoted(plugin)}"
    if major >= 15:
        options = ["SNAPSHOT 'export'"]
        options += ["TWO_PHASE true"] * two_phase + ["FAILOVER true"] * failover
        command += f" ({', '.join(options)})"
    else:
        command += " EXPORT_SNAPSHOT" + " TWO_PHASE" * two_phase
    with deadline.watching(name, connection):
        row = connection.execute(command.encode()).fetchone()
    assert row is not None
    return CreatedSlot(name=row[0], consistent_point=parse_lsn(row[1]), snapshot_name=row[2])


class SlotDeadline:
    """Ends the creation of a slot when it takes too long, and says who is in the way.

    Args:
        database: where to look for blockers, over a session of its own.
        seconds: how long the creation may take.
        on_blocked: called from another thread when it becomes known who is being waited for,
            and whenever that changes.
    """

    def __init__(
        self,
        database: Database,
        seconds: float = DEFAULT_TIMEOUT_SECONDS,
        on_blocked: OnBlocked | None = None,
    ) -> None:
        self._database = database
        self._seconds = seconds
        self._on_blocked = on_blocked

    def watching(self, name: str, connection: Connection) -> _Watch:
        """Return a context in which one command that creates slot ``name`` runs."""
        return _Watch(self._database, self._seconds, self._on_blocked, name, connection)


class _Watch:
    def __init__(
        self,
        database: Database,
        seconds: float,
        on_blocked: OnBlocked | None,
        name: str,
        connection: Connection,
    ) -> None:
        self._database = database
        self._seconds = seconds
        self._on_blocked = on_blocked
        self._name = name
        self._connection = connection
        self._pid = connection.info.backend_pid
        self._done = threading.Event()
        self._expired = False
        self._blockers: tuple[Blocker, ...] = ()
        self._thread = threading.Thread(target=self._watch, name=f"create {name}", daemon=True)

    def __enter__(self) -> Self:
        self._deadline = time.monotonic() + self._seconds
        self._thread.start()
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._done.set()
        self._thread.join()
        if isinstance(error, psycopg.Error):
            raise (
                self._too_late()
                if self._expired
                else explain(error, doing=f"creating slot {self._name!r}")
            ) from error

    def _watch(self) -> None:
        if self._wait(_UNNOTICED_S):
            return
        # Without a session to look with, the deadline still holds.
        with suppress(BridgeError, psycopg.Error), self._database.connect() as session:
            while True:
                self._look(session)
                if self._wait(_LOOK_EVERY_S):
                    return
                if self._remaining() <= 0:
                    break
        while self._remaining() > 0:
            if self._wait(self._remaining()):
                return
        self._expired = True
        self._cancel()

    def _look(self, session: Connection) -> None:
        blockers = find_writers(session, besides=self._pid)
        changed = blockers != self._blockers
        self._blockers = blockers
        if changed and blockers and self._on_blocked is not None:
            self._on_blocked(blockers)

    def _cancel(self) -> None:
        with suppress(psycopg.Error):
            self._connection.cancel_safe(timeout=_CANCEL_S)
        if not self._done.wait(_CANCEL_S):
            # A server that does not even take a cancellation: hang up.
            with socket.socket(fileno=os.dup(self._connection.fileno())) as line:
                line.shutdown(socket.SHUT_RDWR)

    def _wait(self, seconds: float) -> bool:
        return self._done.wait(max(0.0, min(seconds, self._remaining())))

    def _remaining(self) -> float:
        return self._deadline - time.monotonic()

    def _too_late(self) -> EnvironmentProblem:
        in_the_way = "; ".join(map(str, self._blockers)) or (
            "none that this role can see; on a standby, SELECT pg_log_standby_snapshot() on its "
            "primary helps"
        )
        return EnvironmentProblem(
            f"Creating slot {self._name!r} did not end within {self._seconds:g} s. It waits for "
            f"older transactions that have written: {in_the_way}.",
            remedy="End them (COMMIT, ROLLBACK PREPARED, or SELECT pg_terminate_backend(pid)), "
            "or raise source.create_slot_timeout_seconds.",
        )


def _check_support(major: int, *, two_phase: bool, failover: bool) -> None:
    if two_phase and major < 14:
        raise EnvironmentProblem(
            f"Slots for two-phase transactions need PostgreSQL 14; this server is {major}."
        )
    if failover and major < 17:
        raise EnvironmentProblem(
            f"Slots that follow a failover need PostgreSQL 17; this server is {major}.",
            remedy="Set source.failover to false, or upgrade the server.",
        )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
