"""Sinks from the command line, with the state that a bridge has left."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bridge.core.continuity import Checkpoint, Phase
from bridge.core.events import Position
from bridge.runtime.backlog import BacklogLimits
from bridge.runtime.sink_states import SinkStates
from bridge.runtime.spill.log import Spill
from bridge.runtime.state import StateStore
from tests.fixtures.events import many_transactions
from tests.unit.cli.conftest import Run

CONFIG = """
source: {dsn: "postgresql://u:canary-7e1f@h/db"}
sinks:
  - {name: audit, type: file, path: events.jsonl}
  - {name: search, type: stdout, required: false}
state: {dir: state}
"""


@contextmanager
def states(directory: Path) -> Iterator[SinkStates]:
    with StateStore(directory / "state") as store:
        yield SinkStates(store.file, "pgbridge")


@pytest.fixture
def after_a_run(directory: Path) -> Path:
    """A directory in which one sink holds more than the other."""
    (directory / "pgbridge.yaml").write_text(CONFIG)
    batches = many_transactions(4)
    with StateStore(directory / "state") as store:
        store.save_checkpoint(
            Checkpoint(
                system_identifier="1",
                timeline=1,
                database="db",
                slot="pgbridge",
                publication="pgbridge",
                phase=Phase.STREAMING,
                positions={"audit": batches[3].last, "search": batches[3].last},
            )
        )
        SinkStates(store.file, "pgbridge").save_delivered("search", batches[0].last)
    spill = Spill(
        directory / "state/spill/pgbridge/search",
        limit_bytes=1 << 20,
        memory=BacklogLimits(max_events=1, max_bytes=1, spool_bytes=0),
    )
    for batch in batches:
        spill.append([batch])
        spill.publish()
    spill.close()
    return directory


def listed(run: Run) -> dict[str, dict[str, object]]:
    outcome = run("sinks", "list", "--json")
    assert outcome.code == 0
    return {sink["name"]: sink for sink in json.loads(outcome.out)}


def test_the_list_says_where_each_sink_stands(run: Run, after_a_run: Path) -> None:
    found = listed(run)
    assert found["audit"] == {
        "name": "audit",
        "type": "file",
        "required": True,
        "position": "0/1300:2",
        "waiting_events": None,
        "waiting_bytes": None,
        "paused": None,
        "paused_at": None,
        "misses_events": False,
        "dead_letters": 0,
    }
    assert found["search"]["position"] == "0/1000:2"
    assert found["search"]["waiting_events"] == 9
    table = run("sinks", "list").out.splitlines()
    assert table[0].split() == ["sink", "type", "required", "position", "waiting", "bytes", "dead",
                                "letters", "paused"]  # fmt: skip
    assert table[2].split()[:5] == ["search", "stdout", "no", "0/1000:2", "9"]


def test_before_the_first_run_nothing_is_known(run: Run, directory: Path) -> None:
    assert listed(run)["audit"]["position"] is None


def test_a_pause_lasts_until_it_is_ended(run: Run, after_a_run: Path) -> None:
    assert "the server keeps WAL" in run("sinks", "pause", "audit").out
    assert "wait in its spill" in run("sinks", "pause", "search").out
    assert listed(run)["audit"]["paused"] == "by the operator"
    assert "by the operator, since 20" in run("sinks", "list").out
    assert run("sinks", "resume", "audit").out == "Sink audit goes on.\n"
    assert listed(run)["audit"]["paused"] is None
    answer = json.loads(run("sinks", "pause", "audit", "--json").out)
    assert answer == {"name": "audit", "paused": "by the operator"}
    assert json.loads(run("sinks", "resume", "audit", "--json").out)["paused"] is None


def test_a_sink_that_misses_events_is_marked(run: Run, after_a_run: Path) -> None:
    with states(after_a_run) as known:
        known.pause("search", "the spill is full", 1_700_000_000)
        known.begin_gap("search", Position(1, 0))
    assert (
        "the spill is full, since 2023-11-14T22:13:20Z; misses events" in run("sinks", "list").out
    )
    assert listed(run)["search"]["misses_events"] is True


def test_a_sink_that_is_not_configured_is_named(run: Run, after_a_run: Path) -> None:
    outcome = run("sinks", "pause", "audti")
    assert outcome.code == 2
    assert "No sink is called 'audti'" in outcome.err


def test_nothing_can_be_paused_before_the_first_run(run: Run, directory: Path) -> None:
    outcome = run("sinks", "pause", "audit")
    assert outcome.code == 3
    assert "There is no state in state." in outcome.err
