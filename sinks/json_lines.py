"""Sinks that write one line of JSON for each event."""

from __future__ import annotations

from typing import Protocol

from bridge.core.events import EventBatch, Position, Source
from sinks.base import Feed, Progress
from sinks.formats import Format, encode_batch


class LineTarget(Protocol):
    """Where the lines go. Every method may raise what a sink may raise."""

    def open(self, source: Source) -> Position | None:
        """Make ready, and return the position of the last event of ``source`` that it holds."""

    def append(self, lines: bytes, last: Position) -> None:
        """Take complete lines, each with its line end; ``last`` is the position of the last."""

    def sync(self) -> None:
        """Return when everything appended is durable."""

    def close(self) -> None:
        """Release everything; never raises."""


class JsonLinesSink:
    """Writes events to a target, a batch at a time.

    Nothing waits in the sink itself: ``write`` hands the lines over, and one ``poll`` or
    ``flush`` makes all of them durable, however many batches they came in.
    """

    def __init__(self, target: LineTarget, fmt: Format) -> None:
        self._target = target
        self._format = fmt
        self._written: Position | None = None
        self._durable: Position | None = None

    def open(self, feed: Feed) -> Position | None:
        self._written = self._durable = self._target.open(feed.source)
        return self._durable

    def write(self, batch: EventBatch) -> None:
        if not batch.events:
            return
        lines = "\n".join(encode_batch(batch, self._format)) + "\n"
        self._target.append(lines.encode(), batch.last)
        self._written = batch.last

    def poll(self) -> Progress:
        if self._durable != self._written:
            self._target.sync()
            self._durable = self._written
        return Progress(self._durable)

    def flush(self, timeout: float) -> Progress:
        return self.poll()

    def close(self) -> None:
        self._target.close()
