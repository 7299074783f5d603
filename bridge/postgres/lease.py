"""The lease: which of several processes may work on a slot.

It is a session-level advisory lock
(https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS) on a session of its
own: the server takes it back as soon as that session ends, however the process ended.
"""

from __future__ import annotations

import hashlib
from threading import Lock
from types import TracebackType
from typing import Self

import psycopg

from bridge.postgres.connection import Connection, Database
from bridge.postgres.server_errors import explain
from sql import load


class Lease:
    """The right to work on a slot. A context manager; leaving it releases the lease.

    The slot itself admits only one reader, so two processes never stream at once. The lease tells
    a second process early, and without a replication connection, that it is the standby.

    A process that hangs keeps its session. So from server 14 on the server ends the session if
    ``held`` is not asked for ``timeout_s`` seconds, and the standby takes over; on 13 it waits
    until the session ends for another reason.

    Its methods may be called from several threads.

    Args:
        database: where the slot is.
        slot: its name.
        timeout_s: see above.
    """

    def __init__(self, database: Database, slot: str, *, timeout_s: float = 15.0) -> None:
        self._database = database
        self._slot = slot
        self._timeout_ms = int(timeout_s * 1000)
        # Advisory locks are per database already; the number only has to differ between slots
        # and from what applications lock.
        digest = hashlib.sha256(f"pgbridge/slot/{slot}".encode()).digest()
        self._key = int.from_bytes(digest[:8], "big", signed=True)
        self._connection: Connection | None = None
        self._acquiring = Lock()  # or two threads that lost it would take it from each other

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()

    def try_acquire(self) -> bool:
        """Take the lease if it is free, without waiting; True also if it is ours already.

        Raises:
            Transient: the server is away.
            EnvironmentProblem: the server refuses us.
        """
        with self._acquiring:
            return self.held() or self._acquire()

    def _acquire(self) -> bool:
        connection = self._database.connect()
        try:
            row = connection.execute(load("lease/acquire.sql"), {"key": self._key}).fetchone()
            if connection.info.server_version >= 140000:
                connection.execute(load("lease/expire.sql"), {"timeout": str(self._timeout_ms)})
        except psycopg.Error as error:
            connection.close()
            raise explain(error, doing=f"taking the lease of slot {self._slot!r}") from error
        if row != (True,):
            connection.close()
            return False
        self._connection = connection
        return True

    def held(self) -> bool:
        """Whether the lease is ours: the session that holds it still answers.

        Once lost it does not come back by itself: another process may have it by now.
        """
        connection = self._connection
        if connection is None:
            return False
        try:
            connection.execute(load("lease/ping.sql"))
        except psycopg.Error:
            self.release()
            return False
        return True

    def release(self) -> None:
        """Give the lease back; does nothing if it is not ours."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def holder(self) -> str | None:
        """Return who has the lease, in words; None if nobody has.

        Raises:
            Transient: the server is away.
            EnvironmentProblem: the server refuses us.
        """
        try:
            with self._database.connect() as connection:
                row = connection.execute(load("lease/holder.sql"), {"key": self._key}).fetchone()
        except psycopg.Error as error:
            raise explain(error, doing=f"looking at the lease of slot {self._slot!r}") from error
        if row is None:
            return None
        pid, application, address = row
        described = ", ".join(part for part in (application, address) if part)
        return f"pid {pid} ({described})" if described else f"pid {pid}"
