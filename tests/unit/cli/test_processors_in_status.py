"""What the status says of processors, with the states that a bridge has left."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bridge.commands.processors import print_processors, processing_state, processor_states
from bridge.config import load_config
from bridge.core.events import Position
from bridge.processing.state.figures import figures, figures_name
from bridge.processing.state.store import ProcessingCheckpoint
from bridge.runtime.processing.sqlite_store import SqliteStateStore
from tests.fixtures.counting_dataflow import make_answer
from tests.unit.cli.conftest import Run

CONFIG = """
source: {{dsn: "postgresql://u:canary-7e1f@127.0.0.1:1/db"}}
sinks:
  - {{name: results, type: file, path: results.jsonl}}
processors:
  - name: per-minute
    from: {{tables: [public.orders]}}
    window: {{type: tumbling, size: 1m}}
    aggregates: {{orders: count()}}
    to: [results]
processing: {{store: {store}}}
state: {{dir: state}}
"""


def states(directory: Path, store: str = "{type: sqlite}") -> dict[str, Any] | None:
    (directory / "pgbridge.yaml").write_text(CONFIG.format(store=store))
    return processing_state(load_config(directory / "pgbridge.yaml"))


def test_before_the_first_run_there_is_nothing_to_say(directory: Path) -> None:
    assert states(directory) is None


def test_late_events_and_what_is_stored_are_shown(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (directory / "state").mkdir()
    name = "per-minute-0123456789ab"
    stats = {"events": 41, "late": 7, "results": 3}
    with closing(SqliteStateStore(directory / "state", "pgbridge")) as store:
        stored = {
            name: "head",
            f"{name}/07b": "part",
            figures_name(name): figures("per-minute", stats),
        }
        store.commit(ProcessingCheckpoint(Position(7, 1), stored, 1), [make_answer(1)])
        size = sum(store.sizes().values())

    found = states(directory)

    assert found is not None
    assert (found["store"], found["position"], found["results"]) == ("sqlite", "0/7:1", 1)
    assert found["waiting"] == {"results": 1}
    [processor] = processor_states(load_config(directory / "pgbridge.yaml"), found)
    assert processor["figures"] == stats
    assert processor["stored_bytes"] == size
    print_processors([processor], found)
    printed = capsys.readouterr().out
    assert "late" in printed.splitlines()[0]
    assert printed.splitlines()[1].split()[:5] == ["per-minute", "results", "41", "7", "3"]
    assert "Processed up to 0/7:1, 1 results, 1 wait (sqlite)." in printed


def test_a_store_that_is_away_does_not_hide_the_rest(directory: Path, run: Run) -> None:
    found = states(directory, "{type: postgres}")
    assert found is not None
    assert found["problem"]
    outcome = run("sinks", "list", "--json")
    assert outcome.code == 0
    assert [sink["waiting_events"] for sink in json.loads(outcome.out)] == [None]
