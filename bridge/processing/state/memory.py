"""A store that lasts as long as the process."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from operator import itemgetter
from threading import Lock

from bridge.core.events import Position
from bridge.processing.state.codec import decode, encode
from bridge.processing.state.results import Result
from bridge.processing.state.store import ProcessingCheckpoint, are_new

_number = itemgetter(0)


class MemoryStateStore:
    """Keeps a checkpoint and the outbox in memory; see ``StateStore``.

    States are kept as bytes, as in the other stores: so it takes no more room than they do, and
    what they would refuse is refused here.

    Args:
        identity: hexadecimal digits that no other store has.
        compress: whether states are compressed.
    """

    def __init__(self, identity: str, *, compress: bool = True) -> None:
        self._compress = compress
        self.identity = identity
        self._guard = Lock()
        self._sequence: int | None = None
        self._position: Position | None = None
        self._states: dict[str, bytes] = {}
        self._waiting: dict[str, list[tuple[int, Result]]] = {}
        self._delivered: dict[str, int] = {}

    def load(self, names: Collection[str] | None = None) -> ProcessingCheckpoint | None:
        """See ``StateStore``."""
        with self._guard:
            if self._sequence is None:
                return None
            wanted = self._states if names is None else self._states.keys() & set(names)
            states = {name: decode(self._states[name], name) for name in wanted}
            return ProcessingCheckpoint(self._position, states, self._sequence)

    def commit(self, checkpoint: ProcessingCheckpoint, results: Sequence[Result]) -> None:
        """See ``StateStore``."""
        encoded = {
            name: encode(state, name, compress=self._compress)
            for name, state in checkpoint.states.items()
        }
        with self._guard:
            if are_new(results, checkpoint, self._sequence):
                first = checkpoint.sequence - len(results) + 1
                for number, result in enumerate(results, start=first):
                    for sink in result.sinks:
                        self._waiting.setdefault(sink, []).append((number, result))
            self._states.update(encoded)
            self._position = checkpoint.position
            self._sequence = checkpoint.sequence

    def results(self, sink: str, after: int, limit: int) -> list[tuple[int, Result]]:
        """See ``StateStore``."""
        with self._guard:
            waiting = self._waiting.get(sink, [])
            start = bisect_right(waiting, after, key=_number)
            return waiting[start : start + limit]

    def delivered(self, sink: str, sequence: int) -> None:
        """See ``StateStore``."""
        with self._guard:
            waiting = self._waiting.get(sink, [])
            del waiting[: bisect_right(waiting, sequence, key=_number)]
            self._delivered[sink] = max(sequence, self._delivered.get(sink, 0))

    def deliveries(self) -> Mapping[str, int]:
        """See ``StateStore``."""
        with self._guard:
            return dict(self._delivered)

    def waiting(self) -> Mapping[str, int]:
        """See ``StateStore``."""
        with self._guard:
            return {sink: len(waiting) for sink, waiting in self._waiting.items() if waiting}

    def names(self) -> tuple[str, ...]:
        """See ``StateStore``."""
        with self._guard:
            return tuple(sorted(self._states))

    def sizes(self) -> Mapping[str, int]:
        """See ``StateStore``."""
        with self._guard:
            return {name: len(data) for name, data in self._states.items()}

    def forget(self, name: str) -> None:
        """See ``StateStore``."""
        with self._guard:
            self._states.pop(name, None)

    def close(self) -> None:
        """See ``StateStore``."""
