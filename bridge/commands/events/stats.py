"""``pgbridge events stats``: how much is in an event store, and how far its projection has come."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import asdict
from typing import TYPE_CHECKING

from bridge.commands.events.stores import chosen_projection, open_store, projection_flag
from bridge.commands.parsing import add_verb
from bridge.core.errors import EXIT_OK

if TYPE_CHECKING:
    from bridge.commands.parsing import Subparsers


def add_parser(subparsers: Subparsers) -> None:
    """Add the verb."""
    stats = add_verb(subparsers, "stats", "show how much is in a store", _stats)
    projection_flag(stats)


def _stats(args: Namespace) -> int:
    from bridge.commands.output import print_json, print_table
    from bridge.commands.settings import load_settings
    from bridge.eventsourcing import EventStore

    config = load_settings(args)
    projection = chosen_projection(config, args.projection)
    with open_store(config, projection) as storage:
        progress = storage.progress(projection.name)
        found = {
            "projection": projection.name,
            "store": projection.store.type,
            "position": None if progress is None else str(progress.position),
            **asdict(EventStore(storage).get_stats()),
            "archived_bytes": sum(segment.size for segment in storage.segments()),
        }
    if args.json:
        print_json(found)
    else:
        rows = [(name.replace("_", " "), value) for name, value in found.items()]
        print_table(("projection", projection.name), rows[1:])
    return EXIT_OK
