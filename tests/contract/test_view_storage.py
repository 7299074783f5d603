"""What every storage of views does: rows, positions and parked events together, and swaps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from bridge.core.errors import BridgeError, EnvironmentProblem
from bridge.eventsourcing.read_models import ReadModel
from bridge.eventsourcing.read_models.model import Key, Values
from bridge.eventsourcing.read_models.rebuild import rebuild
from bridge.eventsourcing.read_models.views import ParkedEvent, Superseded, ViewStorage
from tests.contract.view_storages import HOMES, Home
from tests.fixtures.bank_views import Bank, balances

SEEN = "SELECT account, balance, movements FROM balances ORDER BY account"
POSITION = "SELECT position FROM pgbridge_read_models WHERE name = 'balances'"
PARKED = ParkedEvent(3, "e3", "Opened", "Account", "a", "why", 5)
ROW = (
    "k\u00e9y",
    Decimal("1.10"),
    2**63 - 1,
    0.1,
    True,
    datetime(2024, 2, 3, 4, 5, 6, 7, UTC),
    "[]",
)
EMPTY = ("empty", Decimal(0), 0, None, False, datetime(1, 1, 1, tzinfo=UTC), '["a", {"b": null}]')


@dataclass(frozen=True)
class Total:
    account: str
    total: int


totals = ReadModel(Total, key="account")


@pytest.fixture(params=HOMES)
def home(request: pytest.FixtureRequest) -> Home:
    made: Home = request.param(request)
    return made


@pytest.fixture
def views(home: Home) -> Iterator[ViewStorage]:
    with closing(home.open()) as views:
        yield views


def no_progress(position: int) -> None:
    pass


def test_rows_positions_and_parked_events_are_there_after_opening_again(
    home: Home, views: ViewStorage
) -> None:
    assert views.live() is None
    build = views.begin(1, "source", live=True)
    rows: dict[Key, Values] = {(ROW[0],): ROW, (EMPTY[0],): EMPTY}
    build = views.commit(build, 7, {**rows}, [PARKED])
    build = views.commit(
        build, 9, {("other",): (EMPTY[0].replace("empty", "other"), *EMPTY[1:])}, ()
    )
    build = views.commit(build, 10, {("other",): None, ("never",): None}, ())

    with closing(home.open()) as again:
        assert again.live() == build
        found = again.rows(build, [("k\u00e9y",), ("empty",), ("other",), ("missing",)])
        assert {key: balances.row(row) for key, row in found.items()} == {
            key: balances.row(row) for key, row in rows.items()
        }
        assert [type(value) for value in found["k\u00e9y",]] == [type(value) for value in ROW]
        assert again.parked(10) == [PARKED]
        assert again.count_parked() == 1
        assert again.begin(2, "other", live=True) == build
    assert [name for name, *_ in home.execute(SEEN)] == ["empty", "k\u00e9y"]


def test_a_build_that_was_moved_by_another_process_takes_nothing(
    home: Home, views: ViewStorage
) -> None:
    before = views.begin(1, "source", live=True)
    after = views.commit(before, 5, {}, ())

    with closing(home.open()) as other, pytest.raises(Superseded, match="taken over"):
        other.commit(before, 6, {(ROW[0],): ROW}, [PARKED])

    assert views.live() == after
    assert home.execute(SEEN) == []
    assert views.count_parked() == 0


def test_readers_see_the_live_build_until_the_swap(home: Home, views: ViewStorage) -> None:
    live = views.commit(views.begin(1, "source", live=True), 5, {(ROW[0],): ROW}, [PARKED])
    with closing(home.open()) as rebuilding:
        build = rebuilding.begin(1, "source", live=False)
        build = rebuilding.commit(build, 4, {(EMPTY[0],): EMPTY}, ())
        assert [name for name, *_ in home.execute(SEEN)] == ["k\u00e9y"]

        assert not rebuilding.swap(build), "readers would see fewer events"
        build = rebuilding.commit(build, 5, {}, ())
        assert rebuilding.swap(build)
        assert rebuilding.swap(build), "asking again, after an answer that was lost, does nothing"

    assert [name for name, *_ in home.execute(SEEN)] == ["empty"]
    assert views.live() == build
    assert views.count_parked() == 0
    for use in (
        lambda: views.rows(live, [(ROW[0],)]),
        lambda: views.commit(live, 6, {}, ()),
    ):
        with pytest.raises(Superseded):
            use()
    assert len(home.execute(POSITION)) == 1


def test_a_rebuild_replaces_one_that_was_not_finished(home: Home, views: ViewStorage) -> None:
    views.begin(1, "source", live=True)
    left = views.begin(1, "source", live=False)
    with closing(home.open()) as other:
        build = other.begin(1, "source", live=False)
        assert build.number > left.number

        with pytest.raises(Superseded):
            views.commit(left, 1, {(ROW[0],): ROW}, ())
        with pytest.raises(Superseded):
            views.swap(left)
        views.discard(left)
        other.discard(build)

        assert other.live() is not None
        assert other.begin(1, "source", live=False).number > build.number, "no number comes twice"


def test_a_build_of_other_columns_and_of_other_events_can_take_the_place(
    home: Home, views: ViewStorage
) -> None:
    views.commit(views.begin(1, "source", live=True), 5, {(ROW[0],): ROW}, ())

    with closing(home.open(totals)) as newer:
        build = newer.begin(2, "another", live=False)
        build = newer.commit(build, 1, {("a",): ("a", 3)}, ())
        assert newer.swap(build)

    assert home.execute("SELECT * FROM balances") == [("a", 3)]


def test_several_read_models_share_a_place(home: Home, views: ViewStorage) -> None:
    views.begin(1, "source", live=True)
    with closing(home.open(totals, "totals")) as second:
        build = second.commit(second.begin(1, "source", live=True), 1, {("a",): ("a", 3)}, ())
        assert second.live() == build

    assert home.execute("SELECT * FROM totals") == [("a", 3)]
    assert home.execute(SEEN) == []


def test_a_table_of_somebody_else_is_left_alone(home: Home) -> None:
    home.execute("CREATE TABLE balances (theirs text)")

    with closing(home.open()) as views:
        for live in (True, False):
            with pytest.raises(
                EnvironmentProblem, match=r"'balances' in .* not of this read model"
            ):
                views.begin(1, "source", live=live)

    assert home.execute("SELECT * FROM balances") == []


def test_a_rebuild_comes_to_what_following_came_to(home: Home, views: ViewStorage) -> None:
    bank = Bank()
    bank.opens([f"account {n}" for n in range(7)], deposits=2500)
    bank.happens("account 3", "Transferred", to="account 4", amount="10")
    bank.happens("account 5", "Closed")
    steps: list[int] = []

    built = rebuild("balances", balances, bank.events, views, steps.append)

    assert built == (2509, 2509)
    assert steps == [1000, 2000, 2509]
    seen = {account: (Decimal(balance), moved) for account, balance, moved in home.execute(SEEN)}
    assert len(seen) == 6
    assert seen["account 0"] == (Decimal("35.80"), 358)
    assert seen["account 4"] == (Decimal("45.70"), 358)


def test_events_that_come_during_a_rebuild_are_in_the_view_that_it_swaps_in(
    home: Home, views: ViewStorage
) -> None:
    bank = Bank()
    bank.opens(["a"], deposits=3)

    def progressed(position: int) -> None:
        if position == 4:
            bank.happens("a", "Deposited", amount="1")

    built = rebuild("balances", balances, bank.events, views, progressed)

    assert built.position == 5
    assert [movements for _, _, movements in home.execute(SEEN)] == [4]


def test_a_rebuild_that_cannot_fold_an_event_stops_and_leaves_the_view(
    home: Home, views: ViewStorage
) -> None:
    bank = Bank()
    bank.opens(["a"], deposits=1)
    rebuild("balances", balances, bank.events, views, no_progress)
    live = views.live()
    bank.happens("a", "Deposited", amount="secret")

    with pytest.raises(BridgeError) as stopped:
        rebuild("balances", balances, bank.events, views, no_progress)

    assert "stops at event 3 (event_id " in str(stopped.value)
    assert "a Deposited of version 1: deposited failed with InvalidOperation" in str(stopped.value)
    assert "secret" not in str(stopped.value)
    assert views.live() == live
    assert len(home.execute(POSITION)) == 1


def test_a_rebuild_goes_back_where_the_events_did(home: Home, views: ViewStorage) -> None:
    bank = Bank()
    bank.opens(["a"], deposits=5)
    rebuild("balances", balances, bank.events, views, no_progress)
    restored = Bank()  # the same store, from a backup
    restored.opens(["a"], deposits=1)

    assert rebuild("balances", balances, restored.events, views, no_progress).position == 2

    assert [(account, movements) for account, _, movements in home.execute(SEEN)] == [("a", 1)]
