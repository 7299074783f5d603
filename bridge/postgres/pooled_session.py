"""A connection of one of our stores, which may go through a pooler and may be lost at any time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Final

import psycopg
from psycopg import IsolationLevel

from bridge.postgres.connection import Connection, Database
from bridge.postgres.server_errors import explain
from sql import load

DURABLE: Final = "session/begin_durable.sql"
"""A commit is on the disk when it returns."""

REPEATABLE: Final = "session/begin_repeatable.sql"
"""A commit may be lost in a crash of the server, because what made it is done again."""


class PooledSession:
    """Makes the connection when it is first used, and a new one after an error.

    One thread at a time uses it, the others wait.

    Args:
        database: where to.
        what: is kept there, for messages.
        begin: the statement that begins a transaction.
    """

    def __init__(self, database: Database, what: str, begin: str) -> None:
        self._database = database
        self._what = what
        self._begin = begin
        self._guard = Lock()
        self._connection: Connection | None = None

    @contextmanager
    def use(self, doing: str) -> Iterator[Connection]:
        """Give the connection, on which each statement is a transaction of its own.

        Args:
            doing: what is done, for messages.

        Raises:
            EnvironmentProblem: the server does not let us.
            Transient: the server is away.
        """
        with self._guard:
            if self._connection is None:
                self._connection = self._database.connect_pooled()
                # A statement after a lock has to see what was committed before.
                self._connection.isolation_level = IsolationLevel.READ_COMMITTED
            try:
                yield self._connection
            except psycopg.Error as error:
                self._disconnect()
                raise explain(error, doing=f"{doing} {self._what}") from error

    @contextmanager
    def transaction(self, doing: str) -> Iterator[Connection]:
        """Run the block as one transaction; see ``use``."""
        with self.use(doing) as connection, connection.transaction():
            connection.execute(load(self._begin))
            yield connection

    def close(self) -> None:
        """Let the connection go. May be called again."""
        with self._guard:
            self._disconnect()

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
