"""Runs of all engines, one after the other, each in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any

from bridge.core.errors import BridgeError
from tests.benchmarks.processing.jobs import Job, Load
from tests.benchmarks.processing.run import BRIDGE, BYTEWAX, Run
from tests.benchmarks.processing.state import State

CONTROL = f"{BRIDGE} again"

_DEADLINE_S = 3600.0


class Failed(BridgeError):
    """A process did not get to the end; the message holds what it said."""


class Void(BridgeError):
    """Runs that do not count, because two engines gave different answers."""


def engines() -> dict[str, str]:
    """Return the engines in the order of a round, by their names in the table.

    pgbridge is first, as the baseline, and last, so that one sees how far two equal series are
    apart. The other engine is left out where it is not installed.
    """
    peer = {BYTEWAX: BYTEWAX} if find_spec("bytewax") else {}
    return {BRIDGE: BRIDGE, **peer, CONTROL: BRIDGE}


def race(load: Load, *, repeat: int, note: Callable[[str], None]) -> dict[str, list[Run]]:
    """Let every engine do the job, in turns, after a round that checks its answers only.

    Args:
        load: what to do.
        repeat: how many rounds count.
        note: takes a line on what is going on.

    Raises:
        Void: the answers are not the same.
        Failed: an engine did not get to the end.
    """
    field = engines()
    note(f"{load.job}, {load.keys:,} keys, {load.events:,} events: comparing the answers")
    checked = {name: _run(name, load, "--check") for name in dict.fromkeys(field.values())}
    _compare(load, {name: (run.results, run.digest) for name, run in checked.items()})
    results = checked[BRIDGE].results
    runs: dict[str, list[Run]] = {name: [] for name in field}
    for turn in range(1, repeat + 1):
        for name, engine in field.items():
            run = _run(engine, load)
            _compare(load, {BRIDGE: results, f"{name}, round {turn}": run.results})
            rate = load.events / run.wall_s
            note(f"{load.job}, {load.keys:,} keys, round {turn}: {name} {rate:,.0f}/s")
            runs[name].append(run)
    return runs


def states(job: Job, keys: int, *, repeat: int, note: Callable[[str], None]) -> list[State]:
    """Measure the state of a job several times."""
    found = []
    for turn in range(1, repeat + 1):
        found.append(State(**_process("state", job, str(keys))))
        note(f"{job}, state of {keys:,} keys, round {turn}")
    return found


def _run(engine: str, load: Load, *options: str) -> Run:
    return Run(**_process("run", engine, load.job, str(load.keys), str(load.events), *options))


def _process(module: str, *arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", f"tests.benchmarks.processing.{module}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_DEADLINE_S)
    if done.returncode != 0:
        said = done.stderr.strip()[-2000:]
        raise Failed(f"{' '.join(arguments)} ended with {done.returncode}. It said:\n{said}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _compare(load: Load, answers: Mapping[str, object]) -> None:
    if len(set(answers.values())) > 1:
        raise Void(f"{load.job} with {load.keys} keys gave different answers: {dict(answers)}")
