"""Definitions of windows, and which windows a time belongs to."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.errors import ConfigError
from bridge.processing.windows import WindowResult, WindowType


@pytest.mark.parametrize(
    ("define", "message"),
    [
        (lambda: WindowType.Tumbling(0), "size of a tumbling window is 0"),
        (lambda: WindowType.Tumbling(timedelta(-1)), "size of a tumbling window is -1 day"),
        (lambda: WindowType.Tumbling("1m"), "size of a tumbling window is no length of time"),
        (lambda: WindowType.Tumbling(5, "x"), "offset of a tumbling window is no length of time"),
        (lambda: WindowType.Sliding(0, 5), "size of a sliding window is 0"),
        (lambda: WindowType.Sliding(5, 0), "slide of a sliding window is 0"),
        (lambda: WindowType.Sliding(5, -1), "slide of a sliding window is -1"),
        (lambda: WindowType.Session(0), "gap of a session window is 0"),
        (lambda: WindowType.Count(0), "count of a count window is 0"),
        (lambda: WindowType.Count(5, 0), "slide of a count window is 0"),
        (lambda: WindowType.Count(2.5), "count of a count window is 2.5"),
        (lambda: WindowType.Count(None), "count of a count window is None"),
    ],
)
def test_a_length_that_makes_no_sense_is_refused_by_name(
    define: Callable[[], Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        define()


def test_lengths_are_kept_as_microseconds() -> None:
    window = WindowType.Sliding(timedelta(minutes=1), timedelta(seconds=10))

    assert window == WindowType.Sliding(60_000_000, 10_000_000)
    assert repr(window) == "WindowType.Sliding(size=60000000, slide=10000000, offset=0)"
    assert hash(WindowType.Tumbling(5)) == hash(WindowType.Tumbling(5))
    assert WindowType.Tumbling(5) != WindowType.Tumbling(5, 1)


def test_a_definition_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        WindowType.Session(5).gap = 6  # type: ignore[misc]


@pytest.mark.parametrize(
    ("timestamp", "start"), [(0, 0), (4, 0), (5, 5), (-1, -5), (-5, -5), (-6, -10)]
)
def test_tumbling_windows_are_aligned_to_the_epoch(timestamp: int, start: int) -> None:
    window = WindowType.Tumbling(5)

    assert window.starts(timestamp) == (start,)
    assert window.end(start) == start + 5


def test_an_offset_moves_tumbling_windows() -> None:
    assert WindowType.Tumbling(5, offset=2).starts(1) == (-3,)
    assert WindowType.Tumbling(5, offset=-3).starts(1) == (-3,)
    assert WindowType.Tumbling(5, offset=12).starts(2) == (2,)


@given(st.integers(1, 50), st.integers(1, 50), st.integers(-99, 99), st.integers(-1000, 1000))
def test_sliding_windows_hold_a_time_as_often_as_they_overlap(
    size: int, slide: int, offset: int, timestamp: int
) -> None:
    window = WindowType.Sliding(size, slide, offset)

    assert list(window.starts(timestamp)) == [
        start
        for start in range(timestamp - size + 1, timestamp + 1)
        if (start - offset) % slide == 0
    ]


def result(**changes: Any) -> WindowResult:
    return WindowResult("p", ("a", 1), 0, 10, {"count": 1}, True, 0)._replace(**changes)


def test_the_id_of_a_result_does_not_change_from_run_to_run() -> None:
    assert result().id == "8850cd7b-10b4-8be3-a96f-34bf81a8205d"


@pytest.mark.parametrize(
    "changes",
    [
        {"processor": "q"},
        {"key": ("a", "1")},
        {"key": ("a,1",)},
        {"key": (("a", 1),)},
        {"key": None},
        {"start": -5},
        {"end": 11},
        {"revision": 1},
    ],
)
def test_the_id_of_another_result_is_another(changes: dict[str, Any]) -> None:
    assert result(**changes).id != result().id


def test_values_are_not_part_of_the_id() -> None:
    assert result(values={"count": 2}).id == result().id


@pytest.mark.parametrize("key", [float("nan"), float("inf"), 1.5, b"\xff", "\ud800", (), True])
def test_every_key_has_an_id(key: Any) -> None:
    assert len(result(key=key).id) == 36


def test_equal_keys_have_the_same_id() -> None:
    ids = {result(key=key).id for key in (2, 2.0, Decimal("2.00"))}
    assert len(ids) == 1
    assert len({result(key=key).id for key in (float("inf"), Decimal("Infinity"))}) == 1
    assert len({result(key=float("nan")).id for _ in range(2)}) == 1


def test_not_a_number_is_another_key_for_another_type() -> None:
    assert result(key=float("nan")).id != result(key=Decimal("NaN")).id
