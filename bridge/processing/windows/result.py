"""What a window tells, and the identifier by which a consumer knows what it has seen."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from bridge.processing.events import Key


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

        It is made of the SHA-256 of the processor's name, the key, the start, the end and the
        revision. Keys that are equal give the same, whatever the type of their numbers.
        """
        parts = (self.processor, self.key, self.start, self.end, self.revision)
        digest = hashlib.sha256(_text(parts).encode("utf-8", "surrogatepass")).hexdigest()
        variant = "89ab"[int(digest[16], 16) & 3]
        return (
            f"{digest[:8]}-{digest[8:12]}-8{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:32]}"
        )


def _text(key: Any) -> str:
    """Return a text that two keys share if, and only if, they are equal."""
    if isinstance(key, tuple):
        return f"({','.join(map(_text, key))})"
    if isinstance(key, int | float | Decimal):
        try:
            return str(Fraction(key))
        except (ValueError, OverflowError):  # not a number, or infinite
            return str(float(key)) if key == key else repr(key)
    return repr(key)
