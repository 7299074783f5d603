"""Random streams with two sides, and what a naive reader of them knows about time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from hypothesis import strategies as st

from bridge.processing.events import StreamEvent

BEFORE_EVERYTHING = -(10**15)
AFTER_EVERYTHING = 10**15

KEYS = st.sampled_from([1, 1, 1, (2, "b"), (2, "b"), None, (3, None)]) | st.builds(
    lambda: (float("nan"), 4)  # another object each time
)


@dataclass(frozen=True)
class Step:
    """An event of a side, or a watermark that is told for both."""

    side: Literal["left", "right", "advance"]
    event: StreamEvent | None
    watermark: int = 0


@st.composite
def streams(draw: st.DrawFn, bound: int, *, late: bool) -> list[Step]:
    """Draw two streams in which events are out of order by no more than ``bound`` on each side.

    With ``late`` they may be out of order by more, and watermarks are told that do not hold.
    """
    arrivals: dict[str, list[tuple[int, Any]]] = {}
    for side in ("left", "right"):
        drawn = draw(
            st.lists(st.tuples(st.integers(0, 30), st.integers(0, bound), KEYS), max_size=12)
        )
        stretch = draw(st.integers(1, 4)) if late else 1
        # By time plus a delay within the bound: who comes before another is behind by no more.
        drawn.sort(key=lambda one: one[0] + one[1] * stretch)
        arrivals[side] = [(timestamp, key) for timestamp, _, key in drawn]
    steps: list[Step] = []
    count = sum(map(len, arrivals.values()))
    sequences = list(draw(st.permutations(range(count))))
    while arrivals["left"] or arrivals["right"]:
        side = draw(st.sampled_from(["left", "right", "advance"]))
        if side == "advance":
            coming = [timestamp for events in arrivals.values() for timestamp, _ in events]
            watermark = draw(st.integers(-5, 45 if late else min(coming)))
            steps.append(Step("advance", None, watermark))
        elif arrivals[side]:
            timestamp, key = arrivals[side].pop(0)
            sequence = sequences.pop()
            event = StreamEvent(key, timestamp, {"number": sequence}, sequence=sequence)
            steps.append(Step(side, event))
    steps.append(Step("advance", None, draw(st.integers(0, 60))))
    return steps


@dataclass(frozen=True)
class Seen:
    """A step with what is known around it."""

    step: Step
    before: int
    after: int
    late: bool


def with_watermarks(steps: list[Step], bound: int) -> Iterator[Seen]:
    """Yield each step with the watermark before and after it, worked out from the beginning."""
    of_side = {"left": BEFORE_EVERYTHING, "right": BEFORE_EVERYTHING}
    for step in steps:
        before = min(of_side.values())
        if step.event is None:
            of_side = {side: max(at, step.watermark) for side, at in of_side.items()}
            late = False
        else:
            late = step.event.timestamp < before
            of_side[step.side] = max(of_side[step.side], step.event.timestamp - bound)
        yield Seen(step, before, min(of_side.values()), late)


def run(join: Any, steps: list[Step]) -> list[list[Any]]:
    """Return what a join gives for each step."""
    take: dict[str, Callable[[Any], list[Any]]] = {
        "left": lambda step: join.process_left(step.event),
        "right": lambda step: join.process_right(step.event),
        "advance": lambda step: join.advance(step.watermark),
    }
    return [take[step.side](step) for step in steps]


def same_key(one: Any, other: Any) -> bool:
    """Say whether SQL would join the keys: NULL equals nothing, NaN equals NaN."""
    if not isinstance(one, tuple):
        one = (one,)
    if not isinstance(other, tuple):
        other = (other,)
    return len(one) == len(other) and all(
        a is not None and b is not None and (a == b or (a != a and b != b))
        for a, b in zip(one, other, strict=True)
    )


def is_null(key: Any) -> bool:
    return not same_key(key, key)


def assert_plain(state: Any) -> None:
    """Check that a state is made of nothing that a store would have to know."""
    if type(state) is dict:
        for name, part in state.items():
            assert_plain(name)
            assert_plain(part)
    elif type(state) in (list, tuple):
        for part in state:
            assert_plain(part)
    else:
        assert state is None or type(state) in (int, str, float, bool)


class CountedKey:
    """A key that counts how often a dictionary looks at it or at one of its kind."""

    looks = 0

    def __init__(self, number: int) -> None:
        self.number = number

    def __hash__(self) -> int:
        CountedKey.looks += 1
        return hash(self.number)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CountedKey) and self.number == other.number
