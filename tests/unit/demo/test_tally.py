"""The numbers of the demo's status line and summary."""

from __future__ import annotations

import pytest

from bridge.core.events import EventBatch, Operation
from bridge.demo.tally import Tally
from tests.fixtures.events import TIMESTAMP, make_event, whole_transaction

COMMITTED_S = TIMESTAMP / 1_000_000


def test_nothing_shown_is_all_zero() -> None:
    figures = Tally().figures(monotonic=7.0)
    assert (figures.total, figures.transactions, figures.per_second) == (0, 0, 0.0)
    assert figures.delay_s(0.5) is None


def test_events_are_counted_by_operation_and_transaction() -> None:
    tally = Tally()
    read = make_event(0x800, row=("1", "old"), operation=Operation.READ)
    tally.count(EventBatch([read]), now=COMMITTED_S + 60, monotonic=0.0)
    for part in (whole_transaction(0x1000, 3), whole_transaction(0x1000, 2)):
        tally.count(part, now=COMMITTED_S + 0.25, monotonic=0.0)
    figures = tally.figures(monotonic=1.0)
    assert figures.events == {Operation.READ: 1, Operation.INSERT: 5}
    assert figures.transactions == 1
    assert figures.delay_s(0.99) == pytest.approx(0.25)  # rows of the snapshot have no delay


def test_a_clock_that_is_behind_gives_no_negative_delay() -> None:
    tally = Tally()
    tally.count(whole_transaction(0x1000, 1), now=COMMITTED_S - 1, monotonic=0.0)
    assert tally.figures(monotonic=0.0).delay_s(0.5) == 0.0


def test_the_rate_is_that_of_the_last_seconds() -> None:
    tally = Tally()
    tally.count(whole_transaction(0x1000, 100), now=COMMITTED_S, monotonic=10.0)
    assert tally.figures(monotonic=10.0).per_second == 100.0  # over a second at least
    assert tally.figures(monotonic=12.0).per_second == 50.0
    tally.count(whole_transaction(0x2000, 10), now=COMMITTED_S, monotonic=18.0)
    assert tally.figures(monotonic=20.0).per_second == 2.0
    assert tally.figures(monotonic=30.0).per_second == 0.0
