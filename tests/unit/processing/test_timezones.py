"""Windows of local days: a day with a change of clocks has 23 or 25 hours."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.core.errors import ConfigError
from bridge.processing.aggregates import AggregationFunction
from bridge.processing.events import StreamEvent
from bridge.processing.processor import StreamProcessor
from bridge.processing.time import DAY
from bridge.processing.windows import WindowType

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def utc(text: str) -> int:
    """Return the time in microseconds since the epoch."""
    return (datetime.fromisoformat(text).replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)


def window_at(timestamp: int, window: WindowType.Tumbling) -> tuple[int, int]:
    (start,) = window.starts(timestamp)
    return start, window.end(start)


@pytest.mark.parametrize(
    ("zone", "time", "start", "end"),
    [
        # An ordinary day, and those on which the clocks go forward and back.
        ("Europe/Berlin", "2024-01-15T12:00", "2024-01-14T23:00", "2024-01-15T23:00"),
        ("Europe/Berlin", "2024-03-31T12:00", "2024-03-30T23:00", "2024-03-31T22:00"),
        ("Europe/Berlin", "2024-10-27T12:00", "2024-10-26T22:00", "2024-10-27T23:00"),
        ("Europe/Berlin", "2024-10-27T22:59:59.999999", "2024-10-26T22:00", "2024-10-27T23:00"),
        ("Europe/Berlin", "2024-10-27T23:00", "2024-10-27T23:00", "2024-10-28T23:00"),
        ("Europe/Berlin", "1969-12-31T22:59", "1969-12-30T23:00", "1969-12-31T23:00"),
        # Midnight is skipped: the day begins at 01:00.
        ("America/Sao_Paulo", "2018-11-04T12:00", "2018-11-04T03:00", "2018-11-05T02:00"),
        ("America/Sao_Paulo", "2018-11-04T02:59", "2018-11-03T03:00", "2018-11-04T03:00"),
        ("Asia/Beirut", "2022-03-27T12:00", "2022-03-26T22:00", "2022-03-27T21:00"),
        # The clocks go back from midnight to 23:00, and from 01:00 to midnight.
        ("America/Sao_Paulo", "2018-02-18T02:30", "2018-02-17T02:00", "2018-02-18T03:00"),
        ("America/Havana", "2024-11-03T05:30", "2024-11-03T04:00", "2024-11-04T05:00"),
        # Midnight comes twice: the day begins with the first.
        ("America/St_Johns", "2010-11-07T03:00", "2010-11-07T02:30", "2010-11-08T03:30"),
        # A whole day is skipped: 29 December is followed by the 31st.
        ("Pacific/Apia", "2011-12-30T09:59", "2011-12-29T10:00", "2011-12-30T10:00"),
        ("Pacific/Apia", "2011-12-30T10:00", "2011-12-30T10:00", "2011-12-31T10:00"),
        ("Asia/Kolkata", "2024-01-15T18:30", "2024-01-15T18:30", "2024-01-16T18:30"),
    ],
)
def test_a_day_begins_at_local_midnight(zone: str, time: str, start: str, end: str) -> None:
    window = WindowType.Tumbling(DAY, timezone=zone)

    assert window_at(utc(time), window) == (utc(start), utc(end))


def test_an_offset_is_on_the_clock() -> None:
    """At six in the morning, before and after the clocks change."""
    window = WindowType.Tumbling(DAY, timedelta(hours=6), "Europe/Berlin")

    assert window_at(utc("2024-03-31T03:00"), window) == (
        utc("2024-03-30T05:00"),
        utc("2024-03-31T04:00"),
    )


def test_a_week_may_begin_on_monday() -> None:
    """The epoch was a Thursday, so Mondays are four days later."""
    window = WindowType.Tumbling(timedelta(days=7), timedelta(days=4), "Europe/Berlin")

    assert window_at(utc("2024-03-28T12:00"), window) == (
        utc("2024-03-24T23:00"),
        utc("2024-03-31T22:00"),
    )


@settings(deadline=None)
@given(
    st.sampled_from(
        ["Europe/Berlin", "America/Sao_Paulo", "America/St_Johns", "Pacific/Apia", "Asia/Beirut"]
    ),
    st.integers(1, 3),
    st.integers(-2 * DAY, 2 * DAY),
    st.integers(utc("1850-01-01T00:00"), utc("2100-01-01T00:00")),
)
def test_every_time_is_in_one_window_and_windows_leave_no_gap(
    zone: str, days: int, offset: int, timestamp: int
) -> None:
    window = WindowType.Tumbling(days * DAY, offset, zone)

    start, end = window_at(timestamp, window)

    assert start <= timestamp < end
    assert window_at(start, window) == window_at(end - 1, window) == (start, end)
    assert window_at(end, window)[0] == end


@pytest.mark.parametrize("years", [-200_000, -4_000, 9_000, 290_000])
def test_times_beyond_the_calendar_of_python_have_days_as_well(years: int) -> None:
    timestamp = years * 365 * DAY + 1

    start, end = window_at(timestamp, WindowType.Tumbling(DAY, timezone="Europe/Berlin"))

    assert start <= timestamp < end
    assert end - start == DAY


@pytest.mark.parametrize("zone", ["Europe/Berlyn", "", "../etc/passwd", "Europe", "CEST+1:00", 5])
def test_an_unknown_timezone_is_refused(zone: Any) -> None:
    with pytest.raises(ConfigError, match=r"timezone .* is unknown.*Europe/Berlin"):
        WindowType.Tumbling(DAY, timezone=zone)


def test_a_timezone_is_for_whole_days() -> None:
    with pytest.raises(ConfigError, match="timezone is for windows of whole days"):
        WindowType.Tumbling(timedelta(hours=1), timezone="Europe/Berlin")


def test_a_processor_counts_the_hours_of_each_day() -> None:
    processor = StreamProcessor(
        WindowType.Tumbling(DAY, timezone="Europe/Berlin"), AggregationFunction.Count()
    )
    hour = DAY // 24
    first = utc("2024-10-25T22:00")
    results = processor.process_batch(StreamEvent(1, first + n * hour, n) for n in range(24 * 4))

    assert [result.values for result in results] == [{"value": 24}, {"value": 25}, {"value": 24}]
