"""What verbs print: JSON for machines, text and tables for people."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def print_json(data: object) -> None:
    """Print data as indented JSON."""
    print(json.dumps(data, indent=2, ensure_ascii=False))


def print_table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows in columns; numbers stand to the right, None is an empty cell."""
    body = [[_cell(value) for value in row] for row in rows]
    table = [list(headers), *body]
    widths = [max(len(row[i]) for row in table) for i in range(len(headers))]
    numeric = [all(row[i].isdigit() for row in body if row[i]) for i in range(len(headers))]
    for row in table:
        cells = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ]
        print("  ".join(cells).rstrip())


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case _:
            return printable(str(value))


def printable(text: str) -> str:
    """Return the text with control characters escaped: a terminal obeys them."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def iso_time(microseconds: int) -> str:
    """Return microseconds since the Unix epoch as ISO 8601 in UTC."""
    when = datetime.fromtimestamp(microseconds / 1_000_000, UTC)
    return when.isoformat(timespec="seconds").replace("+00:00", "Z")


@contextmanager
def progress(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show how far long work has come, on standard error if that is a terminal.

    Args:
        what: is being done, such as ``Replaying``.
        total: how many steps there are; None if nobody knows.

    Yields:
        the function to call with the number of steps that were done.
    """
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda steps: bar.advance(task, steps)


def note(text: str) -> None:
    """Tell the person at the terminal something that is not the result: on standard error."""
    print(text, file=sys.stderr)
