"""``pgbridge events rebuild``: build the view of a read model anew, beside the one that is read."""

from __future__ import annotations

from argparse import Namespace
from contextlib import closing
from typing import TYPE_CHECKING

from bridge.commands.events.read_models import configured_read_model
from bridge.commands.events.stores import chosen_projection, open_store
from bridge.commands.parsing import add_verb
from bridge.core.errors import EXIT_OK

if TYPE_CHECKING:
    from bridge.commands.parsing import Subparsers


def add_parser(subparsers: Subparsers) -> None:
    """Add the verb."""
    rebuild = add_verb(subparsers, "rebuild", "build a read model anew from its events", _rebuild)
    rebuild.add_argument("name", help="of the read model")


def _rebuild(args: Namespace) -> int:
    from bridge.commands.output import print_json, progress
    from bridge.commands.settings import load_settings
    from bridge.eventsourcing.read_models.rebuild import rebuild
    from bridge.read_models import StoredEvents, load_read_model, open_views

    config = load_settings(args)
    settings = configured_read_model(config, args.name)
    model = load_read_model(settings)
    with open_store(config, chosen_projection(config, settings.events)) as storage:
        events = StoredEvents(storage)
        reached = 0
        with (
            closing(open_views(settings, model, config.source)) as views,
            progress(f"Rebuilding {args.name}", events.last()) as advance,
        ):

            def progressed(position: int) -> None:
                nonlocal reached
                advance(position - reached)
                reached = position

            built = rebuild(args.name, model, events, views, progressed)
    if args.json:
        found = {"read_model": args.name, "version": model.version, **built._asdict()}
        print_json(found)
    else:
        print(
            f"{args.name} was built anew in version {model.version}, from {built.events} events "
            f"up to {built.position}."
        )
    return EXIT_OK
