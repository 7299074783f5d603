"""Events from the command line, in a real file."""

import io
import json
from pathlib import Path

import pytest

from bridge.eventsourcing import DomainEvent, EventStore
from bridge.runtime.eventstores.sqlite import SqliteStorage
from tests.unit.cli.conftest import CONFIG, Run

PROJECTION = """
  - name: accounts
    store:
      type: sqlite
      path: state/events.db
      archive: {dir: archive, retention: 30d}
    aggregates: [{table: public.accounts, type: Account}]
"""
FOLD = """
def balance(state, event):
    return {"balance": state.get("balance", 0) + event.data["amount"]}
"""
DAY = 86_400_000_000


@pytest.fixture(autouse=True)
def projection(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (directory / "pgbridge.yaml").write_text(f"{CONFIG}projections:{PROJECTION}")
    (directory / "bank_folds.py").write_text(FOLD)
    monkeypatch.syspath_prepend(directory)


@pytest.fixture
def old_events(directory: Path) -> None:
    """Two accounts with events of 2023."""
    (directory / "state").mkdir()
    store = EventStore(SqliteStorage(directory / "state/events.db"))
    for number in range(6):
        store.append_event(
            DomainEvent(
                event_id=f"00000000-0000-4000-8000-{number:012d}",
                aggregate_id=f"acc-{number % 2}",
                aggregate_type="Account",
                event_type="MoneyDeposited",
                version=1,
                timestamp=1_700_000_000_000_000 + number * DAY,
                data={"amount": number},
            )
        )
    store.close()


def deposit(run: Run, *more: str | int) -> object:
    return run("events", "append", "acc-1", "MoneyDeposited", "--aggregate-type", "Account", *more)


def test_append_prints_where_the_event_is(run: Run) -> None:
    answer = json.loads(deposit(run, "--data", '{"amount": 5}', "--json").out)  # type: ignore[attr-defined]
    assert (answer["sequence"], answer["global_sequence"]) == (1, 1)
    outcome = deposit(run, "--data", '{"amount": 7.25}', "--expected-version", 1)
    assert outcome.out.endswith("has the sequence 2 in its aggregate.\n")  # type: ignore[attr-defined]

    shown = json.loads(run("events", "show", "acc-1", "--json").out)
    assert [event["data"] for event in shown] == [{"amount": 5}, {"amount": 7.25}]
    assert shown[0]["event_id"] == answer["event_id"]


def test_append_again_with_the_same_id_does_nothing(run: Run) -> None:
    same = ("--event-id", "00000000-0000-4000-8000-000000000001", "--expected-version", "no-stream")
    assert deposit(run, *same).code == 0  # type: ignore[attr-defined]
    assert deposit(run, *same).code == 0  # type: ignore[attr-defined]
    assert json.loads(run("events", "stats", "--json").out)["events"] == 1


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--expected-version", "4"), "expected version 4, but it has no events"),
        (("--expected-version", "stream-exists"), "expected version STREAM_EXISTS"),
        (("--expected-version", "0"), "Use NO_STREAM"),
        (("--expected-version", "last"), "neither a number nor one of any, no-stream"),
        (("--data", "{amount: canary-7e1f}"), "--data is not JSON."),
        (("--data", "[1]"), "has to be a JSON object"),
        (("--data", '{"a": [NaN]}'), "data of MoneyDeposited, at a[0], is not finite"),
        (("--data", '{"a": 0.1000000000000000000001}'), "more digits than are kept"),
        (("--event-id", "7"), "An event_id is not a UUID."),
    ],
)
def test_what_no_store_takes_is_refused(run: Run, flags: tuple[str, ...], message: str) -> None:
    outcome = deposit(run, *flags)
    assert outcome.code == 1  # type: ignore[attr-defined]
    assert message in outcome.err  # type: ignore[attr-defined]


def test_data_may_come_from_standard_input(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO('{"amount": 12}'))
    assert deposit(run, "--data", "-").code == 0  # type: ignore[attr-defined]
    assert '{"amount":12}' in run("events", "show").out


def test_show_chooses(run: Run, old_events: None) -> None:
    def sequences(*flags: str | int) -> list[int]:
        found = json.loads(run("events", "show", *flags, "--json").out)
        return [event["global_sequence"] for event in found]

    assert sequences() == [1, 2, 3, 4, 5, 6]
    assert sequences("acc-1") == [2, 4, 6]
    assert sequences("acc-1", "--aggregate-type", "Account", "--from", 2) == [4, 6]
    assert sequences("--event-type", "MoneyDeposited", "--from", 3, "--limit", 2) == [3, 4]
    assert sequences("--event-type", "Other") == []
    header, first, *_ = run("events", "show", "acc-1").out.splitlines()
    assert header.split()[:4] == ["global", "aggregate", "id", "sequence"]
    assert first.split() == ["2", "Account", "acc-1", "1", "MoneyDeposited", "1",
                             "2023-11-15T22:13:20Z", '{"amount":1}']  # fmt: skip


