"""Watermarks: how far event time has come."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.errors import ConfigError
from bridge.processing.watermark import BEGINNING, BoundedOutOfOrderness


def test_it_is_the_highest_timestamp_less_the_bound() -> None:
    watermark = BoundedOutOfOrderness(timedelta(microseconds=10))

    assert watermark.current == BEGINNING
    assert [watermark.observe(timestamp) for timestamp in (100, 95, 111, -500)] == [
        90,
        90,
        101,
        101,
    ]


def test_it_moves_without_events_and_never_back() -> None:
    watermark = BoundedOutOfOrderness(10)

    assert [watermark.advance(50), watermark.observe(55), watermark.observe(70)] == [50, 50, 60]
    assert [watermark.advance(20), watermark.current] == [60, 60]


def test_it_begins_before_1970_as_well() -> None:
    assert BoundedOutOfOrderness(5).observe(-1_000) == -1_005


def test_a_negative_bound_is_refused() -> None:
    with pytest.raises(ConfigError, match="out_of_orderness is -1"):
        BoundedOutOfOrderness(-1)


@given(st.lists(st.tuples(st.booleans(), st.integers(-99, 99))), st.integers(0, 20))
def test_it_never_goes_backwards_and_is_not_ahead(
    moves: list[tuple[bool, int]], bound: int
) -> None:
    watermark = BoundedOutOfOrderness(bound)
    reached = [BEGINNING]
    for is_event, time in moves:
        reached.append(watermark.observe(time) if is_event else watermark.advance(time))
        assert reached[-1] == max(
            [BEGINNING] + [t - bound if event else t for event, t in moves[: len(reached) - 1]]
        )
    assert reached == sorted(reached)
