"""Checks of the server: version, settings, room, and who holds WAL back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from bridge.postgres.connection import Connection
from bridge.postgres.preflight.facts import Expected, Facts
from bridge.postgres.preflight.finding import Finding, failed, passed, warned
from bridge.postgres.slot_creation import find_writers
from bridge.postgres.slot_view import ReplicationSlot
from sql import load

OLDEST_MAJOR, NEWEST_MAJOR = 13, 18

_SHORT_TIMEOUT_MS = 30_000
_LONG_TRANSACTION = timedelta(minutes=5)

_DECODING_FAILS = "logical decoding can fail for ever with `invalid memory alloc request size`"
_COLUMN_LISTS = "column lists of publications are not sent correctly"
# Major and minor version to a fault that the next ones do not have
# (https://www.postgresql.org/docs/release/).
_KNOWN_FAULTS = {
    (13, 21): _DECODING_FAILS,
    (14, 18): _DECODING_FAILS,
    (15, 0): _COLUMN_LISTS,
    (15, 1): _COLUMN_LISTS,
    (15, 13): _DECODING_FAILS,
    (16, 9): _DECODING_FAILS,
    (17, 5): _DECODING_FAILS,
}


def check_server(
    session: Connection, facts: Facts, expected: Expected, slot: ReplicationSlot | None
) -> Iterator[Finding]:
    """Check the server.

    Args:
        session: to ask further.
        facts: what is known already.
        expected: what the bridge is configured to do.
        slot: its slot; None if it does not exist yet.
    """
    yield _version(facts)
    yield _cloud(facts)
    yield _primary(facts)
    yield _wal_level(facts)
    yield _plugin(facts)
    yield _encoding(facts)
    # What the bridge uses already it does not need once more.
    streams = slot is not None and slot.active
    yield _room("max_wal_senders", facts.wal_senders, facts, needed=0 if streams else 1)
    yield _room("max_replication_slots", facts.slots, facts, needed=0 if slot else 1)
    yield _keep_size(facts)
    yield _sender_timeout(facts)
    if "idle_replication_slot_timeout" in facts.settings:
        yield _idle_timeout(facts)
    if expected.failover:
        yield _failover(session, facts)
    yield from _long_transactions(session, facts)


def _version(facts: Facts) -> Finding:
    name = "server.version"
    if facts.major < OLDEST_MAJOR:
        return failed(
            name,
            f"PostgreSQL {facts.version} is too old for pgbridge.",
            f"Upgrade to PostgreSQL {OLDEST_MAJOR} or newer.",
        )
    if facts.major > NEWEST_MAJOR:
        return warned(name, f"PostgreSQL {facts.version} is newer than what pgbridge knows.")
    fault = _KNOWN_FAULTS.get((facts.major, _minor(facts.version)))
    if fault is not None:
        return warned(
            name,
            f"PostgreSQL {facts.version} has a known fault: {fault}.",
            "Install the newest minor version.",
        )
    return passed(name, f"PostgreSQL {facts.version}.")


def _minor(version: str) -> int:
    _, _, minor = version.split(" ")[0].partition(".")
    return int(minor) if minor.isdigit() else 0


def _cloud(facts: Facts) -> Finding:
    if not facts.cloud.name:
        return passed("server.cloud", "Not recognised as a managed cloud.")
    advice = f" {facts.cloud.advice}" if facts.cloud.advice else ""
    return passed("server.cloud", f"{facts.cloud.name}.{advice}")


def _primary(facts: Facts) -> Finding:
    name = "server.primary"
    if not facts.in_recovery:
        return passed(name, "The server is a primary.")
    remedy = (
        "Use the primary in source.dsn; with several hosts add target_session_attrs=read-write."
    )
    if facts.major < 16:
        return failed(
            name, f"The server is a standby, and PostgreSQL {facts.major} decodes on none.", remedy
        )
    return warned(
        name,
        "The server is a standby: a publication must be made on its primary, and a slot here does "
        "not follow a failover.",
        remedy,
    )


def _wal_level(facts: Facts) -> Finding:
    level = facts.settings["wal_level"].raw
    if level == "logical":
        return passed("server.wal_level", "wal_level is logical.")
    return failed("server.wal_level", f"wal_level is {level}, not logical.", facts.cloud.enable_wal)


def _plugin(facts: Facts) -> Finding:
    allowed = facts.settings.get("output_plugin_libraries")
    if allowed is None or "pgoutput" in allowed.names:
        return passed("server.output_plugin_libraries", "pgoutput may be used.")
    return failed(
        "server.output_plugin_libraries",
        f"output_plugin_libraries is {allowed.raw!r}, without pgoutput.",
        "Add pgoutput to output_plugin_libraries in postgresql.conf and reload.",
    )


def _encoding(facts: Facts) -> Finding:
    if facts.encoding != "SQL_ASCII":
        return passed("server.encoding", f"The database's encoding is {facts.encoding}.")
    return warned(
        "server.encoding",
        "The database's encoding is SQL_ASCII: the server does not know what its bytes mean, and "
        "texts that are not UTF-8 cannot be written as JSON.",
        "Move the data to a database with an encoding.",
    )


def _room(setting: str, used: int, facts: Facts, *, needed: int) -> Finding:
    name, limit = f"server.{setting}", facts.settings[setting].number
    message = f"{used} of {setting} = {limit} are in use."
    remedy = f"Raise {setting} and restart the server."
    if used + needed > limit:
        return failed(name, message, f"{remedy} `pgbridge slots list` shows unused slots.")
    if used + needed == limit and needed:
        return warned(name, f"{message} The bridge takes the last one.", remedy)
    return passed(name, message)


def _keep_size(facts: Facts) -> Finding:
    name, setting = "server.max_slot_wal_keep_size", facts.settings["max_slot_wal_keep_size"]
    if setting.number < 0:
        return warned(
            name,
            "max_slot_wal_keep_size sets no limit: while the bridge is stopped, its slot can fill "
            "the server's disk.",
            "Set max_slot_wal_keep_size to what the disk can spare; beyond it the slot is lost.",
        )
    return passed(name, f"max_slot_wal_keep_size is {setting.shown}: beyond it the slot is lost.")


def _sender_timeout(facts: Facts) -> Finding:
    name, setting = "server.wal_sender_timeout", facts.settings["wal_sender_timeout"]
    if 0 < setting.number < _SHORT_TIMEOUT_MS:
        return warned(
            name,
            f"wal_sender_timeout is {setting.shown}: a short pause of the network or of this "
            "machine ends the stream.",
            "Set it to 60s, the default; ALTER ROLE ... SET does it for the bridge alone.",
        )
    return passed(name, f"wal_sender_timeout is {setting.shown}.")


def _idle_timeout(facts: Facts) -> Finding:
    name, setting = (
        "server.idle_replication_slot_timeout",
        facts.settings["idle_replication_slot_timeout"],
    )
    if setting.number == 0:
        return passed(name, "idle_replication_slot_timeout is off.")
    return warned(
        name,
        f"idle_replication_slot_timeout is {setting.shown}: if the bridge is stopped for longer, "
        "its slot is lost.",
        "Raise it above the longest downtime that you plan for, or set it to 0.",
    )


def _failover(session: Connection, facts: Facts) -> Finding:
    name = "server.failover"
    if facts.major < 17:
        return failed(
            name,
            f"Slots that follow a failover need PostgreSQL 17; this is {facts.version}.",
            "Set source.failover to false.",
        )
    standbys = facts.settings["synchronized_standby_slots"].names
    on_standby = (
        "On each standby: sync_replication_slots = on, hot_standby_feedback = on, and a dbname in "
        "primary_conninfo."
    )
    if not standbys:
        return warned(
            name,
            "synchronized_standby_slots is empty: the bridge can be ahead of a standby, and after "
            "a failover to it deliver changes that the new primary never had.",
            f"List the standbys' physical slots there. {on_standby}",
        )
    rows = session.execute(load("preflight/standby_slots.sql"), {"names": standbys}).fetchall()
    away = [slot for slot, active in rows if not active]
    if away:
        return failed(
            name,
            f"synchronized_standby_slots names {', '.join(away)}, which nobody uses: the stream "
            "waits until that standby is back.",
            "Start the standby, or take its slot out of synchronized_standby_slots and reload.",
        )
    return passed(name, f"The stream waits for {', '.join(standbys)}. {on_standby}")


def _long_transactions(session: Connection, facts: Facts) -> Iterator[Finding]:
    name = "server.long_transactions"
    long = [
        writer
        for writer in find_writers(session)
        if writer.gid is not None
        or (writer.since is not None and facts.time - writer.since > _LONG_TRANSACTION)
    ]
    if not long:
        yield passed(name, "No transaction holds WAL back.")
    for writer in long:
        yield warned(
            name,
            f"WAL is held back, and a slot cannot be created, by {writer}.",
            "End it: COMMIT, ROLLBACK PREPARED, or SELECT pg_terminate_backend(pid).",
        )
