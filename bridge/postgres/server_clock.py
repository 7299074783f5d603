"""What time it is at the server, and where its WAL ended then.

A keepalive has the server's clock too, but that proves nothing: the server sends keepalives also
while it is behind with decoding, and transactions of hours ago are still to come. With a place in
the WAL for the time, a stream that has reached the place has seen all commits of that time.
"""

from __future__ import annotations

from typing import NamedTuple

import psycopg

from bridge.core.lsn import Lsn
from bridge.postgres.connection import Connection, Database
from bridge.postgres.server_errors import explain
from sql import load

_PAGE_HEADERS = (24, 40)
"""Bytes at the beginning of a WAL page, and of the first one of a segment
(``SizeOfXLogShortPHD`` and ``SizeOfXLogLongPHD``)."""


class ServerTime(NamedTuple):
    """A moment.

    Attributes:
        clock: in microseconds since the Unix epoch.
        wal_end: where the WAL ended, at that moment or a little later.
    """

    clock: int
    wal_end: Lsn


class ServerClock:
    """Asks over a session of its own, which it keeps open.

    Args:
        database: the source, for SQL.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: Connection | None = None

    def read(self) -> ServerTime | None:
        """Return what time it is; None on a standby.

        Raises:
            Transient: the server is away.
            EnvironmentProblem: the server refuses us.
        """
        if self._connection is None:
            self._connection = self._database.connect()
        try:
            row = self._connection.execute(load("session/clock.sql")).fetchone()
        except psycopg.Error as error:
            self.close()
            raise explain(error, doing="asking the server for the time") from error
        assert row is not None
        clock, insert_lsn, page_bytes = row
        return None if insert_lsn is None else ServerTime(clock, wal_end(insert_lsn, page_bytes))

    def close(self) -> None:
        """End the session, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def wal_end(insert_lsn: Lsn, page_bytes: int) -> Lsn:
    """Return where the last record ends, if the next one begins at ``insert_lsn``.

    That is the same place, except behind the header of a page which nothing was written to yet.
    """
    offset = insert_lsn % page_bytes
    return insert_lsn - offset if offset in _PAGE_HEADERS else insert_lsn
