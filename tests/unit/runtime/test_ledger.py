"""The ledger: what is durable is saved before the server hears of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from threading import Event

import pytest

from bridge.core.acks import AckTracker
from bridge.core.errors import EnvironmentProblem
from bridge.core.events import Commit, Position
from bridge.runtime.ledger import Ledger
from tests.fixtures.waiting import eventually

Saved = tuple[int, dict[str, Position]]


class Disk:
    """Where the ledger saves: slow or broken as the test wants."""

    def __init__(self) -> None:
        self.saved: list[Saved] = []
        self.begun = Event()
        self.go_on = Event()
        self.go_on.set()
        self.broken: EnvironmentProblem | None = None

    def save(self, confirmed: int, positions: Mapping[str, Position]) -> None:
        self.begun.set()
        assert self.go_on.wait(10)
        if self.broken is not None:
            raise self.broken
        self.saved.append((confirmed, dict(positions)))


MakeLedger = Callable[..., Ledger]


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def failures() -> list[Exception]:
    return []


@pytest.fixture
def make_ledger(disk: Disk, failures: list[Exception]) -> Iterator[MakeLedger]:
    with ExitStack() as stack:

        def make(*sinks: str, interval_s: float = 0.001) -> Ledger:
            ledger = Ledger(
                AckTracker(sinks, 0x100),
                disk.save,
                interval_s=interval_s,
                progressed=lambda: None,
                failed=failures.append,
            )
            ledger.start()
            stack.callback(ledger.close)
            return ledger

        yield make


def hand_out(ledger: Ledger, commit_lsn: int) -> None:
    commit = Commit(commit_lsn, 0, commit_lsn + 0x30)
    ledger.hand_out(Position(commit_lsn, 0), [commit], open_transaction=False)


def test_the_server_hears_of_nothing_that_is_not_saved(make_ledger: MakeLedger, disk: Disk) -> None:
    ledger = make_ledger("a")
    disk.go_on.clear()
    hand_out(ledger, 0x1000)
    ledger.became_durable("a", Position(0x1000, 0))
    assert ledger.flush == 0x100
    disk.go_on.set()
    eventually(lambda: ledger.flush == 0x1030, message="the commit is confirmed")
    assert disk.saved[-1] == (0x1030, {"a": Position(0x1000, 0)})


def test_what_becomes_durable_during_a_save_waits_for_the_next_one(
    make_ledger: MakeLedger, disk: Disk
) -> None:
    ledger = make_ledger("a", interval_s=60)
    disk.go_on.clear()
    hand_out(ledger, 0x1000)
    ledger.became_durable("a", Position(0x1000, 0))
    assert disk.begun.wait(10)
    hand_out(ledger, 0x2000)
    ledger.became_durable("a", Position(0x2000, 0))
    disk.go_on.set()
    eventually(lambda: ledger.flush > 0x100, message="the first save is over")
    assert (ledger.flush, len(disk.saved)) == (0x1030, 1)


def test_a_position_inside_a_transaction_is_saved_too(make_ledger: MakeLedger, disk: Disk) -> None:
    ledger = make_ledger("a")
    ledger.hand_out(Position(0x1000, 9), [], open_transaction=True)
    ledger.became_durable("a", Position(0x1000, 5))
    eventually(
        lambda: disk.saved and disk.saved[-1] == (0x100, {"a": Position(0x1000, 5)}),
        message="the cursor is saved",
    )
    assert ledger.outstanding


def test_keepalives_move_an_idle_slot(make_ledger: MakeLedger, disk: Disk) -> None:
    ledger = make_ledger("a")
    ledger.keepalive(0x2000)
    eventually(lambda: ledger.flush == 0x2000, message="the keepalive is confirmed")


def test_keepalives_move_nothing_while_a_sink_owes(make_ledger: MakeLedger) -> None:
    ledger = make_ledger("a", "b")
    hand_out(ledger, 0x1000)
    ledger.became_durable("a", Position(0x1000, 0))
    ledger.keepalive(0x2000)
    assert ledger.holders == ("b",)
    ledger.close()
    assert ledger.flush == 0x100


def test_closing_saves_what_is_left(make_ledger: MakeLedger) -> None:
    ledger = make_ledger("a", interval_s=60)
    for lsn in (0x1000, 0x2000, 0x3000):
        hand_out(ledger, lsn)
        ledger.became_durable("a", Position(lsn, 0))
    ledger.close()
    assert ledger.flush == 0x3030


def test_a_disk_that_fails_ends_the_run_and_confirms_nothing(
    make_ledger: MakeLedger, disk: Disk, failures: list[Exception]
) -> None:
    disk.broken = EnvironmentProblem("No space left.")
    ledger = make_ledger("a")
    hand_out(ledger, 0x1000)
    ledger.became_durable("a", Position(0x1000, 0))
    eventually(lambda: failures == [disk.broken], message="the failure is reported")
    assert ledger.flush == 0x100
