"""Changes for people: one line each, with colour where there is a terminal.

::

    14:03:21.123  Update    shop.orders         #1017  status new → paid         0/1B2C3D8:0

The line is for reading, not for programs: values are shortened, NULLs of new rows left out. Use the
sinks ``file`` or ``stdout`` for the whole event.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, Protocol, TypeAlias

from rich.console import Console
from rich.text import Text

from bridge.core.events import (
    ABSENT,
    CdcEvent,
    EventBatch,
    Operation,
    Position,
    Source,
    Texts,
    TruncateEvent,
)
from bridge.core.result_event import ResultEvent
from sinks.base import Feed, Progress
from sinks.stdout import StandardOutput

Span: TypeAlias = tuple[str, str]
"""A piece of a line, and its style in the words of rich."""

_MAX_VALUE = 32
_MIN_BODY = 24
_STYLES = {
    Operation.INSERT: "green",
    Operation.UPDATE: "yellow",
    Operation.DELETE: "red",
    Operation.TRUNCATE: "bold magenta",
    Operation.READ: "cyan",
    Operation.MESSAGE: "blue",
    Operation.RESULT: "bold cyan",
}
_QUIET = "dim"
_GAP: Span = ("  ", "")


class View(Protocol):
    """Where changes are shown. Both methods may raise what a sink may raise."""

    def open(self, source: Source) -> None:
        """Make ready; may come again after an error."""

    def show(self, batch: EventBatch) -> None:
        """Show the events of a batch that is not empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalConfig:
    """Settings of the sink ``terminal``.

    Attributes:
        color: ``auto`` for colour if standard output is a terminal, ``always``, or ``never``.
    """

    color: Literal["auto", "always", "never"] = "auto"

    def view(self) -> View:
        """Return where the changes are shown: standard output."""
        return _StandardOutputView(self.color)


class TerminalSink:
    """A line for each event on standard output; what was written counts as durable."""

    Config = TerminalConfig

    def __init__(self, config: TerminalConfig) -> None:
        self._view = config.view()
        self._last: Position | None = None

    def open(self, feed: Feed) -> Position | None:
        self._view.open(feed.source)
        self._last = None
        return None

    def write(self, batch: EventBatch) -> None:
        if batch.events:
            self._view.show(batch)
            self._last = batch.last

    def poll(self) -> Progress:
        return Progress(self._last)

    def flush(self, timeout: float) -> Progress:
        return self.poll()

    def close(self) -> None:
        """Leave standard output open: it belongs to the process."""


class _StandardOutputView:
    def __init__(self, color: Literal["auto", "always", "never"]) -> None:
        self._output = StandardOutput()
        self._console: Console | None = None
        if color == "always" or (color == "auto" and takes_color()):
            self._console = Console(force_terminal=True, highlight=False)

    def open(self, source: Source) -> None:
        self._output.open(source)

    def show(self, batch: EventBatch) -> None:
        console = self._console
        if console is None:
            lines = "".join(f"{plain_line(event)}\n" for event in batch.events)
        else:
            with console.capture() as captured:
                for event in batch.events:
                    console.print(colored_line(event, console.width), soft_wrap=True)
            lines = captured.get()
        self._output.append(lines.encode(), batch.last)


def takes_color() -> bool:
    """Whether standard output is a terminal that understands colour and movement."""
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")


def plain_line(event: CdcEvent) -> str:
    """Return the line of an event without colour, as wide as it needs to be."""
    line = "".join(text for text, _ in [*_head(event), *_body(event)])
    return f"{line.rstrip()}  {event.position}"


def colored_line(event: CdcEvent, width: int) -> Text:
    """Return the line of an event with colour, cut to ``width`` columns if need be."""
    line = Text.assemble(*_head(event), *_body(event), no_wrap=True)
    position = str(event.position)
    line.truncate(max(_MIN_BODY, width - len(position) - 2), overflow="ellipsis", pad=True)
    return line.append(f"  {position}", style=_QUIET)


def _head(event: CdcEvent) -> Iterator[Span]:
    committed = datetime.fromtimestamp(event.timestamp // 1000 / 1000, UTC)
    yield f"{committed:%H:%M:%S}.{committed.microsecond // 1000:03}  ", _QUIET
    yield f"{event.operation:<8}  ", _STYLES[event.operation]
    if event.schema is not None:
        yield f"{_printable(event.relation.qualified_name):<18}", "bold"
        if event.row_id is not None:
            yield f"  #{_short(event.row_id):<4}", ""
        yield _GAP


def _body(event: CdcEvent) -> Iterator[Span]:
    if isinstance(event, TruncateEvent):
        yield " ".join(event.options), ""
    elif isinstance(event, ResultEvent):
        yield _printable(event.document), ""
    elif event.schema is None:
        yield from _message(event)
    else:
        yield from _values(event)


def _message(event: CdcEvent) -> Iterator[Span]:
    values = event.new_values or {}
    yield f"{_printable(str(values.get('prefix')))}  ", "bold"
    yield _short(str(values.get("content"))), ""


def _values(event: CdcEvent) -> Iterator[Span]:
    """Show what changed where the old row tells, else the row that there is."""
    relation = event.relation
    missing: Texts = (ABSENT,) * len(relation.columns)
    news, olds = event.new or missing, event.old or missing
    for i, (column, new, old) in enumerate(zip(relation.columns, news, olds, strict=True)):
        name = _printable(column.name)
        if event.new is None:
            shown = "" if i in relation.key or old is ABSENT or old is None else _value(old)
        elif old is not ABSENT:
            shown = "" if new == old else f"{_value(old)} → {_value(new)}"
        elif new is None:
            shown = "null" if event.operation is Operation.UPDATE else ""
        else:
            shown = "" if i in relation.key else _value(new)
        if shown:
            yield f"{name} ", _QUIET
            yield shown, ""
            yield _GAP


def _value(text: str | None) -> str:
    if text is None:
        return "null"
    if text is ABSENT:
        return "(unchanged)"
    return f"'{_short(text)}'" if not text or " " in text else _short(text)


def _short(text: str) -> str:
    if len(text) > _MAX_VALUE:
        text = f"{text[: _MAX_VALUE - 1]}…"
    return _printable(text)


def _printable(text: str) -> str:
    """Escape what a terminal would obey, or what would hide or turn around the text."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
