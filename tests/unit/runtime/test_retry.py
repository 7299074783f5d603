from collections.abc import Callable

import pytest

from bridge.core.retry import RetryPolicy
from bridge.runtime.retry import Backoff


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def backoff(
    chance: Callable[[], float] = lambda: 1.0, clock: Clock | None = None, **policy: float
) -> Backoff:
    return Backoff(RetryPolicy(**policy), chance=chance, monotonic=clock or Clock())  # type: ignore[arg-type]


def test_pauses_grow_up_to_the_cap() -> None:
    pauses = backoff(initial_delay_ms=100, max_delay_ms=500, backoff_multiplier=2)
    assert [pauses.next_delay() for _ in range(5)] == [0.1, 0.2, 0.4, 0.5, 0.5]


def test_a_pause_is_anything_from_zero_to_its_bound() -> None:
    chances = iter([0.0, 0.5, 1.0])
    pauses = backoff(lambda: next(chances), initial_delay_ms=100, backoff_multiplier=1)
    assert [pauses.next_delay() for _ in range(3)] == [0.0, 0.05, 0.1]


def test_a_success_starts_over() -> None:
    pauses = backoff(initial_delay_ms=100)
    pauses.next_delay()
    pauses.next_delay()
    pauses.reset()
    assert pauses.next_delay() == 0.1


def test_without_a_deadline_it_goes_on_for_ever() -> None:
    clock = Clock()
    pauses = backoff(clock=clock)
    for _ in range(2000):  # also no overflow of the bound
        clock.now += 86_400
        assert pauses.next_delay() is not None


def test_the_deadline_counts_from_the_first_failure_and_leaves_one_last_attempt() -> None:
    clock = Clock()
    pauses = backoff(clock=clock, initial_delay_ms=4000, deadline_seconds=10)
    assert pauses.next_delay() == 4
    clock.now += 4
    assert pauses.next_delay() == 6
    clock.now += 6
    assert pauses.next_delay() is None
    pauses.reset()
    assert pauses.next_delay() == 4


def test_retries_are_counted_from_the_last_success() -> None:
    pauses = backoff(initial_delay_ms=100, max_retries=2)
    assert [pauses.next_delay() for _ in range(3)] == [0.1, 0.2, None]
    pauses.reset()
    assert [pauses.next_delay() for _ in range(3)] == [0.1, 0.2, None]


def test_without_jitter_a_pause_is_its_bound() -> None:
    pauses = backoff(lambda: 0.0, initial_delay_ms=100, jitter=False)
    assert [pauses.next_delay() for _ in range(2)] == [0.1, 0.2]


def test_a_cap_below_the_first_pause_is_refused() -> None:
    with pytest.raises(ValueError, match="max_delay_ms"):
        RetryPolicy(initial_delay_ms=10, max_delay_ms=5)
