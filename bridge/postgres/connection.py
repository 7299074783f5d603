"""Connections to the source: one place that decides how a session of ours is set up.

Text values depend on the session that prints them, and roles and databases can carry settings of
their own (``ALTER ROLE ... SET``). So every session pins the settings that change how a value
looks, at start-up, where they win over those; and a replication session proves that they hold.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final, TypeAlias

import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.errors import error_from_result
from psycopg.rows import TupleRow

from bridge.core.errors import BridgeError, ConfigError, EnvironmentProblem
from bridge.core.lsn import Lsn, parse_lsn
from bridge.core.secret import Dsn, Secret
from bridge.postgres.server_errors import POOLER_REMEDY, explain
from bridge.postgres.tls import tls_defaults, tls_note
from sql import load

Connection: TypeAlias = psycopg.Connection[TupleRow]

SOURCE_DSN: Final = "source.dsn"

_PINNED: Final = {
    "DateStyle": "ISO,MDY",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "bytea_output": "hex",
    "extra_float_digits": "3",
    "lc_monetary": "C",
    # regclass and the expressions of row filters are then always printed with their schema.
    "search_path": "pg_catalog,pg_temp",
    "quote_all_identifiers": "off",
}
"""Settings that change how a value looks as text."""

_WHOLE_ROWS: Final = {"row_security": "off"}
"""A policy that hides rows from us is an error then, instead of a snapshot without those rows."""

_AUDIBLE: Final = {"client_min_messages": "warning"}
"""From 18 on, a server that leaves out the changes of a missing publication only warns of it."""

_QUICK: Final = {"jit": "off"}
"""Our catalog queries are estimated as large and are not; compiling them takes longer than they
do, and the decoder waits for some of them."""

_UNLIMITED: Final = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
_UNLIMITED_SINCE: Final = {"idle_session_timeout": 140000, "transaction_timeout": 170000}
"""A role's limits for the application's sessions would end a snapshot, a lease or a stream."""

_NETWORK: Final = {
    "connect_timeout": "10",
    "keepalives": "1",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
"""A connection that died without a word is noticed within about a minute, not after fifteen."""

_UNDEFINED_SYNTAX = "42601"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What ``IDENTIFY_SYSTEM`` says: which cluster this is, and where its WAL stands.

    https://www.postgresql.org/docs/current/protocol-replication.html

    Attributes:
        system_identifier: made by initdb; every cluster has its own, standbys have their primary's.
        timeline: goes up with every promotion and point-in-time recovery.
        wal_lsn: the flush position of the WAL.
        database: the database of the session.
    """

    system_identifier: str
    timeline: int
    wal_lsn: Lsn
    database: str


