"""``pgbridge events verify``: read every segment and every event, and say what is wrong."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from bridge.commands.events.stores import chosen_projection, open_store, projection_flag
from bridge.commands.parsing import add_verb
from bridge.core.errors import EXIT_ENVIRONMENT, EXIT_OK

if TYPE_CHECKING:
    from bridge.commands.parsing import Subparsers


def add_parser(subparsers: Subparsers) -> None:
    """Add the verb."""
    verify = add_verb(subparsers, "verify", "check every archived file and every event", _verify)
    projection_flag(verify)


def _verify(args: Namespace) -> int:
    from bridge.commands.output import print_json, printable, progress
    from bridge.commands.settings import load_settings
    from bridge.eventsourcing.archive.consistency import faults_in_store

    config = load_settings(args)
    projection = chosen_projection(config, args.projection)
    with open_store(config, projection) as storage:
        segments, counts = storage.segments(), storage.counts()
        files = storage.files
        with progress("Checking", len(segments) + counts["aggregates"]) as advance:
            faults = list(faults_in_store(storage, files, advance))
        known = {segment.name for segment in segments}
        own = f"{storage.identity[:8]}-"
        unknown = [
            name
            for name in (files.names() if files else ())
            if name.startswith(own) and name not in known
        ]
    if args.json:
        print_json(
            {
                "segments": len(segments),
                "events": counts["events"] + sum(segment.events for segment in segments),
                "aggregates": counts["aggregates"],
                "faults": [fault._asdict() for fault in faults],
                "unregistered": unknown,
            }
        )
    else:
        for fault in faults:
            print(printable(f"{fault.where}: {fault.problem}"))
        for name in unknown:
            print(f"{name} is not registered: an archiving was cut off. It may be deleted.")
        print(
            f"{len(segments)} segments and {counts['aggregates']} aggregates: "
            f"{len(faults) or 'no'} faults."
        )
    return EXIT_ENVIRONMENT if faults else EXIT_OK
