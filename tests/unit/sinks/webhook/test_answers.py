"""What follows from status codes and from Retry-After."""

from __future__ import annotations

from email.utils import formatdate

import pytest

from sinks.webhook.answers import Verdict, judge, retry_after

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("statuses", "verdict"),
    [
        ((200, 201, 202, 204, 207, 299), Verdict.DONE),
        ((408, 425, 429, 500, 501, 502, 503, 504, 599), Verdict.RETRY),
        ((400, 402, 404, 405, 409, 410, 411, 413, 415, 422, 431, 451), Verdict.REFUSED),
        ((101, 300, 301, 302, 303, 304, 307, 308, 401, 403, 407), Verdict.STOP),
    ],
)
def test_each_class_of_status_codes(statuses: tuple[int, ...], verdict: Verdict) -> None:
    assert {status: judge(status) for status in statuses} == dict.fromkeys(statuses, verdict)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("0", 0),
        (" 120 ", 120),
        ("9" * 400, 999_999_999),
        (formatdate(NOW + 30, usegmt=True), 30),
        (formatdate(NOW - 30, usegmt=True), 0),
        ("Tuesday, 14-Nov-23 22:13:50 GMT", 30),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
        ("", None),
        ("Mon, 99 Foo 2023 99:99:99 GMT", None),
    ],
)
def test_seconds_and_dates(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, None, NOW) == seconds


def test_a_date_is_read_by_the_clock_of_the_receiver() -> None:
    ahead = NOW + 86_400
    asked = retry_after(formatdate(ahead + 7, usegmt=True), formatdate(ahead, usegmt=True), NOW)
    assert asked == 7
    assert retry_after(formatdate(NOW + 7, usegmt=True), "nonsense", NOW) == 7
