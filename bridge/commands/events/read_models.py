"""``pgbridge events read-models``: how far read models have come, and what they could not fold."""

from __future__ import annotations

from argparse import Namespace
from contextlib import closing
from typing import TYPE_CHECKING, Any

from bridge.commands.events.stores import chosen_projection, open_store
from bridge.commands.parsing import add_verb
from bridge.core.errors import EXIT_OK, ConfigError

if TYPE_CHECKING:
    from bridge.commands.parsing import Subparsers
    from bridge.config import Config
    from bridge.config.read_models import ReadModelConfig

_PARKED = 100


def add_parser(subparsers: Subparsers) -> None:
    """Add the verb."""
    verb = add_verb(subparsers, "read-models", "show how far read models have come", _show)
    verb.add_argument("name", nargs="?", help="of one, with the events that it could not fold")


def configured_read_model(config: Config, name: str) -> ReadModelConfig:
    """Return the settings of a read model.

    Raises:
        ConfigError: there is none with this name.
    """
    for read_model in config.read_models:
        if read_model.name == name:
            return read_model
    names = ", ".join(read_model.name for read_model in config.read_models)
    raise ConfigError(
        f"No read model is called {name!r} in the configuration.",
        remedy=f"It has: {names}." if names else "Add it under `read_models`.",
    )


def _show(args: Namespace) -> int:
    from bridge.commands.output import iso_time, print_json, print_table
    from bridge.commands.settings import load_settings

    config = load_settings(args)
    chosen = config.read_models
    if args.name is not None:
        chosen = (configured_read_model(config, args.name),)
    found = [_state(config, read_model) for read_model in chosen]
    if args.json:
        print_json(found if args.name is None else found[0])
        return EXIT_OK
    print_table(
        ("read model", "events", "version", "position", "behind", "parked", "note"),
        [
            (it["name"], it["events"], it["version"], it["position"], it["behind"],
             it["parked"], it["outdated"])
            for it in found
        ],
    )  # fmt: skip
    if args.name is not None and found[0]["parked_events"]:
        print()
        print_table(
            ("event", "type", "aggregate", "parked", "reason"),
            [
                (it["global_sequence"], it["event_type"], it["aggregate_type"],
                 iso_time(it["parked_at"]), it["reason"])
                for it in found[0]["parked_events"]
            ],
        )  # fmt: skip
    return EXIT_OK


def _state(config: Config, settings: ReadModelConfig) -> dict[str, Any]:
    from bridge.eventsourcing.read_models.views import outdated
    from bridge.read_models import StoredEvents, load_read_model, open_views

    model = load_read_model(settings)
    with (
        open_store(config, chosen_projection(config, settings.events)) as storage,
        closing(open_views(settings, model, config.source)) as views,
    ):
        events = StoredEvents(storage)
        build = views.live()
        parked = views.parked(_PARKED)
        return {
            "name": settings.name,
            "events": settings.events,
            "version": None if build is None else build.version,
            "position": 0 if build is None else build.position,
            "behind": max(0, events.last() - (0 if build is None else build.position)),
            "outdated": None if build is None else outdated(build, model, events),
            "parked": views.count_parked(),
            "parked_events": [event._asdict() for event in parked],
        }
