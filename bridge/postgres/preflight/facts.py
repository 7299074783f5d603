"""What the checks need to know of the server, read once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from bridge.postgres.connection import Connection
from bridge.postgres.preflight.clouds import (
    KNOWN_ROLES,
    KNOWN_SETTINGS,
    SELF_MANAGED,
    Cloud,
    detect_cloud,
)
from sql import load

_SETTINGS = (
    "wal_level",
    "max_replication_slots",
    "max_wal_senders",
    "max_slot_wal_keep_size",
    "wal_sender_timeout",
    "idle_replication_slot_timeout",
    "synchronized_standby_slots",
    "output_plugin_libraries",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A setting of the server.

    Attributes:
        shown: as ``SHOW`` prints it, with a unit.
        raw: its value, in the unit of ``pg_settings``.
    """

    shown: str
    raw: str

    @property
    def number(self) -> int:
        """The value of a setting that is a whole number."""
        return int(self.raw)

    @property
    def names(self) -> list[str]:
        """The members of a setting that is a list."""
        return [name.strip().strip('"') for name in self.raw.split(",") if name.strip()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What the bridge is configured to do.

    Attributes:
        slot: its name.
        publication: its name.
        tables: patterns of tables; None to take the publication as it is.
        snapshot: whether rows that exist already are read first.
        failover: whether the slot is to follow a failover.
        changelog_tables: names of the tables that processors read in changelog mode.
    """

    slot: str
    publication: str
    tables: tuple[str, ...] | None = None
    snapshot: bool = True
    failover: bool = False
    changelog_tables: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The server and our role on it.

    Attributes:
        role: whose rights we have.
        superuser: whether it is one.
        may_replicate: whether it has the right, as far as the catalog tells.
        may_create: whether it may create publications in the database.
        database: its name.
        in_recovery: whether the server is a standby.
        version: such as ``18.6``.
        encoding: of the database.
        time: the server's clock.
        slots: how many there are, of every kind.
        wal_senders: how many run.
        settings: by name; those that the server does not have are missing.
        cloud: who runs the server.
    """

    role: str
    superuser: bool
    may_replicate: bool
    may_create: bool
    database: str
    in_recovery: bool
    version: str
    encoding: str
    time: datetime
    slots: int
    wal_senders: int
    settings: Mapping[str, Setting]
    cloud: Cloud = SELF_MANAGED

    @property
    def major(self) -> int:
        """The major version, such as 18."""
        return int(self.version.split(".")[0].split(" ")[0])

    @property
    def quoted_role(self) -> str:
        """The role as an SQL identifier."""
        return '"' + self.role.replace('"', '""') + '"'


def read_facts(session: Connection) -> Facts:
    """Ask the server.

    Raises:
        psycopg.Error: it does not answer.
    """
    names = [*_SETTINGS, *KNOWN_SETTINGS]
    rows = session.execute(load("preflight/settings.sql"), {"names": names}).fetchall()
    settings = {name: Setting(shown=shown, raw=raw or "") for name, raw, shown in rows}
    arguments = {"known_roles": list(KNOWN_ROLES)}
    row = session.execute(load("preflight/server.sql"), arguments).fetchone()
    assert row is not None
    role, superuser, replication, on_rds, database, may_create, in_recovery, *rest = row
    version, encoding, time, slots, wal_senders, known_roles = rest
    return Facts(
        role=role,
        superuser=superuser,
        may_replicate=superuser or replication or on_rds,
        may_create=may_create,
        database=database,
        in_recovery=in_recovery,
        version=version,
        encoding=encoding,
        time=time,
        slots=slots,
        wal_senders=wal_senders,
        settings=settings,
        cloud=detect_cloud(known_roles, settings),
    )
