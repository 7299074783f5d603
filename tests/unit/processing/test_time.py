"""Lengths of time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bridge.core.errors import ConfigError
from bridge.processing.time import Duration, microseconds


@pytest.mark.parametrize(
    ("duration", "length"),
    [
        (5, 5),
        (timedelta(minutes=1), 60_000_000),
        (timedelta(days=300_000, microseconds=1), 25_920_000_000_000_001),
        (timedelta(hours=-1), -3_600_000_000),
    ],
)
def test_a_length_is_whole_microseconds(duration: Duration, length: int) -> None:
    assert microseconds(duration) == length


@pytest.mark.parametrize("duration", [1.5, "1m", None, True])
def test_what_is_no_length_is_refused_by_name(duration: Any) -> None:
    with pytest.raises(ConfigError, match=r"^gap is no length of time.*datetime\.timedelta"):
        microseconds(duration, "gap")


@pytest.mark.parametrize(
    ("duration", "minimum", "message"),
    [
        (0, 1, "gap is 0. It has to be longer than 0."),
        (timedelta(0), 1, "gap is 0:00:00. It has to be longer than 0."),
        (-1, 0, "gap is -1. It has to be 0 microseconds or more."),
    ],
)
def test_a_length_that_makes_no_sense_is_refused(
    duration: Duration, minimum: int, message: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        microseconds(duration, "gap", minimum=minimum)
    assert str(refused.value) == message
