"""What comes out of a job, and how to see that two engines said the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from zlib import crc32

from tests.benchmarks.processing.jobs import Load

Answer = tuple[Any, ...]
"""Of windows: key, start in microseconds and value; of sessions: key and value; of a join: key,
amount on the left and amount on the right."""


class Engine(Protocol):
    """Something that runs the jobs, in this process and with one worker."""

    def prepare(self, load: Load) -> Any:
        """Return the events in the form that the engine takes; its time does not count."""

    def run(self, load: Load, events: Any, take: Callable[[Sequence[Any]], None]) -> None:
        """Do the job, and give what comes out to ``take``, many at a time."""

    def answers(self, load: Load, results: Sequence[Any]) -> Iterable[Answer]:
        """Return results in the form that is the same for all engines."""


@dataclass(slots=True)
class Tally:
    """Counts results; two engines have to come to the same."""

    count: int = 0

    def take(self, results: Sequence[Any]) -> None:
        self.count += len(results)


class Digest:
    """Adds up what the answers are, in whatever order they come.

    Args:
        engine: that gives the results.
        load: what it is doing.

    Attributes:
        count: how many there were.
        total: the sum of their checksums.
    """

    def __init__(self, engine: Engine, load: Load) -> None:
        self._engine = engine
        self._load = load
        self.count = 0
        self.total = 0

    def take(self, results: Sequence[Any]) -> None:
        for answer in self._engine.answers(self._load, results):
            self.count += 1
            self.total += crc32("|".join(map(_text, answer)).encode())


def _text(part: Any) -> str:
    """Return numbers with the digits that a float has for certain, whatever their type."""
    return part if isinstance(part, str) else f"{float(part):.12g}"
