"""``pgbridge config``: check, describe or show the configuration."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from bridge.commands.output import print_json
from bridge.commands.parsing import add_verb, add_verbs_below
from bridge.core.errors import EXIT_OK

if TYPE_CHECKING:
    from bridge.commands.parsing import Subparsers


def add_parser(subparsers: Subparsers) -> None:
    """Add the verb and the verbs below it."""
    parser = add_verb(subparsers, "config", "check, describe or show the configuration")
    verbs = add_verbs_below(parser)
    add_verb(verbs, "validate", "check the configuration and name every error in it", _validate)
    add_verb(verbs, "schema", "print the JSON Schema of the configuration file", _schema)
    add_verb(verbs, "show", "print every setting that applies, secrets masked", _show)


def _validate(args: Namespace) -> int:
    from bridge.commands.settings import config_path, load_settings
    from bridge.dataflow import make_dataflows
    from bridge.projecting import make_projections
    from bridge.read_models import load_read_models

    config = load_settings(args)
    dataflows = make_dataflows(config.processors)
    make_projections(config.projections)
    load_read_models(config)
    where = config_path(args)
    if args.json:
        print_json({"valid": True, "file": None if where is None else str(where)})
    else:
        parts = [f"slot {config.source.slot}"]
        for kind, names in (
            ("sinks", [f"{sink.name} ({sink.type})" for sink in config.sinks]),
            ("processors", [dataflow.name for dataflow in dataflows]),
            ("projections", [f"{it.name} ({it.store.type})" for it in config.projections]),
        ):
            if names:
                parts.append(f"{kind} {', '.join(names)}")
        print(f"{where or 'The environment'} is valid: {', '.join(parts)}.")
    return EXIT_OK


def _schema(args: Namespace) -> int:
    from bridge.config import json_schema

    print_json(json_schema())
    return EXIT_OK


def _show(args: Namespace) -> int:
    from bridge.commands.settings import load_settings
    from bridge.config import show

    shown = show(load_settings(args))
    if args.json:
        print_json(shown)
    else:
        import yaml

        print(yaml.safe_dump(shown, sort_keys=False, allow_unicode=True), end="")
    return EXIT_OK
