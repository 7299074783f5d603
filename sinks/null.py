"""Events into nothing: what is left is the cost of everything before the sink."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.core.events import EventBatch, Position
from sinks.base import Feed, Progress
from sinks.formats import FormatConfig, encode_batch, make_format


@dataclass(frozen=True, slots=True, kw_only=True)
class NullConfig(FormatConfig):
    """Settings of the sink ``null``.

    Attributes:
        encode: whether events are turned into JSON before they are dropped.
    """

    encode: bool = False


class NullSink:
    """Counts events and drops them; everything is durable at once.

    Attributes:
        events: how many events were written since the sink was made.
    """

    Config = NullConfig

    def __init__(self, config: NullConfig) -> None:
        self._format = make_format(config) if config.encode else None
        self._last: Position | None = None
        self.events = 0

    def open(self, feed: Feed) -> Position | None:
        self._last = None
        return None

    def write(self, batch: EventBatch) -> None:
        if not batch.events:
            return
        if self._format is not None:
            encode_batch(batch, self._format)
        self.events += len(batch)
        self._last = batch.last

    def poll(self) -> Progress:
        return Progress(self._last)

    def flush(self, timeout: float) -> Progress:
        return self.poll()

    def close(self) -> None:
        """Nothing to release."""
