"""The flags that every verb takes, before or after its name."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    Subparsers: TypeAlias = argparse._SubParsersAction[argparse.ArgumentParser]

Run: TypeAlias = Callable[[argparse.Namespace], int]

DEFAULT_CONFIG = "pgbridge.yaml"
LEVELS = ("debug", "info", "warning", "error")
STYLES = ("console", "json")


def add_common_flags(parser: argparse.ArgumentParser, *, nested: bool) -> None:
    """Give a parser the common flags.

    Args:
        nested: whether it is the parser of a verb; it then leaves alone what was said before.
    """

    def default(value: Any) -> Any:
        return argparse.SUPPRESS if nested else value

    group = parser.add_argument_group("common options")
    group.add_argument(
        "-c",
        "--config",
        metavar="FILE",
        default=default(None),
        help=f"configuration file (default: {DEFAULT_CONFIG})",
    )
    group.add_argument(
        "--json", action="store_true", default=default(False), help="print JSON for machines"
    )
    group.add_argument("--log-level", choices=LEVELS, default=default(None), help="what to log")
    group.add_argument("--log-format", choices=STYLES, default=default(None), help="how to log")


def add_verb(
    subparsers: Subparsers, name: str, help_text: str, run: Run | None = None
) -> argparse.ArgumentParser:
    """Return the parser of a verb, or of a verb below one, with the common flags.

    Args:
        subparsers: of the level above.
        name: of the verb.
        help_text: one line, without a full stop.
        run: what it does; None for a verb that only has verbs below it.
    """
    summary = help_text[:1].upper() + help_text[1:] + "."
    parser = subparsers.add_parser(name, help=help_text, description=summary, allow_abbrev=False)
    add_common_flags(parser, nested=True)
    if run is not None:
        parser.set_defaults(run=run)
    return parser


def add_verbs_below(parser: argparse.ArgumentParser) -> Subparsers:
    """Return the place for the verbs below a verb; one of them has to be given."""
    return parser.add_subparsers(title="verbs", metavar="VERB", required=True)
