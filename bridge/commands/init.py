"""``pgbridge init``: show the SQL that the bridge needs on the server, then run it."""

from __future__ import annotations

import sys
from argparse import Namespace
from typing import TYPE_CHECKING

from bridge.commands.output import note, print_json
from bridge.commands.parsing import add_verb
from bridge.core.errors import EXIT_OK, EXIT_RUNTIME

if TYPE_CHECKING:
    from bridge.commands.parsing import Subparsers


def add_parser(subparsers: Subparsers) -> None:
    """Add the verb."""
    parser = add_verb(
        subparsers, "init", "show the SQL for publication, roles and slot, then run it", _init
    )
    parser.add_argument("--dry-run", action="store_true", help="only show the SQL")
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask at the terminal")
    parser.add_argument(
        "--grant-to", metavar="ROLE", help="also give this role what it needs to run the bridge"
    )
    parser.add_argument(
        "--create-slot",
        action="store_true",
        help="create the slot now; existing rows are not read then. Without a snapshot in the "
        "configuration that is what happens anyway",
    )


def _init(args: Namespace) -> int:
    from bridge.commands.settings import load_settings
    from bridge.commands.slots import slot_manager
    from bridge.core.lsn import format_lsn
    from bridge.postgres.connection import Database
    from bridge.postgres.grants import apply_grants, plan_grants
    from bridge.postgres.publications import Publications

    config = load_settings(args)
    source = config.source
    database = Database(source.sql_dsn or source.dsn)
    publications, slots = Publications(database), slot_manager(config)

    plan = publications.plan(source.publication, source.tables)
    grants: tuple[str, ...] = ()
    if args.grant_to:
        grants = plan_grants(
            database, args.grant_to, publication=source.publication, tables=source.tables
        )
    existing = slots.get_slot(source.slot)
    # The slot of a first start comes with the snapshot that belongs to it: one that exists
    # already is taken as it is, and then there is none.
    create_slot = existing is None and (args.create_slot or source.snapshot == "never")
    statements = [*plan.statements, *grants]
    if create_slot:
        statements.append(_slot_statement(source.slot))

    notes = list(plan.notes)
    if existing is not None and not plan.exists:
        notes.append(f"Slot {source.slot} is older than the publication: drop it and start anew.")
    for remark in notes:
        note(f"Note: {remark}")
    if not args.json:
        _show(statements)
    if statements and not args.dry_run and not _agreed(args):
        note("Nothing was changed.")
        return EXIT_RUNTIME
    position = None if existing is None else existing.confirmed_flush_lsn
    if not args.dry_run:
        publications.apply(plan)
        apply_grants(database, grants)
        if create_slot:
            slot = slots.create_slot(
                source.slot,
                failover=source.failover,
                timeout_seconds=source.create_slot_timeout_seconds,
                on_blocked=lambda blockers: note(f"Waiting for {'; '.join(map(str, blockers))}."),
            )
            position = slot.confirmed_flush_lsn
    lsn = None if position is None else format_lsn(position)
    if args.json:
        print_json(
            {
                "applied": not args.dry_run,
                "statements": statements,
                "notes": notes,
                "publication": {
                    "name": plan.name,
                    "existed": plan.exists,
                    "added": plan.added,
                    "removed": plan.removed,
                },
                "slot": {
                    "name": source.slot,
                    "existed": existing is not None,
                    "confirmed_flush_lsn": lsn,
                },
            }
        )
    elif not args.dry_run:
        print(f"Publication {plan.name} is ready.")
        if lsn is not None:
            print(f"Slot {source.slot} stands at {lsn}.")
        else:
            print(f"Slot {source.slot} is made by the first start, with its snapshot.")
    return EXIT_OK


def _slot_statement(name: str) -> str:
    return f"SELECT pg_create_logical_replication_slot('{name}', 'pgoutput')"


def _show(statements: list[str]) -> None:
    for statement in statements:
        print(f"{statement};")
    if not statements:
        print("-- Nothing to change.")


def _agreed(args: Namespace) -> bool:
    if args.yes or args.json or not sys.stdin.isatty():
        return True
    return input("Run this? [y/N] ").strip().lower() in ("y", "yes")
