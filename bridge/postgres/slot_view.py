"""A slot as ``pg_replication_slots`` shows it, and how much WAL it makes the server keep."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bridge.core.lsn import Lsn, parse_lsn
from bridge.postgres.connection import Connection
from sql import load


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotLag:
    """How far a slot is behind the server.

    Attributes:
        retained_bytes: WAL that the server keeps because of the slot; None if it keeps none.
        unconfirmed_bytes: WAL that its consumer has not confirmed; None for a physical slot.
        seconds: a lower bound of the delay in time. For a slot in use: what the server last
            measured between sending and confirmation. For an unused slot: since when it has been
            unused (PostgreSQL 17 and newer). None where the server cannot tell.
    """

    retained_bytes: int | None
    unconfirmed_bytes: int | None
    seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicationSlot:
    """A slot at one moment (https://www.postgresql.org/docs/current/view-pg-replication-slots.html).

    What the server's version does not have is None.

    Attributes:
        name: of the slot.
        plugin: its output plugin; None for a physical slot.
        slot_type: ``logical`` or ``physical``.
        database: where it was created; None for a physical slot.
        temporary: whether it ends with its session.
        active: whether a session uses it.
        active_pid: of that session.
        restart_lsn: the oldest WAL that it needs; None once it is lost, or was never used.
        confirmed_flush_lsn: up to where its consumer has confirmed.
        wal_status: ``reserved``, ``extended``, ``unreserved`` (about to be lost) or ``lost``.
        safe_wal_size: bytes that may be written before it is in danger; None for no limit.
        two_phase: whether it decodes prepared transactions.
        failover: whether standbys get a copy.
        synced: whether it is such a copy.
        inactive_since: since when no session has used it.
        invalidation_reason: why it is lost.
        catalog_xmin_age: how many transactions back it keeps dead catalog rows.
        lag: how far it is behind.
        created_by_us: whether it is recorded as ours.
    """

    name: str
    plugin: str | None
    slot_type: str
    database: str | None
    temporary: bool
    active: bool
    active_pid: int | None
    restart_lsn: Lsn | None
    confirmed_flush_lsn: Lsn | None
    wal_status: str | None
    safe_wal_size: int | None
    two_phase: bool | None
    failover: bool | None
    synced: bool | None
    inactive_since: datetime | None
    invalidation_reason: str | None
    catalog_xmin_age: int | None
    lag: SlotLag
    created_by_us: bool = False

    @property
    def lost(self) -> bool:
        """Whether the server has given it up: it can only be dropped."""
        return self.wal_status == "lost" or self.invalidation_reason is not None


@dataclass(frozen=True, slots=True)
class SlotsRead:
    """Slots, and where the server was at that moment.

    Attributes:
        slots: by name.
        wal_lsn: the end of its WAL; 0 if there are no slots.
        server_time: its clock, in seconds since 1970; 0 if there are no slots.
    """

    slots: tuple[ReplicationSlot, ...]
    wal_lsn: Lsn = 0
    server_time: float = 0.0


def read_slots(session: Connection, name: str | None = None) -> SlotsRead:
    """Return all slots of the server, or the one of this name.

    Raises:
        psycopg.Error: the server does not answer.
    """
    rows = session.execute(load("slots/list.sql"), {"name": name}).fetchall()
    if not rows:
        return SlotsRead(())
    return SlotsRead(tuple(map(_slot, rows)), parse_lsn(rows[0][-2]), rows[0][-1])


def _slot(row: tuple[Any, ...]) -> ReplicationSlot:
    return ReplicationSlot(
        name=row[0],
        plugin=row[1],
        slot_type=row[2],
        database=row[3],
        temporary=row[4],
        active=row[5],
        active_pid=row[6],
        restart_lsn=None if row[7] is None else parse_lsn(row[7]),
        confirmed_flush_lsn=None if row[8] is None else parse_lsn(row[8]),
        wal_status=row[9],
        safe_wal_size=row[10],
        two_phase=row[11],
        failover=row[12],
        synced=row[13],
        inactive_since=row[14],
        invalidation_reason=row[15],
        catalog_xmin_age=row[16],
        lag=SlotLag(retained_bytes=row[17], unconfirmed_bytes=row[18], seconds=row[19]),
    )
