"""What a window tells, and the identifier by which a consumer knows what it has seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from bridge.processing.events import Key
from bridge.processing.identity import result_id


class WindowResult(NamedTuple):
    """What the aggregates of one window are.

    ``processor``, ``key`` and ``start`` say which window it is, so a consumer that keeps one
    entry for them, and replaces it by results with a higher ``revision``, has what is true now.

    Attributes:
        processor: its name.
        key: of the events.
        start: of the window in microseconds, or, for a count window, how many events of the key
            came before it; negative where the window is longer than the stream.
        end: where it ends, exclusive, in the same unit. That of a session moves with its events.
        values: what each aggregate gives, by name. None takes the window back: it has become part
            of a session that began earlier.
        final: whether the window is complete. Only events that are late, but allowed, can follow.
        revision: 0 for the first result of a window, then 1, 2, ...
    """

    processor: str
    key: Key
    start: int
    end: int
    values: Mapping[str, Any] | None
    final: bool
    revision: int

    @property
    def id(self) -> str:
        """A UUID of version 8, the same for the same result in every run.

        It is made of the processor's name, the key, the start, the end and the revision.
        """
        return result_id(self.processor, self.key, self.start, self.end, self.revision)

    def __repr__(self) -> str:  # never what was aggregated, nor the key, which is of a row
        span = f"[{self.start}, {self.end})"
        return f"<WindowResult {self.processor!r} {span} revision {self.revision}>"
