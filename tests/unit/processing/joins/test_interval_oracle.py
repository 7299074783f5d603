"""``IntervalJoin`` against the whole cross product of random streams."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.processing.events import StreamEvent
from bridge.processing.joins import IntervalJoin, JoinResult
from tests.unit.processing.joins.streams import (
    AFTER_EVERYTHING,
    Seen,
    Step,
    assert_plain,
    is_null,
    run,
    same_key,
    streams,
    with_watermarks,
)

How = Literal["inner", "left", "right", "full"]


@dataclass(frozen=True)
class Case:
    how: How
    before: int
    after: int
    bound: int
    steps: list[Step]

    def join(self) -> IntervalJoin:
        return IntervalJoin(
            self.how,
            before=self.before,
            after=self.after,
            name="near",
            out_of_orderness=self.bound,
        )


@st.composite
def cases(draw: st.DrawFn, *, late: bool) -> Case:
    bound = draw(st.integers(0, 6))
    return Case(
        how=draw(st.sampled_from(["inner", "left", "right", "full"])),
        before=draw(st.integers(0, 8)),
        after=draw(st.integers(0, 8)),
        bound=bound,
        steps=draw(streams(bound, late=late)),
    )


def expected(case: Case) -> list[list[JoinResult]]:
    """Return what each step has to give, from all pairs of all events, in the order promised."""
    seen = list(with_watermarks(case.steps, case.bound))
    place = {id(each.step.event): n for n, each in enumerate(seen) if each.step.event}
    events: dict[str, list[StreamEvent]] = {"left": [], "right": []}
    for each in seen:
        if each.step.event and not each.late:
            events[each.step.side].append(each.step.event)
    pairs = [
        (left, right)
        for left in events["left"]
        for right in events["right"]
        if same_key(left.key, right.key)
        and left.timestamp - case.before <= right.timestamp <= left.timestamp + case.after
    ]
    rows: list[list[JoinResult]] = [[] for _ in seen]
    for left, right in sorted(pairs, key=lambda p: [(e.timestamp, e.sequence) for e in p]):
        # Only one of the two differs among the pairs of a step, so this sorts by the other one.
        rows[max(place[id(left)], place[id(right)])].append(
            JoinResult("near", left.key, left, right)
        )
    partnered = {id(event) for pair in pairs for event in pair}
    alone = []
    for side, ahead in (("left", case.after), ("right", case.before)):
        if case.how in (side, "full"):
            for event in events[side]:
                if id(event) not in partnered:
                    n = step_of_row_alone(event, ahead, seen, place[id(event)])
                    alone.append((event.timestamp, side, event.sequence, n, event))
    for _, side, _, n, event in sorted(alone, key=lambda one: one[:3]):
        if n is not None:
            both = (event, None) if side == "left" else (None, event)
            row = JoinResult("near", event.key, *both)
            # What has no key comes with its event, before what the watermark lets go.
            rows[n].insert(0, row) if is_null(event.key) else rows[n].append(row)
    return rows


def step_of_row_alone(event: StreamEvent, ahead: int, seen: list[Seen], at: int) -> int | None:
    if is_null(event.key):
        return at
    return next((n for n in range(at, len(seen)) if seen[n].after > event.timestamp + ahead), None)


def check_rows(case: Case) -> None:
    join = case.join()
    rows = run(join, case.steps)
    assert rows == expected(case)
    seen = with_watermarks(case.steps, case.bound)
    late = [(s.step.side, s.step.event) for s in seen if s.late]
    assert join.take_late() == late
    assert join.take_late() == []
    rows.append(join.advance(AFTER_EVERYTHING))
    ids = [row.id for each in rows for row in each]
    assert len(set(ids)) == len(ids)
    stats = join.get_stats()
    assert stats.results == len(ids)
    assert stats.left.late + stats.right.late == len(late)
    assert stats.left.kept == stats.right.kept == 0


def check_each_event_is_in_the_rows(case: Case) -> None:
    """In a full join without late events every event comes out, alone or with partners."""
    join = IntervalJoin("full", before=case.before, after=case.after, out_of_orderness=case.bound)
    rows = [row for each in run(join, case.steps) for row in each]
    rows += join.advance(AFTER_EVERYTHING)
    assert join.take_late() == []
    for side in ("left", "right"):
        came = {s.event.sequence for s in case.steps if s.side == side and s.event}
        out = {event.sequence for row in rows if (event := getattr(row, side))}
        assert came == out


def check_restored(case: Case, cut: int) -> None:
    original = case.join()
    begun = run(original, case.steps[:cut])
    state = original.snapshot()
    assert_plain(state)
    kept = copy.deepcopy(state)
    rest = run(original, case.steps[cut:])
    assert repr(state) == repr(kept)  # a NaN would not equal itself

    restored = case.join()
    run(restored, case.steps[: cut // 2])  # what was there before has to go
    restored.restore(kept)

    assert run(restored, case.steps[cut:]) == rest
    assert [*begun, *rest] == expected(case)
    assert restored.get_stats() == original.get_stats()
    assert restored.take_late() == original.take_late()


@settings(max_examples=200, deadline=None)
@given(case=cases(late=False))
def test_every_pair_and_every_row_alone_comes_once_and_in_its_time(case: Case) -> None:
    check_rows(case)
    check_each_event_is_in_the_rows(case)


@settings(max_examples=200, deadline=None)
@given(case=cases(late=True))
def test_late_events_join_nothing(case: Case) -> None:
    check_rows(case)


@settings(max_examples=200, deadline=None)
@given(case=cases(late=True), data=st.data())
def test_a_restored_join_goes_on_as_the_original(case: Case, data: Any) -> None:
    check_restored(case, data.draw(st.integers(0, len(case.steps))))


@pytest.mark.nightly
@settings(max_examples=2000, deadline=None)
@given(case=cases(late=False))
def test_every_pair_and_every_row_alone_comes_once_and_in_its_time_at_length(case: Case) -> None:
    check_rows(case)
    check_each_event_is_in_the_rows(case)


@pytest.mark.nightly
@settings(max_examples=2000, deadline=None)
@given(case=cases(late=True))
def test_late_events_join_nothing_at_length(case: Case) -> None:
    check_rows(case)


@pytest.mark.nightly
@settings(max_examples=2000, deadline=None)
@given(case=cases(late=True), data=st.data())
def test_a_restored_join_goes_on_as_the_original_at_length(case: Case, data: Any) -> None:
    check_restored(case, data.draw(st.integers(0, len(case.steps))))
