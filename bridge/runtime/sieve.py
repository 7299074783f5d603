"""Between the stream and a sink that gets a part of it: what it does not get counts as delivered.

A sink reports on events that it was given. What was left out between two of them, or behind the
last one, would never become durable by itself, and the slot would wait for it.
"""

from __future__ import annotations

from collections import deque

from bridge.core.events import EventBatch, Position
from bridge.core.selection import Refuse, Selection


class Sieve:
    """Selects, and remembers what each batch needs to be done with. For one session of a sink.

    Args:
        selection: what the sink gets; None for everything.
        refuse: puts an event aside of which nobody can say whether the sink gets it; returns when
            that is durable.
    """

    def __init__(self, selection: Selection | None, refuse: Refuse | None = None) -> None:
        self._selection = selection
        self._refuse = refuse
        self._pending: deque[tuple[Position | None, Position]] = deque()

    def restart(self) -> None:
        """Begin a new session: all that is not durable will be selected again."""
        self._pending.clear()

    def select(self, batch: EventBatch) -> EventBatch:
        """Return what the sink is to be given of a batch, which must not be empty."""
        if self._selection is None:
            return batch
        selected = self._selection.apply(batch, self._refuse)
        self._pending.append((selected.last if selected.events else None, batch.last))
        return selected

    def durable(self, reported: Position | None) -> Position | None:
        """Return up to where the stream is durable when the sink reports ``reported``."""
        pending = self._pending
        reached = reported
        while pending:
            last_given, last = pending[0]
            if last_given is not None and (reported is None or reported < last_given):
                break
            reached = last if reached is None else max(reached, last)
            pending.popleft()
        return reached
