"""``pgbridge slots``: list, create, drop, advance, measure or clean up replication slots."""

from __future__ import annotations

import argparse
from argparse import Namespace
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from bridge.commands.output import note, print_json, print_table
from bridge.commands.parsing import add_verb, add_verbs_below
from bridge.core.errors import EXIT_OK
from bridge.core.lsn import format_lsn, parse_lsn

if TYPE_CHECKING:
    from bridge.commands.parsing import Subparsers
    from bridge.config import Config
    from bridge.core.lsn import Lsn
    from bridge.postgres.slot_creation import Blocker
    from bridge.postgres.slots import ReplicationSlot, ReplicationSlotManager


def add_parser(subparsers: Subparsers) -> None:
    """Add the verb and the verbs below it."""
    parser = add_verb(subparsers, "slots", "list, create, drop, advance or clean up slots")
    verbs = add_verbs_below(parser)
    add_verb(verbs, "list", "list every replication slot of the server", _list)

    create = add_verb(verbs, "create", "create a slot, which keeps WAL from now on", _create)
    create.add_argument("name", help="lower-case letters, digits and underscores")
    create.add_argument("--plugin", default="pgoutput", help="output plugin (pgoutput)")
    create.add_argument("--failover", action="store_true", help="follow a failover (17 and newer)")
    create.add_argument(
        "--two-phase", action="store_true", help="decode prepared transactions (14 and newer)"
    )
    create.add_argument(
        "--timeout", type=float, metavar="SECONDS", help="how long older transactions may take"
    )

    drop = add_verb(verbs, "drop", "drop a slot, whoever created it; nobody may be using it", _drop)
    drop.add_argument("name")

    advance = add_verb(verbs, "advance", "skip changes: move a slot forward", _advance)
    advance.add_argument("name")
    advance.add_argument("lsn", type=_lsn, help="where to, such as 16/B374D848")

    lag = add_verb(verbs, "lag", "show how far a slot is behind", _lag)
    lag.add_argument("name", nargs="?", help="the slot of the configuration by default")

    cleanup = add_verb(verbs, "cleanup", "drop slots of ours that were forgotten", _cleanup)
    cleanup.add_argument("--dry-run", action="store_true", help="only say which ones and why")


def _lsn(text: str) -> Lsn:
    try:
        return parse_lsn(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def slot_manager(config: Config) -> ReplicationSlotManager:
    """Return the slots of the server that the configuration names, with our record of them."""
    from bridge.postgres.connection import Database
    from bridge.postgres.owned_slots import SlotFile
    from bridge.postgres.slots import ReplicationConfig, ReplicationSlotManager

    return ReplicationSlotManager(
        ReplicationConfig(
            max_slots=config.slots.max_slots,
            stale_threshold_seconds=config.slots.stale_threshold_seconds,
            auto_cleanup=config.slots.auto_cleanup,
            max_lag=config.slots.max_lag_bytes,
        ),
        Database(config.source.sql_dsn or config.source.dsn),
        owned=SlotFile(config.state.dir / "slots.json"),
    )


def _list(args: Namespace) -> int:
    from bridge.commands.settings import load_settings

    slots = slot_manager(load_settings(args)).list_slots()
    if args.json:
        print_json([_document(slot) for slot in slots])
    elif not slots:
        print("The server has no replication slots.")
    else:
        print_table(
            ("slot", "plugin", "database", "used by", "status", "retained", "unconfirmed", "ours"),
            [
                (
                    slot.name,
                    slot.plugin or slot.slot_type,
                    slot.database,
                    slot.active_pid,
                    slot.invalidation_reason or slot.wal_status,
                    slot.lag.retained_bytes,
                    slot.lag.unconfirmed_bytes,
                    "yes" if slot.created_by_us else None,
                )
                for slot in slots
            ],
        )
    return EXIT_OK


def _create(args: Namespace) -> int:
    from bridge.commands.settings import load_settings

    config = load_settings(args)
    slot = slot_manager(config).create_slot(
        args.name,
        args.plugin,
        failover=args.failover,
        two_phase=args.two_phase,
        timeout_seconds=args.timeout or config.source.create_slot_timeout_seconds,
        on_blocked=_tell_blockers,
    )
    if args.json:
        print_json(_document(slot))
    else:
        confirmed = slot.confirmed_flush_lsn
        where = "" if confirmed is None else f" at {format_lsn(confirmed)}"
        print(f"Slot {slot.name} was created{where}.")
    return EXIT_OK


def _tell_blockers(blockers: tuple[Blocker, ...]) -> None:
    note(f"Waiting for older transactions: {'; '.join(map(str, blockers))}.")


def _drop(args: Namespace) -> int:
    from bridge.commands.settings import load_settings

    slot_manager(load_settings(args)).drop_slot(args.name)
    if args.json:
        print_json({"dropped": [args.name]})
    else:
        print(f"Slot {args.name} was dropped.")
    return EXIT_OK


def _advance(args: Namespace) -> int:
    from bridge.commands.settings import load_settings

    reached = format_lsn(slot_manager(load_settings(args)).advance_slot(args.name, args.lsn))
    if args.json:
        print_json({"name": args.name, "confirmed_flush_lsn": reached})
    else:
        print(f"Slot {args.name} stands at {reached}.")
    return EXIT_OK


def _lag(args: Namespace) -> int:
    from bridge.commands.settings import load_settings

    config = load_settings(args)
    name = args.name or config.source.slot
    lag = asdict(slot_manager(config).get_slot_lag(name))
    if args.json:
        print_json({"name": name, **lag})
    else:
        unknown = "the server cannot tell"
        rows = [
            (what.replace("_", " "), unknown if n is None else round(n, 3))
            for what, n in lag.items()
        ]
        print_table(("slot", name), rows)
    return EXIT_OK


def _cleanup(args: Namespace) -> int:
    from bridge.commands.settings import load_settings

    manager = slot_manager(load_settings(args))
    reasons = {stale.slot.name: stale.reason for stale in manager.find_stale_slots()}
    dropped = [] if args.dry_run else manager.cleanup_stale_slots()
    if args.json:
        print_json({"stale": reasons, "dropped": dropped})
        return EXIT_OK
    for name, reason in reasons.items():
        print(f"{name}: {reason}" + (", dropped" if name in dropped else ""))
    if not reasons:
        print("No slot of ours is stale.")
    return EXIT_OK


def _document(slot: ReplicationSlot) -> dict[str, Any]:
    document = asdict(slot)
    for name in ("restart_lsn", "confirmed_flush_lsn"):
        lsn = document[name]
        document[name] = None if lsn is None else format_lsn(lsn)
    since = slot.inactive_since
    document["inactive_since"] = None if since is None else since.isoformat()
    return document
