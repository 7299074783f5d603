"""Runs of all engines, one after the other, each in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from bridge.core.errors import BridgeError
from tests.benchmarks.processing.jobs import Job, Load
from tests.benchmarks.processing.run import BRIDGE, BYTEWAX, Run
from tests.benchmarks.processing.state import State

CONTROL = f"{BRIDGE} again"

DEFAULT_LIMIT_S = 600.0
"""What a run may take: beyond it, one more engine with a million keys is hours."""


class Failed(BridgeError):
    """A process did not get to the end; the message holds what it said."""


class OutOfTime(Failed):
    """A process was ended because it took longer than the limit."""


@dataclass(frozen=True, slots=True)
class Race:
    """What all engines did with one load.

    Attributes:
        runs: of each engine that got to the end, by its name in the table, the baseline first.
        unfinished: the engines that were ended, with the seconds that they had.
    """

    runs: Mapping[str, list[Run]]
    unfinished: Mapping[str, float]


class Void(BridgeError):
    """Runs that do not count, because two engines gave different answers."""


def engines() -> dict[str, str]:
    """Return the engines in the order of a round, by their names in the table.

    pgbridge is first, as the baseline, and last, so that one sees how far two equal series are
    apart. The other engine is left out where it is not installed.
    """
    peer = {BYTEWAX: BYTEWAX} if find_spec("bytewax") else {}
    return {BRIDGE: BRIDGE, **peer, CONTROL: BRIDGE}


def race(
    load: Load, *, repeat: int, note: Callable[[str], None], limit_s: float = DEFAULT_LIMIT_S
) -> Race:
    """Let every engine do the job, in turns, after a round that checks its answers only.

    An engine that takes longer than the limit for its answers takes no part in the rounds.

    Args:
        load: what to do.
        repeat: how many rounds count.
        note: takes a line on what is going on.
        limit_s: what a run may take.

    Raises:
        Void: the answers are not the same.
        Failed: an engine ended with an error, or the baseline did not end within the limit.
    """
    field = engines()
    note(f"{load.job}, {load.keys:,} keys, {load.events:,} events: comparing the answers")
    checked: dict[str, Run] = {}
    for engine in dict.fromkeys(field.values()):
        try:
            checked[engine] = _run(engine, load, "--check", limit_s=limit_s)
        except OutOfTime as error:
            if engine == BRIDGE:
                raise
            note(error.message)
    _compare(load, {name: (run.results, run.digest) for name, run in checked.items()})
    results = checked[BRIDGE].results
    runs: dict[str, list[Run]] = {name: [] for name in field if field[name] in checked}
    for turn in range(1, repeat + 1):
        for name in runs:
            run = _run(field[name], load, limit_s=limit_s)
            _compare(load, {BRIDGE: results, f"{name}, round {turn}": run.results})
            rate = load.events / run.wall_s
            note(f"{load.job}, {load.keys:,} keys, round {turn}: {name} {rate:,.0f}/s")
            runs[name].append(run)
    return Race(runs, {name: limit_s for name in field if name not in runs})


def states(job: Job, keys: int, *, repeat: int, note: Callable[[str], None]) -> list[State]:
    """Measure the state of a job several times."""
    found = []
    for turn in range(1, repeat + 1):
        found.append(State(**_process("state", job, str(keys), limit_s=DEFAULT_LIMIT_S)))
        note(f"{job}, state of {keys:,} keys, round {turn}")
    return found


def _run(engine: str, load: Load, *options: str, limit_s: float) -> Run:
    words = (engine, load.job, str(load.keys), str(load.events), *options)
    return Run(**_process("run", *words, limit_s=limit_s))


def _process(module: str, *arguments: str, limit_s: float) -> dict[str, Any]:
    command = [sys.executable, "-m", f"tests.benchmarks.processing.{module}", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit_s)
    except subprocess.TimeoutExpired:
        raise OutOfTime(f"{' '.join(arguments)} was not done after {limit_s:,.0f} s.") from None
    if done.returncode != 0:
        said = done.stderr.strip()[-2000:]
        raise Failed(f"{' '.join(arguments)} ended with {done.returncode}. It said:\n{said}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _compare(load: Load, answers: Mapping[str, object]) -> None:
    if len(set(answers.values())) > 1:
        raise Void(f"{load.job} with {load.keys} keys gave different answers: {dict(answers)}")
