"""What is left out counts as delivered: no sooner than it may, and no later than it can."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bridge.core.events import EventBatch, Position
from bridge.core.selection import Filter, Selection
from bridge.runtime.sieve import Sieve
from tests.fixtures.events import make_batch


@given(
    sizes=st.lists(st.integers(1, 4), min_size=1, max_size=8),
    chosen=st.sets(st.integers(0, 31)),
    steps=st.lists(st.tuples(st.booleans(), st.integers(0, 31)), max_size=20),
    held_before=st.integers(-1, 3),
)
def test_the_stream_is_durable_up_to_what_the_sink_still_owes(
    sizes: list[int], chosen: set[int], steps: list[tuple[bool, int]], held_before: int
) -> None:
    batches: list[EventBatch] = []
    for size in sizes:
        first = sum(map(len, batches))
        batches.append(make_batch(*((1 + n // 3, n % 3) for n in range(first, first + size))))
    places = [event.position for batch in batches for event in batch.events]
    wanted = {places[n] for n in chosen if n < len(places)}
    sieve = Sieve(Selection(Filter(conditions=[lambda event: event.position in wanted])))

    given_out: list[Position] = []
    waiting = list(batches)
    reported = places[held_before] if 0 <= held_before < len(places) else None
    last_handed: Position | None = None
    best: Position | None = None
    for write, number in steps:
        if write and waiting:
            batch = waiting.pop(0)
            if reported is not None:
                batch = batch.after(reported)
            if batch.events:
                selected = sieve.select(batch)
                assert [e.position for e in selected.events] == [
                    e.position for e in batch.events if e.position in wanted
                ]
                given_out += (event.position for event in selected.events)
                last_handed = batch.last
            continue
        confirmed = [place for place in given_out if place <= places[number % len(places)]]
        if confirmed and (reported is None or confirmed[-1] > reported):
            reported = confirmed[-1]
        reached = sieve.durable(reported)
        owed = [place for place in given_out if reported is None or place > reported]
        if reached is not None:
            assert not [place for place in owed if place <= reached]
            best = reached if best is None else max(best, reached)
        if not owed and last_handed is not None:  # then nothing holds the stream back
            assert best is not None
            assert best >= last_handed


def test_without_a_selection_it_is_not_there() -> None:
    sieve = Sieve(None)
    batch = make_batch((1, 0), (1, 1))
    assert sieve.select(batch) is batch
    assert sieve.durable(None) is None
    assert sieve.durable(Position(1, 0)) == Position(1, 0)


def test_a_new_session_forgets_the_old_one() -> None:
    sieve = Sieve(Selection(Filter(conditions=[lambda event: False])))
    sieve.select(make_batch((1, 0)))
    sieve.restart()
    assert sieve.durable(None) is None
