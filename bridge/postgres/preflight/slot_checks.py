"""Checks of the slot."""

from __future__ import annotations

from collections.abc import Iterator

from bridge.postgres.preflight.facts import Expected, Facts
from bridge.postgres.preflight.finding import Finding, failed, passed, warned
from bridge.postgres.server_errors import SLOT_LOST_REMEDY
from bridge.postgres.slot_view import ReplicationSlot

PLUGIN = "pgoutput"

_OLD_CATALOG = 100_000_000
_OTHER_NAME = "Use another name in source.slot, or drop it with `pgbridge slots drop NAME`."


def check_slot(facts: Facts, expected: Expected, slot: ReplicationSlot | None) -> Iterator[Finding]:
    """Check the slot.

    Args:
        facts: what is known of the server.
        expected: what the bridge is configured to do.
        slot: its slot; None if it does not exist yet.
    """
    if slot is None:
        yield passed(
            "slot.exists", f"Slot {expected.slot!r} does not exist yet: the first start makes it."
        )
        return
    yield passed("slot.exists", f"Slot {slot.name!r} exists.")
    wrong = list(_mismatches(facts, slot))
    yield from wrong
    if not wrong:
        yield passed("slot.kind", f"It is a {PLUGIN} slot of database {facts.database}.")
        yield _health(slot)
        yield _reader(slot)
        if expected.failover and slot.failover is False:
            yield warned(
                "slot.failover",
                "source.failover is true, but the slot does not follow a failover.",
                f"Over a replication connection run: ALTER_REPLICATION_SLOT {slot.name} "
                "(FAILOVER true); while the bridge is stopped.",
            )
        if (slot.catalog_xmin_age or 0) > _OLD_CATALOG:
            yield warned(
                "slot.catalog_xmin",
                f"The slot keeps dead catalog rows of the last {slot.catalog_xmin_age} "
                "transactions: the catalogs grow and VACUUM cannot clean them.",
                "Run the bridge until it has caught up, or drop the slot.",
            )


def _mismatches(facts: Facts, slot: ReplicationSlot) -> Iterator[Finding]:
    if slot.slot_type != "logical":
        yield failed("slot.kind", f"Slot {slot.name!r} is a physical slot.", _OTHER_NAME)
        return
    if slot.plugin != PLUGIN:
        yield failed(
            "slot.plugin", f"Slot {slot.name!r} is of plugin {slot.plugin}, not {PLUGIN}.",
            _OTHER_NAME,
        )  # fmt: skip
    if slot.database != facts.database:
        yield failed(
            "slot.database",
            f"Slot {slot.name!r} belongs to database {slot.database}, not {facts.database}.",
            f"Name database {slot.database} in source.dsn, or use another name in source.slot.",
        )
    if slot.two_phase:
        yield failed(
            "slot.two_phase",
            f"Slot {slot.name!r} decodes prepared transactions before they commit (two_phase).",
            _OTHER_NAME,
        )
    if slot.temporary:
        yield failed(
            "slot.temporary", f"Slot {slot.name!r} is temporary: it ends with a session.",
            _OTHER_NAME,
        )  # fmt: skip
    if slot.synced:
        yield failed(
            "slot.synced",
            f"Slot {slot.name!r} is a standby's copy of its primary's slot.",
            "Use the primary in source.dsn.",
        )


def _health(slot: ReplicationSlot) -> Finding:
    retained = f"It makes the server keep {_size(slot.lag.retained_bytes)} of WAL."
    if slot.lost:
        reason = slot.invalidation_reason or "wal_removed"
        return failed(
            "slot.wal_status", f"Slot {slot.name!r} is lost ({reason}).", SLOT_LOST_REMEDY
        )
    if slot.wal_status == "unreserved":
        return failed(
            "slot.wal_status",
            f"Slot {slot.name!r} is about to be lost: it is beyond max_slot_wal_keep_size. "
            f"{retained}",
            "Start the bridge now, or raise max_slot_wal_keep_size and reload.",
        )
    if slot.safe_wal_size is not None and slot.safe_wal_size < (slot.lag.retained_bytes or 0):
        return warned(
            "slot.wal_status",
            f"{retained} After {_size(slot.safe_wal_size)} more it is in danger.",
            "Start the bridge, or raise max_slot_wal_keep_size and reload.",
        )
    return passed("slot.wal_status", retained)


def _reader(slot: ReplicationSlot) -> Finding:
    if slot.active:
        return warned(
            "slot.active",
            f"The session with pid {slot.active_pid} uses the slot.",
            "If that is not your bridge, use another name in source.slot.",
        )
    return passed("slot.active", "Nobody uses the slot.")


def _size(count: int | None) -> str:
    size = float(count or 0)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1024:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} TB"
