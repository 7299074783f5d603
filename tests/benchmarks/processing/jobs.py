"""The jobs, and the events that every engine is given.

Time goes in minutes: events come in its first half, then there is silence. So the windows of a
minute hold whole bursts, and a join of events at most half a minute apart gives the same pairs as
one of all events of a minute: engines that join in different ways can be compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Final, NamedTuple

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
HALF: Final = MINUTE // 2
SLIDE: Final = 10 * SECOND
GAP: Final = 5 * SECOND
START: Final = 1_700_000_040 * SECOND
"""A full minute, in microseconds since the Unix epoch, as all times here."""
DISORDER: Final = SECOND // 2
"""How far an event may be behind those before it."""

_BURST: Final = 10_000
_SMALLEST_BURST: Final = 4


class Job(StrEnum):
    """What is computed of the events.

    Attributes:
        TUMBLING: how many there are for each key and minute.
        SLIDING: the mean of their amounts in windows of a minute that begin every 10 seconds.
        SESSION: how many there are in each session, which ends after 5 seconds without an event.
        JOIN: the pairs of left and right events of a key at most half a minute apart.
    """

    TUMBLING = "tumbling-count"
    SLIDING = "sliding-avg"
    SESSION = "session-count"
    JOIN = "join"


@dataclass(frozen=True, slots=True)
class Load:
    """A job, and how much there is to do.

    Attributes:
        job: what to compute.
        keys: how many there are to choose from.
        events: how many come.
    """

    job: Job
    keys: int
    events: int


class Row(NamedTuple):
    """One event.

    Attributes:
        key: chosen at random.
        timestamp: in microseconds; up to ``DISORDER`` before those of earlier rows.
        amount: a whole number.
        left: the side of a join that it is on.
    """

    key: str
    timestamp: int
    amount: int
    left: bool


def rows(load: Load) -> Iterator[Row]:
    """Yield the events in the order in which they come, the same each time."""
    random = Random(load.keys)
    # Of a join every left event of a burst meets every right one, so there are few for each key.
    smallest = _SMALLEST_BURST if load.job is Job.JOIN else _BURST
    burst = max(smallest, load.keys)
    span = HALF - 2 * DISORDER
    for number in range(load.events):
        minute, place = divmod(number, burst)
        due = START + minute * MINUTE + DISORDER + span * place // burst
        yield Row(
            key=f"c{random.randrange(load.keys)}",
            timestamp=due - random.randrange(DISORDER),
            amount=random.randrange(1, 100_000),
            left=number % 2 == 0,
        )
