"""Dead letters from the command line, with a real file as the sink."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bridge.runtime.dead_letters import DeadLetterStore
from bridge.runtime.state import StateStore
from sinks.formats.native import encode_native
from tests.fixtures.events import make_event
from tests.fixtures.results import make_result
from tests.unit.cli.conftest import CONFIG, Run

NOW = 1_700_000_000.0


@contextmanager
def letters(directory: Path) -> Iterator[DeadLetterStore]:
    with StateStore(directory / "state") as store:
        yield DeadLetterStore(store.file)


@pytest.fixture
def three_parked(directory: Path) -> Path:
    with letters(directory) as store:
        for lsn in (0x30, 0x10, 0x20):
            event = make_event(lsn, row=("1", f"name {lsn:X}"))
            store.park("audit", event, encode_native(event).encode(), "too large", 2, NOW)
    return directory


def written(directory: Path) -> list[str]:
    """Return the names of the users in the file of the sink."""
    lines = (directory / "events.jsonl").read_text().splitlines()
    return [json.loads(line)["new_values"]["name"] for line in lines]


def test_without_a_state_directory_that_is_said(run: Run) -> None:
    outcome = run("dlq", "list")
    assert outcome.code == 3
    assert "There is no state in state." in outcome.err


def test_the_list_is_a_table_by_position(run: Run, three_parked: Path) -> None:
    outcome = run("dlq", "list")
    assert outcome.code == 0
    lines = outcome.out.splitlines()
    assert lines[0].split() == ["id", "sink", "position", "operation", "table", "tries", "parked",
                                "reason"]  # fmt: skip
    assert [line.split()[2] for line in lines[1:4]] == ["0/10:0", "0/20:0", "0/30:0"]
    assert lines[4] == "Waiting: 3 of audit."
    assert "name 10" not in outcome.out


def test_the_list_is_json_for_machines(run: Run, three_parked: Path) -> None:
    found = json.loads(run("dlq", "list", "--json", "--limit", 1).out)
    [letter] = found
    assert letter["position"] == "0/10:0"
    assert letter["parked_at"] == "2023-11-14T22:13:20Z"
    assert letter["replayed_at"] is None


def test_the_list_works_while_the_bridge_runs(run: Run, three_parked: Path) -> None:
    with letters(three_parked):
        assert run("dlq", "list", "--sink", "audit").code == 0


def test_show_prints_the_event_as_it_was_stored(run: Run, directory: Path) -> None:
    event = make_event(row=("1", "x"))
    native = '{"n":1.000000000000000000000001,"c":"\x9b"}'
    with letters(directory) as store:
        store.park("audit", event, native.encode(), "bad\x1b[2J", 1, NOW)
    assert f'"event": {native}}}' in run("dlq", "show", 1, "--json").out
    for_people = run("dlq", "show", 1).out
    assert "1.000000000000000000000001" in for_people
    assert not {"\x9b", "\x1b"} & set(for_people)


def test_an_entry_that_does_not_exist_is_named(run: Run, three_parked: Path) -> None:
    outcome = run("dlq", "show", 99)
    assert outcome.code == 2
    assert "There is no dead letter 99." in outcome.err


def test_replay_writes_in_order_with_the_old_ids_and_marks(run: Run, three_parked: Path) -> None:
    outcome = run("dlq", "replay", "--json")
    assert outcome.code == 0
    assert json.loads(outcome.out) == {"accepted": 3, "refused": 0, "left_out": 0}
    assert written(three_parked) == ["name 10", "name 20", "name 30"]
    first = json.loads((three_parked / "events.jsonl").read_text().splitlines()[0])
    assert first["event_id"] == make_event(0x10).event_id
    assert run("dlq", "list").out == "No dead letters wait.\n"
    assert len(json.loads(run("dlq", "list", "--all", "--json").out)) == 3
    assert "0 replayed" in run("dlq", "replay").err
    assert len(written(three_parked)) == 3


def test_replay_takes_single_entries(run: Run, three_parked: Path) -> None:
    assert run("dlq", "replay", 1, 3).code == 0
    assert written(three_parked) == ["name 20", "name 30"]


def test_replay_is_refused_while_the_bridge_runs(run: Run, three_parked: Path) -> None:
    with letters(three_parked):
        outcome = run("dlq", "replay")
    assert outcome.code == 3
    assert "is in use by process" in outcome.err
    assert not (three_parked / "events.jsonl").exists()


def test_replay_needs_the_sink_in_the_configuration(run: Run, three_parked: Path) -> None:
    config = three_parked / "pgbridge.yaml"
    config.write_text(CONFIG.replace("name: audit", "name: other"))
    outcome = run("dlq", "replay")
    assert outcome.code == 2
    assert "No sink is called 'audit'" in outcome.err
    assert "It has: other." in outcome.err


def test_purge_deletes_only_what_was_replayed_unless_told(run: Run, three_parked: Path) -> None:
    assert run("dlq", "replay", 1).code == 0
    assert run("dlq", "purge", "--older-than-days", 36500).out == "0 purged.\n"
    assert json.loads(run("dlq", "purge", "--json").out) == {"purged": 1}
    assert run("dlq", "purge", 2).out == "0 purged.\n"
    assert run("dlq", "purge", 2, "--waiting").out == "1 purged.\n"
    assert run("dlq", "purge", "--sink", "audit", "--waiting").out == "1 purged.\n"


def test_a_result_is_listed_shown_and_replayed_like_a_change(run: Run, directory: Path) -> None:
    native = encode_native(make_result(5))
    with letters(directory) as store:
        store.park("audit", make_result(5), native.encode(), "too large", 2, NOW)
    line = run("dlq", "list").out.splitlines()[1]
    assert line.split()[1:5] == ["audit", "0/5:0", "Result", "window_result.revenue"]
    assert f"event: {native}\n" in run("dlq", "show", 1).out
    assert run("dlq", "replay").code == 0
    assert (directory / "events.jsonl").read_text() == f"{native}\n"


def test_those_of_a_processor_are_left_by_a_replay_and_refused_if_they_are_asked_for(
    run: Run, three_parked: Path
) -> None:
    with letters(three_parked) as store:
        event = make_event(0x40)
        native = encode_native(event).encode()
        store.park("processor:revenue", event, native, "time is NULL", 1, NOW)
    for asked in ([4], ["--sink", "processor:revenue"]):
        outcome = run("dlq", "replay", *asked)
        assert outcome.code == 2
        assert "depends on the order of changes" in outcome.err
        assert "pgbridge dlq purge --sink processor:revenue --waiting" in outcome.err
    outcome = run("dlq", "replay")
    assert outcome.code == 0
    assert "1 of processor:revenue stay" in outcome.err
    assert "3 replayed" in outcome.err
    assert run("dlq", "list").out.endswith("Waiting: 1 of processor:revenue.\n")
