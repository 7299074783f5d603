"""The thread that follows events for a read model: it goes on, whatever happens to the view."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from structlog.testing import capture_logs

from bridge.core.errors import Transient
from bridge.core.retry import RetryPolicy
from bridge.eventsourcing.read_models import ReadModel
from bridge.eventsourcing.read_models.rebuild import rebuild
from bridge.eventsourcing.read_models.views import ViewStorage
from bridge.runtime.read_models.follower import Follower
from bridge.runtime.read_models.sqlite_views import SqliteViews
from bridge.runtime.retry import Backoff
from tests.fixtures.bank_views import Bank, balances, newer_balances
from tests.fixtures.waiting import eventually

QUICK = RetryPolicy(initial_delay_ms=1, max_delay_ms=10)


@contextmanager
def following(
    bank: Bank,
    path: Path,
    model: ReadModel[Any] = balances,
    *,
    open_views: Callable[[], ViewStorage] | None = None,
) -> Iterator[SqliteViews]:
    """Follow while the block runs, and yield a view of one's own to look at."""
    with closing(SqliteViews(path, "balances", model.columns)) as views:
        follower = Follower(
            "balances",
            model,
            bank.events,
            open_views or (lambda: SqliteViews(path, "balances", model.columns)),
            backoff=Backoff(QUICK),
        )
        follower.start()
        try:
            yield views
        finally:
            follower.stop()
            follower.join(10)
            assert not follower.is_alive()


def reaches(views: SqliteViews, position: int) -> None:
    def there() -> bool:
        build = views.live()
        return build is not None and build.position == position

    eventually(there, message=f"the view is at {position}")


def movements(views: SqliteViews, account: str) -> int | None:
    build = views.live()
    assert build is not None
    row = views.rows(build, [(account,)]).get((account,))
    return None if row is None else balances.row(row).movements


def test_it_follows_what_is_there_and_what_comes(tmp_path: Path) -> None:
    bank = Bank()
    bank.opens(["a"], deposits=1100)
    with following(bank, tmp_path / "views.db") as views:
        reaches(views, 1101)
        bank.happens("a", "Unheard")
        bank.opens(["b"])
        reaches(views, 1103)
        assert movements(views, "a") == 1100
    bank.happens("b", "Deposited", amount="1")
    with following(bank, tmp_path / "views.db") as views:
        reaches(views, 1104)
        assert movements(views, "b") == 1


def test_an_event_that_cannot_be_folded_is_parked_and_the_next_one_is_folded(
    tmp_path: Path,
) -> None:
    bank = Bank()
    bank.opens(["a"])
    bad = bank.happens("a", "Deposited", amount="secret")
    bank.happens("a", "Deposited", amount="1")
    with capture_logs() as logs, following(bank, tmp_path / "views.db") as views:
        reaches(views, 3)
        assert movements(views, "a") == 1
        (parked,) = views.parked(10)
    assert (parked.global_sequence, parked.event_id) == (2, bad.event_id)
    assert parked.reason == "deposited failed with InvalidOperation"
    (entry,) = [log for log in logs if log["event"] == "read_model_parked"]
    assert (entry["events"], entry["first"], entry["log_level"]) == (1, 2, "error")
    assert "secret" not in str(logs)


def test_another_version_waits_for_a_rebuild_and_then_goes_on(tmp_path: Path) -> None:
    bank = Bank()
    bank.opens(["a"])
    path = tmp_path / "views.db"
    with following(bank, path) as views:
        reaches(views, 1)
    bank.opens(["b"])

    with capture_logs() as logs, following(bank, path, newer_balances) as views:
        eventually(lambda: logs, message="it asks for a rebuild")
        reaches(views, 1)
        rebuild("balances", newer_balances, bank.events, views, lambda position: None)
        bank.opens(["c"])
        reaches(views, 3)

    (entry,) = [log for log in logs if log["event"] == "read_model_outdated"]
    assert entry["reason"] == "the view was built by version 1, and this is 2"
    assert entry["remedy"] == "pgbridge events rebuild balances"


def test_it_goes_on_behind_a_rebuild_that_took_the_place_of_its_build(tmp_path: Path) -> None:
    bank = Bank()
    bank.opens(["a"], deposits=10)
    with capture_logs() as logs, following(bank, tmp_path / "views.db") as views:
        reaches(views, 11)
        rebuild("balances", balances, bank.events, views, lambda position: None)
        bank.happens("a", "Deposited", amount="1")
        reaches(views, 12)
        assert movements(views, "a") == 11
    assert [log["event"] for log in logs] == ["read_model_followed"] * 2


def test_other_events_in_the_place_of_the_old_ones_are_not_folded_into_the_view(
    tmp_path: Path,
) -> None:
    bank = Bank()
    bank.opens(["a"], deposits=2)
    path = tmp_path / "views.db"
    with following(bank, path) as views:
        reaches(views, 3)

    for other, reason in (
        (Bank("other"), "the view was built from another event store"),
        (Bank(), "the view holds event 3, but the event store ends at 0"),
    ):
        with capture_logs() as logs, following(other, path) as views:
            eventually(lambda logs=logs: logs, message="it asks for a rebuild")  # type: ignore[misc]
            reaches(views, 3)
        assert [log["reason"] for log in logs] == [reason]


def test_a_view_that_is_away_is_tried_again(tmp_path: Path) -> None:
    bank = Bank()
    bank.opens(["a"])
    path = tmp_path / "views.db"
    failures = [Transient("away"), OSError("a secret")]

    def open_views() -> ViewStorage:
        if failures:
            raise failures.pop(0)
        return SqliteViews(path, "balances", balances.columns)

    with capture_logs() as logs, following(bank, path, open_views=open_views) as views:
        reaches(views, 1)

    tries = [log for log in logs if log["event"] == "read_model_retry"]
    assert [(log["log_level"], log["error"]) for log in tries] == [
        ("warning", "away"),
        ("error", "OSError"),
    ]