class Database:
    """A database, as a place to connect to: the source, or that of a store. It holds no connection.

    Args:
        dsn: any libpq connection string or URI. What it says wins over our network and TLS
            defaults, never over the settings that change how values look.
        application_name: how our sessions show in ``pg_stat_activity``, unless the DSN says.
        setting: where the DSN stands in the configuration, for remedies.

    Raises:
        ConfigError: the DSN cannot be read; the message does not repeat it.
    """

    def __init__(
        self,
        dsn: str | Secret,
        *,
        application_name: str = "pgbridge",
        setting: str = SOURCE_DSN,
    ) -> None:
        self._dsn = Dsn(dsn.reveal() if isinstance(dsn, Secret) else dsn)
        try:
            given = conninfo_to_dict(self._dsn.reveal())
        except psycopg.Error:
            # The driver's text quotes the part that it did not understand: maybe the password.
            raise ConfigError(
                "The connection string of the database cannot be read.",
                remedy="Write a URI, postgresql://user@host:5432/database, or key=value pairs, "
                "host=... dbname=...; special characters of a password need quoting.",
            ) from None
        self._given = {name: str(value) for name, value in given.items() if value is not None}
        self._given.pop("replication", None)
        self._options = self._given.pop("options", os.environ.get("PGOPTIONS", ""))
        self._given.update(tls_defaults(self._given))
        self._application_name = application_name
        self._setting = setting
        self._reached = False
        self._server_version: int | None = None

    def __repr__(self) -> str:
        return f"Database({str(self._dsn)!r})"

    @property
    def address(self) -> str:
        """Where it is, for messages: ``host:port/database``."""
        host = self._given.get("host") or self._given.get("hostaddr") or os.environ.get("PGHOST")
        port = self._given.get("port") or os.environ.get("PGPORT", "5432")
        database = self._given.get("dbname") or os.environ.get("PGDATABASE")
        name = f"{host or 'the local server'}:{port}"
        return f"{name}/{database}" if database else name

    @property
    def tls_note(self) -> str | None:
        """What to warn of: a connection that is not encrypted or not verified; else None."""
        return tls_note(self._given)

    @property
    def server_version(self) -> int:
        """The server's version as libpq counts it: 180006 for 18.6. Connects if it must."""
        if self._server_version is None:
            self.connect().close()
        assert self._server_version is not None
        return self._server_version

    def connect(self) -> Connection:
        """Open a session for SQL, in autocommit mode. The caller closes it.

        Raises:
            EnvironmentProblem: an operator must act. Before the first success that includes an
                unreachable server and a wrong password.
            Transient: the server is away for now.
        """
        return self._open({})

    def connect_pooled(self) -> Connection:
        """Open a session that may be a pooler's, in autocommit mode. The caller closes it.

        Nothing is set on it: poolers refuse settings, or give them to others. So values have the
        form that the server prefers, and limits of the role hold.

        Raises:
            EnvironmentProblem: as for ``connect``.
            Transient: the server is away for now.
        """
        return self._reach({"options": self._options} if self._options else {})

    def connect_replication(self, **settings: str) -> Connection:
        """Open a session for replication commands, in autocommit mode. The caller closes it.

        Such a session takes no parameters and one command at a time. Do not use it as a context
        manager: that would send a COMMIT into the stream.

        Args:
            settings: further server settings of this session, such as ``wal_sender_timeout``.

        Raises:
            EnvironmentProblem: as for ``connect``, or the other side is a pooler, or the settings
                that values depend on do not hold.
            Transient: the server is away for now.
        """
        connection = self._open(settings, replication="database")
        try:
            identify(connection)
            self._verify_pins(connection)
        except psycopg.Error as error:
            connection.close()
            raise self._explain(error) from error
        except BridgeError:
            connection.close()
            raise
        return connection

    def identify(self) -> Identity:
        """Return which cluster this is, over a replication session of its own."""
        connection = self.connect_replication()
        try:
            return identify(connection)
        finally:
            connection.close()

    def _open(self, settings: dict[str, str], **parameters: str) -> Connection:
        fixed = {**_PINNED, **_WHOLE_ROWS, **_AUDIBLE, **_QUICK}
        wanted = {**fixed, **dict.fromkeys(_UNLIMITED, "0"), **settings}
        pins = " ".join(f"-c {name}={_escaped(value)}" for name, value in wanted.items())
        options = f"{self._options} {pins}".strip()
        connection = self._reach({"options": options, **parameters})
        self._server_version = connection.info.server_version
        try:
            for name, since in _UNLIMITED_SINCE.items():
                if self._server_version >= since:
                    _simple_query(connection, f"SET {name} = 0")
        except psycopg.Error as error:
            connection.close()
            raise self._explain(error) from error
        return connection

    def _reach(self, parameters: dict[str, str]) -> Connection:
        try:
            connection = psycopg.connect(
                make_conninfo(
                    **{
                        **_NETWORK,
                        "fallback_application_name": self._application_name,
                        **self._given,
                        "client_encoding": "UTF8",
                        **parameters,
                    }
                ),
                autocommit=True,
                prepare_threshold=None,
            )
        except psycopg.Error as error:
            raise self._explain(error) from error
        self._reached = True
        return connection

    def _verify_pins(self, connection: Connection) -> None:
        found = _simple_query(connection, load("session/formatting.sql"))
        for index, (name, wanted) in enumerate([*_PINNED.items(), ("client_encoding", "UTF8")]):
            value = (found.get_value(0, index) or b"").decode()
            if value.replace(" ", "") != wanted:
                raise EnvironmentProblem(
                    f"The replication session has {name} = {value}, not {wanted}: the server did "
                    "not take the settings that the values depend on.",
                    remedy=POOLER_REMEDY,
                )

    def _explain(self, error: psycopg.Error) -> BridgeError:
        doing = f"connecting to {self.address}"
        found = explain(error, doing=doing, starting=not self._reached)
        return type(found)(found.message, remedy=found.remedy.replace(SOURCE_DSN, self._setting))


def identify(connection: Connection) -> Identity:
    """Run ``IDENTIFY_SYSTEM`` on a replication session.

    Raises:
        EnvironmentProblem: the other side takes it for SQL, as a pooler does, or refuses it.
        Transient: the connection was lost.
    """
    try:
        found = _simple_query(connection, "IDENTIFY_SYSTEM")
    except psycopg.Error as error:
        if error.sqlstate != _UNDEFINED_SYNTAX:
            raise explain(error, doing="asking the server who it is") from error
        raise EnvironmentProblem(
            "The server does not know IDENTIFY_SYSTEM: this looks like a connection pooler, "
            "which does not pass replication on.",
            remedy=POOLER_REMEDY,
        ) from error
    system, timeline, position, database = (
        (found.get_value(0, index) or b"").decode() for index in range(4)
    )
    return Identity(
        system_identifier=system,
        timeline=int(timeline),
        wal_lsn=parse_lsn(position),
        database=database,
    )


def _simple_query(connection: Connection, command: str) -> pq.abc.PGresult:
    # A walsender refuses the extended protocol, which a parameterless execute() may use too.
    result = connection.pgconn.exec_(command.encode())
    if result.status not in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK):
        raise error_from_result(result, encoding="utf-8")
    return result


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace(" ", "\\ ")
