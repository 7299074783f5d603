"""``AsOfJoin`` against a search through all events of random streams."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.processing.events import StreamEvent
from bridge.processing.joins import AsOfJoin, JoinResult
from tests.unit.processing.joins.streams import (
    AFTER_EVERYTHING,
    Step,
    assert_plain,
    is_null,
    run,
    same_key,
    streams,
    with_watermarks,
)


@dataclass(frozen=True)
class Case:
    how: Literal["inner", "left"]
    tolerance: int | None
    bound: int
    steps: list[Step]

    def join(self) -> AsOfJoin:
        return AsOfJoin(
            self.how, tolerance=self.tolerance, name="then", out_of_orderness=self.bound
        )


@st.composite
def cases(draw: st.DrawFn, *, late: bool) -> Case:
    bound = draw(st.integers(0, 6))
    return Case(
        how=draw(st.sampled_from(["inner", "left"])),
        tolerance=draw(st.none() | st.integers(0, 10)),
        bound=bound,
        steps=draw(streams(bound, late=late)),
    )


def expected(case: Case) -> list[list[JoinResult]]:
    """Return what each step has to give, looking at all right events for each left one."""
    seen = list(with_watermarks(case.steps, case.bound))
    rights = [s.step.event for s in seen if s.step.side == "right" and not s.late]
    rows: list[list[JoinResult]] = [[] for _ in seen]
    lefts = [(n, s.step.event) for n, s in enumerate(seen) if s.step.side == "left" and not s.late]
    for at, left in sorted(lefts, key=lambda one: (one[1].timestamp, one[1].sequence)):
        partner = latest(left, rights, case.tolerance)
        if partner is None and case.how == "inner":
            continue
        row = JoinResult("then", left.key, left, partner)
        if is_null(left.key):
            rows[at].insert(0, row)
            continue
        passed = (n for n in range(at, len(seen)) if seen[n].after > left.timestamp)
        if (n := next(passed, None)) is not None:
            rows[n].append(row)
    return rows


def latest(
    left: StreamEvent, rights: list[StreamEvent], tolerance: int | None
) -> StreamEvent | None:
    before = [
        right
        for right in rights
        if same_key(left.key, right.key)
        and right.timestamp <= left.timestamp
        and (tolerance is None or left.timestamp - right.timestamp <= tolerance)
    ]
    return max(before, key=lambda right: (right.timestamp, right.sequence), default=None)


def check_rows(case: Case) -> None:
    join = case.join()
    assert run(join, case.steps) == expected(case)
    seen = with_watermarks(case.steps, case.bound)
    late = [(s.step.side, s.step.event) for s in seen if s.late]
    assert join.take_late() == late
    join.advance(AFTER_EVERYTHING)
    stats = join.get_stats()
    assert stats.left.kept == 0
    in_time = [s.step for s in with_watermarks(case.steps, case.bound) if not s.late]
    keys = {repr(s.event.key) for s in in_time if s.side == "right" and not is_null(s.event.key)}
    assert stats.right.kept == (len(keys) if case.tolerance is None else 0)


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
def test_every_left_event_has_the_latest_right_one_once_and_in_its_time(case: Case) -> None:
    check_rows(case)


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
def test_every_left_event_has_the_latest_right_one_at_length(case: Case) -> None:
    check_rows(case)


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