def test_show_of_an_unknown_aggregate_says_so(run: Run, old_events: None) -> None:
    outcome = run("events", "show", "acc-9")
    assert outcome.code == 1
    assert "no aggregate with this id" in outcome.err
    assert run("events", "show", "acc-1", "--aggregate-type", "Cart").code == 1
    assert run("events", "show", "acc-1", "--event-type", "X").code == 2
    assert run("events", "show", "--aggregate-type", "Account").code == 2


def test_old_events_move_and_are_still_shown(run: Run, old_events: None, directory: Path) -> None:
    before = run("events", "show", "--json").out
    assert "No event is older than 30d and in a snapshot." in run("events", "archive").out
    outcome = run(
        "events", "snapshot", "--aggregate-type", "Account", "--apply", "bank_folds:balance"
    )
    assert outcome.out == "2 snapshots were made.\n"
    assert run("events", "snapshot", "acc-0", "--apply", "bank_folds:balance").out == (
        "No snapshot is due.\n"
    )
    answer = json.loads(run("events", "archive", "--json").out)
    assert answer["events"] == 6
    [name] = answer["segments"]
    assert (directory / "archive" / name).stat().st_size == answer["bytes"]

    assert run("events", "show", "--json").out == before
    stats = json.loads(run("events", "stats", "--json").out)
    assert (stats["events"], stats["archived_events"], stats["segments"]) == (6, 6, 1)
    assert run("events", "verify").out == "1 segments and 2 aggregates: no faults.\n"


def test_snapshots_are_made_where_they_are_due(run: Run, old_events: None) -> None:
    every = ("events", "snapshot", "--aggregate-type", "Account", "--apply", "bank_folds:balance")
    assert run(*every, "--every", 4).out == "No snapshot is due.\n"
    deposit(run, "--data", '{"amount": 1}')
    assert run(*every, "--every", 4, "--json").out == '{\n  "snapshots": 1\n}\n'
    assert run(*every).out == "1 snapshots were made.\n"


def test_verify_finds_a_flipped_bit(run: Run, old_events: None, directory: Path) -> None:
    run("events", "snapshot", "acc-0", "--apply", "bank_folds:balance")
    [name] = json.loads(run("events", "archive", "--json", "--older-than", "1d").out)["segments"]
    path = directory / "archive" / name
    content = bytearray(path.read_bytes())
    content[50] ^= 1
    path.write_bytes(content)
    (directory / "archive" / f"{name[:8]}-1-1-x.events").write_bytes(b"")

    outcome = run("events", "verify", "--json")
    assert outcome.code == 3
    found = json.loads(outcome.out)
    assert [fault["where"] for fault in found["faults"]] == [name]
    assert found["unregistered"] == [f"{name[:8]}-1-1-x.events"]
    outcome = run("events", "verify")
    assert outcome.code == 3
    assert f"{name}: Its SHA-256 is not" in outcome.out
    outcome = run("events", "show")
    assert outcome.code == 3
    assert f"{name} is damaged at byte 8" in outcome.err


def test_a_fold_that_fails_is_named_without_values(
    run: Run, old_events: None, directory: Path
) -> None:
    (directory / "bank_broken.py").write_text("def fold(state, event): return event.data['canary']")
    outcome = run("events", "snapshot", "acc-0", "--apply", "bank_broken:fold")
    assert outcome.code == 1
    assert "KeyError at an event of type MoneyDeposited, sequence 1 of a Account" in outcome.err
    assert run("events", "snapshot", "acc-0", "--apply", "bank_folds:nothing").code == 2
    assert run("events", "snapshot", "--apply", "bank_folds:balance").code == 2


@pytest.mark.parametrize(
    ("projections", "flags", "message"),
    [
        ("[]", (), "The configuration has no projections"),
        (PROJECTION, ("--projection", "carts"), "No projection is called 'carts'."),
        (
            PROJECTION + PROJECTION.replace("accounts\n", "carts\n", 1),
            (),
            "Name one with --projection: accounts, carts.",
        ),
        (
            "[{name: a, store: {type: memory}, aggregates: [{table: public.a}]}]",
            (),
            "in the memory of the bridge alone",
        ),
        (
            "[{name: a, store: {type: sqlite, path: e.db}, aggregates: [{table: public.a}]}]",
            (),
            "has no archive",
        ),
    ],
)
def test_a_store_that_cannot_be_told_is_a_mistake_in_the_configuration(
    run: Run, directory: Path, projections: str, flags: tuple[str, ...], message: str
) -> None:
    (directory / "pgbridge.yaml").write_text(f"{CONFIG}projections: {projections}")
    outcome = run("events", "archive", *flags)
    assert (outcome.code, message in outcome.err) == (2, True), outcome.err


def test_a_store_that_does_not_exist_is_not_made_by_looking(run: Run, directory: Path) -> None:
    outcome = run("events", "show")
    assert outcome.code == 3
    assert "There is no event store in state/events.db." in outcome.err
    assert not (directory / "state").exists()


def test_an_age_that_is_none_is_refused(run: Run, old_events: None) -> None:
    outcome = run("events", "archive", "--older-than", "soon")
    assert outcome.code == 2
    assert "--older-than is not a length of time" in outcome.err
