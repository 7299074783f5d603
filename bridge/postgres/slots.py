"""Replication slots: create, look at, advance, drop, and clean up those that were forgotten.

A slot makes the server keep WAL until its consumer has confirmed it, for ever if need be
(https://www.postgresql.org/docs/current/logicaldecoding-explanation.html). So there are limits: on
how many there may be, and on how long one of ours may lie unused. What we did not create is only
ever dropped when somebody names it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import psycopg

from bridge.core.errors import ConfigError, EnvironmentProblem, SlotBusy
from bridge.core.lsn import Lsn, format_lsn, parse_lsn
from bridge.core.secret import Secret
from bridge.postgres.connection import Connection, Database
from bridge.postgres.owned_slots import OwnedSlots, RememberedSlots
from bridge.postgres.server_errors import explain
from bridge.postgres.slot_creation import (
    DEFAULT_TIMEOUT_SECONDS,
    CreatedSlot,
    OnBlocked,
    SlotDeadline,
    create_by_function,
    create_with_snapshot,
)
from bridge.postgres.slot_view import ReplicationSlot, SlotLag, SlotsRead, read_slots
from sql import load

__all__ = [
    "CreatedSlot",
    "ReplicationConfig",
    "ReplicationSlot",
    "ReplicationSlotManager",
    "SlotLag",
    "StaleSlot",
]

_SLOT_NAME = re.compile(r"[a-z0-9_]{1,63}")


@dataclass(frozen=True, slots=True)
class ReplicationConfig:
    """Limits for slots.

    Attributes:
        max_slots: how many logical slots the database may have, whoever made them, before
            ``create_slot`` refuses to add one.
        stale_threshold_seconds: after how long without use a slot of ours is stale.
        auto_cleanup: whether ``create_slot`` first drops stale slots of ours.
        max_lag: retained WAL, in bytes, from which an unused slot of ours is stale at once; None
            for no limit.
    """

    max_slots: int = 10
    stale_threshold_seconds: float = 86400.0
    auto_cleanup: bool = False
    max_lag: int | None = None


@dataclass(frozen=True, slots=True)
class StaleSlot:
    """A slot of ours that ``cleanup_stale_slots`` would drop, and why."""

    slot: ReplicationSlot
    reason: str


class ReplicationSlotManager:
    """Works on the slots of a server. Holds a session only for temporary slots.

    Args:
        config: the limits.
        database: where the slots are, or its connection string; by default what the environment
            says to libpq (``PGHOST``, ``PGDATABASE``, ...).
        owned: the record of our slots; by default one that ends with this object, so that slots
            of earlier runs count as foreign.

    Every method may raise ``Transient`` if the server is away and ``EnvironmentProblem`` if it
    refuses; further errors are named with the methods.
    """

    def __init__(
        self,
        config: ReplicationConfig,
        database: Database | Secret | str = "",
        *,
        owned: OwnedSlots | None = None,
    ) -> None:
        self._config = config
        self._database = database if isinstance(database, Database) else Database(database)
        self._owned = RememberedSlots() if owned is None else owned
        self._cluster: str | None = None
        self._keeper: Connection | None = None

    def list_slots(self) -> list[ReplicationSlot]:
        """Return every slot of the server, of all databases, by name."""
        with self._session("listing slots") as session:
            return list(self._read(session).slots)

    def get_slot(self, name: str) -> ReplicationSlot | None:
        """Return the slot, None if there is none of this name."""
        with self._session(f"looking at slot {name!r}") as session:
            return next(iter(self._read(session, name).slots), None)

    def get_slot_lag(self, name: str) -> SlotLag:
        """Return how far the slot is behind.

        Raises:
            EnvironmentProblem: there is no such slot.
        """
        slot = self.get_slot(name)
        if slot is None:
            raise _missing(name)
        return slot.lag

    def create_slot(
        self,
        name: str,
        plugin: str = "pgoutput",
        *,
        failover: bool = False,
        two_phase: bool = False,
        temporary: bool = False,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        on_blocked: OnBlocked | None = None,
    ) -> ReplicationSlot:
        """Create a logical slot, which streams every transaction that commits from now on.

        Args:
            name: lower-case letters, digits and underscores, at most 63.
            plugin: the output plugin.
            failover: let it follow a failover to a standby (PostgreSQL 17).
            two_phase: decode prepared transactions before they commit (PostgreSQL 14).
            temporary: drop it with ``close``.
            timeout_seconds: how long to wait for older transactions to end.
            on_blocked: told, from another thread, which transactions those are.

        Raises:
            ConfigError: the name is not one.
            EnvironmentProblem: it exists, there are ``max_slots`` already, or the time is up.
        """
        self._check_room(name)
        session = self._keeping() if temporary else self._database.connect()
        try:
            create_by_function(
                session,
                name,
                plugin=plugin,
                temporary=temporary,
                two_phase=two_phase,
                failover=failover,
                deadline=SlotDeadline(self._database, timeout_seconds, on_blocked),
            )
        finally:
            if not temporary:
                session.close()
        if not temporary:
            self._owned.add(self._key(name))
        slot = self.get_slot(name)
        if slot is None:
            raise _missing(name)
        return slot

    def create_slot_with_snapshot(
        self,
        replication: Connection,
        name: str,
        plugin: str = "pgoutput",
        *,
        failover: bool = False,
        two_phase: bool = False,
        temporary: bool = False,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        on_blocked: OnBlocked | None = None,
    ) -> CreatedSlot:
        """Create a slot and export the snapshot of the rows as of its first position.

        Args:
            replication: made by ``Database.connect_replication``. The snapshot is gone with its
                next command, and with it, as is a temporary slot.

        The rest is as for ``create_slot``.
        """
        self._check_room(name)
        created = create_with_snapshot(
            replication,
            name,
            plugin=plugin,
            temporary=temporary,
            two_phase=two_phase,
            failover=failover,
            deadline=SlotDeadline(self._database, timeout_seconds, on_blocked),
        )
        if not temporary:
            self._owned.add(self._key(name))
        return created

    def advance_slot(self, name: str, lsn: Lsn | str) -> Lsn:
        """Move the slot forward: the changes before ``lsn`` will never be streamed.

        Returns:
            Where it stands now: at ``lsn``, or at the last commit before it.

        Raises:
            EnvironmentProblem: there is no such slot, or ``lsn`` is behind it or beyond the WAL.
            SlotBusy: a session uses it.
        """
        target = parse_lsn(lsn) if isinstance(lsn, str) else lsn
        with self._session(f"advancing slot {name!r}") as session:
            found = self._read(session, name)
            slot = _only(found, name)
            _check_unused(slot, "advanced")
            if target > found.wal_lsn:
                raise EnvironmentProblem(
                    f"Slot {name!r} cannot be advanced to {format_lsn(target)}: the server's WAL "
                    f"ends at {format_lsn(found.wal_lsn)}.",
                    remedy="Give a position up to that one.",
                )
            if slot.confirmed_flush_lsn is not None and target < slot.confirmed_flush_lsn:
                raise EnvironmentProblem(
                    f"Slot {name!r} cannot be moved back to {format_lsn(target)}: it stands at "
                    f"{format_lsn(slot.confirmed_flush_lsn)}.",
                    remedy="Give a position beyond that one: what a slot has passed is gone.",
                )
            arguments = {"name": name, "lsn": format_lsn(target)}
            row = session.execute(load("slots/advance.sql"), arguments).fetchone()
        assert row is not None
        return parse_lsn(row[0])

    def drop_slot(self, name: str) -> None:
        """Drop the slot, whoever created it: whoever names it means it.

        Raises:
            EnvironmentProblem: there is no such slot.
            SlotBusy: a session uses it.
        """
        with self._session(f"dropping slot {name!r}") as session:
            slot = _only(self._read(session, name), name)
            _check_unused(slot, "dropped")
            session.execute(load("slots/drop.sql"), {"name": name})
        self._owned.remove(self._key(name))

    def find_stale_slots(self) -> list[StaleSlot]:
        """Return the slots of ours that nobody uses and that have been so for too long.

        PostgreSQL 17 and newer know since when. On older servers the time counts from when this
        method, with this record of owned slots, first saw the slot unused.
        """
        with self._session("looking for stale slots") as session:
            found = self._read(session)
        return [
            StaleSlot(slot, reason)
            for slot in found.slots
            if (reason := self._why_stale(slot, found.server_time)) is not None
        ]

    def cleanup_stale_slots(self) -> list[str]:
        """Drop the stale slots of ours, and return their names."""
        dropped = []
        for stale in self.find_stale_slots():
            try:
                self.drop_slot(stale.slot.name)
            except SlotBusy:  # its owner came back just now
                continue
            dropped.append(stale.slot.name)
        return dropped

    def close(self) -> None:
        """Drop the temporary slots that were created here."""
        if self._keeper is not None:
            self._keeper.close()
            self._keeper = None

    def _check_room(self, name: str) -> None:
        if not _SLOT_NAME.fullmatch(name):
            raise ConfigError(
                f"{name!r} cannot be the name of a slot.",
                remedy="Use lower-case letters, digits and underscores, at most 63.",
            )
        if self._config.auto_cleanup:
            self.cleanup_stale_slots()
        with self._session(f"creating slot {name!r}") as session:
            slots = self._read(session).slots
            database = session.info.dbname
        existing = next((slot for slot in slots if slot.name == name), None)
        if existing is not None:
            raise EnvironmentProblem(
                f"Slot {name!r} exists already: {existing.plugin or 'physical'}, "
                f"database {existing.database}.",
                remedy="Choose another name, or drop it with `pgbridge slots drop NAME`.",
            )
        present = [slot.name for slot in slots if slot.database == database]
        if len(present) >= self._config.max_slots:
            raise EnvironmentProblem(
                f"Database {database!r} has {len(present)} slots already ({', '.join(present)}), "
                f"and slots.max_slots is {self._config.max_slots}.",
                remedy="Drop those that nobody uses (`pgbridge slots list`), or raise the limit.",
            )

    def _why_stale(self, slot: ReplicationSlot, server_time: float) -> str | None:
        key = self._key(slot.name)
        if not slot.created_by_us:
            return None
        if slot.active:
            self._owned.seen_active(key)
            return None
        if slot.inactive_since is not None:
            since = slot.inactive_since.timestamp()
        else:
            since = self._owned.seen_inactive(key, server_time)
        unused, retained = server_time - since, slot.lag.retained_bytes or 0
        if unused >= self._config.stale_threshold_seconds:
            return f"unused for {unused:.0f} s"
        if self._config.max_lag is not None and retained > self._config.max_lag:
            return f"unused, and retains {retained} bytes of WAL"
        return None

    def _read(self, session: Connection, name: str | None = None) -> SlotsRead:
        found = read_slots(session, name)
        if name is None:
            self._forget_all_but({self._key(slot.name) for slot in found.slots})
        ours = (
            replace(slot, created_by_us=self._key(slot.name) in self._owned) for slot in found.slots
        )
        return replace(found, slots=tuple(ours))

    def _forget_all_but(self, present: set[str]) -> None:
        # Whoever creates a slot under a name that was ours once must not lose it to a cleanup.
        cluster = self._key("")
        for key in self._owned.recorded():
            if key.startswith(cluster) and key not in present:
                self._owned.remove(key)

    def _key(self, name: str) -> str:
        if self._cluster is None:
            with self._session("identifying the cluster") as session:
                row = session.execute(load("slots/cluster.sql")).fetchone()
            assert row is not None
            self._cluster = str(row[0])
        return f"{self._cluster}/{name}"

    def _keeping(self) -> Connection:
        if self._keeper is None or self._keeper.closed:
            self._keeper = self._database.connect()
        return self._keeper

    @contextmanager
    def _session(self, doing: str) -> Iterator[Connection]:
        with self._database.connect() as connection:
            try:
                yield connection
            except psycopg.Error as error:
                raise explain(error, doing=doing) from error


def _only(found: SlotsRead, name: str) -> ReplicationSlot:
    if not found.slots:
        raise _missing(name)
    return found.slots[0]


def _missing(name: str) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"There is no slot {name!r}.", remedy="`pgbridge slots list` shows those that exist."
    )


def _check_unused(slot: ReplicationSlot, doing: str) -> None:
    if slot.active:
        raise SlotBusy(
            f"Slot {slot.name!r} cannot be {doing}: the session with pid {slot.active_pid} "
            "uses it.",
            remedy="Stop that process first.",
        )
