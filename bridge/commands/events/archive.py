"""``pgbridge events archive``: move old events into compressed segment files."""

from __future__ import annotations

import time
from argparse import Namespace
from typing import TYPE_CHECKING

from bridge.commands.events.stores import chosen_projection, open_store, projection_flag
from bridge.commands.parsing import add_verb
from bridge.core.errors import EXIT_OK, ConfigError

if TYPE_CHECKING:
    from bridge.commands.parsing import Subparsers


def add_parser(subparsers: Subparsers) -> None:
    """Add the verb."""
    archive = add_verb(subparsers, "archive", "move events below snapshots into files", _archive)
    archive.add_argument(
        "--older-than",
        metavar="AGE",
        help="only events of this age, such as 90d (`archive.retention` of the store)",
    )
    projection_flag(archive)


def _archive(args: Namespace) -> int:
    from bridge.commands.output import print_json, progress
    from bridge.commands.settings import load_settings
    from bridge.config.durations import duration_us

    config = load_settings(args)
    projection = chosen_projection(config, args.projection)
    settings = projection.store.archive
    if settings is None:
        raise ConfigError(
            f"The store of projection {projection.name} has no archive.",
            remedy="Set archive.dir of the store.",
        )
    try:
        age = duration_us(args.older_than or settings.retention)
        if age < 0:
            raise ValueError("an age below zero")
    except ValueError as error:
        raise ConfigError(f"--older-than is {error}.") from None
    with open_store(config, projection) as storage:
        now = time.time_ns() // 1000
        with progress("Archiving", storage.counts()["events"]) as advance:
            made = storage.archiver().run(before=now - age, now=now, advance=advance)
    events, size = sum(one.events for one in made), sum(one.size for one in made)
    if args.json:
        names = [one.name for one in made]
        print_json({"events": events, "bytes": size, "segments": names})
    elif made:
        print(f"{events} events moved into {len(made)} segments of {size} bytes.")
    else:
        print(f"No event is older than {args.older_than or settings.retention} and in a snapshot.")
    return EXIT_OK
