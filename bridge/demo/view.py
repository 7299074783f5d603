"""How the demo shows changes: live with a status line, as plain lines, or as JSON lines."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TextIO, cast

from rich.console import Console
from rich.file_proxy import FileProxy
from rich.live import Live
from rich.text import Text

from bridge.core.events import EventBatch, Operation, Source
from bridge.core.lsn import Lsn, format_lsn
from bridge.demo.tally import Figures, Tally
from sinks.formats import encode_batch
from sinks.stdout import StandardOutput
from sinks.terminal import TerminalConfig, colored_line, plain_line

_REFRESH_HZ = 4
_RECENT_DELAYS = 100


class Style(Enum):
    """How to show."""

    LIVE = auto()
    """Colour, cut to the width of the terminal, with a status line below."""
    PLAIN = auto()
    """Text that any file or pipe takes."""
    JSON = auto()
    """Whole events; what is told to people goes to standard error."""


class DemoView:
    """Shows changes and counts them; a context manager, for the status line.

    Args:
        style: how.
        shown: called after each batch.
    """

    def __init__(self, style: Style, shown: Callable[[], None]) -> None:
        self.tally = Tally()
        self.confirmed: Lsn | None = None
        """What the server says is confirmed: shown in the status line."""
        self.lag_bytes: int | None = None
        """The WAL that the server says is not confirmed."""
        self._style = style
        self._shown = shown
        self._output = StandardOutput()
        self._console = Console(highlight=False)
        self._live: Live | None = None

    def __enter__(self) -> DemoView:
        if self._style is Style.LIVE:
            self._live = Live(
                get_renderable=self._status,
                console=self._console,
                refresh_per_second=_REFRESH_HZ,
                transient=True,
            )
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    @property
    def log_stream(self) -> TextIO:
        """Where log lines go without tearing the status line."""
        if self._style is not Style.LIVE:
            return sys.stderr
        return cast("TextIO", FileProxy(self._console, sys.stderr))

    def open(self, source: Source) -> None:
        """Make ready, as a view of the terminal sink."""
        self._output.open(source)

    def show(self, batch: EventBatch) -> None:
        """Show the events, as a view of the terminal sink."""
        if self._style is Style.LIVE:
            lines = [colored_line(event, self._console.width) for event in batch.events]
            self._console.print(Text("\n").join(lines), soft_wrap=True)
        else:
            encoded = (
                encode_batch(batch)
                if self._style is Style.JSON
                else [plain_line(event) for event in batch.events]
            )
            self._output.append(("\n".join(encoded) + "\n").encode(), batch.last)
        self.tally.count(batch, now=time.time(), monotonic=time.monotonic())
        self._shown()

    def tell(self, text: str, *, style: str = "dim") -> None:
        """Tell the person who looks something that is no event."""
        match self._style:
            case Style.LIVE:
                self._console.print(Text(text, style=style))
            case Style.PLAIN:
                print(text, flush=True)
            case Style.JSON:
                print(text, file=sys.stderr)

    def summary(self) -> str:
        """Return what was shown, in a few lines."""
        figures = self._figures()
        kinds = ", ".join(
            f"{figures.events[operation]:,} {operation}"
            for operation in Operation
            if operation in figures.events
        )
        lines = [
            f"{figures.total:,} events in {figures.transactions:,} transactions: {kinds or 'none'}"
        ]
        half, most = figures.delay_s(0.5), figures.delay_s(0.99)
        if half is not None and most is not None:
            lines.append(f"From commit to screen: {_ms(half)} (median), {_ms(most)} (99 %)")
        if self.confirmed is not None:
            lines.append(
                f"Confirmed to PostgreSQL: {format_lsn(self.confirmed)}, "
                f"{self.lag_bytes or 0:,} bytes of WAL behind"
            )
        return "\n".join(lines)

    def _figures(self) -> Figures:
        return self.tally.figures(monotonic=time.monotonic())

    def _status(self) -> Text:
        figures = self._figures()
        recent = figures.delays_s[-_RECENT_DELAYS:]
        delay = _ms(sum(recent) / len(recent)) if recent else "-"
        confirmed = "-" if self.confirmed is None else format_lsn(self.confirmed)
        facts = [
            f"{figures.per_second:,.1f} events/s",
            f"lag {delay}, {self.lag_bytes or 0:,} bytes",
            "Ctrl-C ends",  # early, for narrow terminals cut off the rest
            f"{figures.total:,} events",
            f"{figures.transactions:,} transactions",
            f"confirmed {confirmed}",
        ]
        return Text(f" {'  ·  '.join(facts)} ", style="reverse", no_wrap=True, overflow="ellipsis")


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoTerminal(TerminalConfig):
    """Settings of a terminal sink that shows its changes in the demo's view."""

    shown_in: DemoView = field(repr=False)

    def view(self) -> DemoView:
        return self.shown_in


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:,.1f} ms"
