"""``pgbridge demo``: live changes of a throw-away PostgreSQL."""

from __future__ import annotations

import math
from argparse import ArgumentTypeError, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.commands.parsing import add_verb
from bridge.core.errors import EXIT_OK

if TYPE_CHECKING:
    from bridge.commands.parsing import Subparsers

_SECONDS_WITHOUT_TERMINAL = 10.0
_DEFAULT_RATE = 5.0


def add_parser(subparsers: Subparsers) -> None:
    """Add the verb."""
    parser = add_verb(subparsers, "demo", "show live changes of a throw-away PostgreSQL", _run)
    parser.add_argument(
        "--seconds",
        type=_positive,
        metavar="N",
        help="end after N seconds (default: at Ctrl-C; without a terminal after "
        f"{_SECONDS_WITHOUT_TERMINAL:g})",
    )
    parser.add_argument(
        "--rate",
        type=_positive,
        metavar="N",
        default=_DEFAULT_RATE,
        help=f"transactions in a second (default: {_DEFAULT_RATE:g})",
    )
    parser.add_argument(
        "--plain", action="store_true", help="no colour and no status line, as without a terminal"
    )
    parser.add_argument(
        "--postgres",
        type=Path,
        metavar="BINDIR",
        help="directory with the programs of the PostgreSQL to use (default: look for one)",
    )


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise ArgumentTypeError(f"{text!r} is not a number above 0")
    return number


def _run(args: Namespace) -> int:
    import sys

    from bridge.demo.show import DemoOptions, run_demo
    from bridge.demo.view import Style
    from sinks.terminal import takes_color

    style = Style.JSON if args.json else Style.LIVE if takes_color() else Style.PLAIN
    seconds = args.seconds
    if seconds is None and not sys.stdout.isatty():
        seconds = _SECONDS_WITHOUT_TERMINAL
    run_demo(
        DemoOptions(
            bindir=args.postgres,
            seconds=seconds,
            rate=args.rate,
            style=Style.PLAIN if args.plain and not args.json else style,
            log_level=args.log_level or "warning",
            log_format=args.log_format or "console",
        )
    )
    return EXIT_OK
