"""A process that does one job once.

``python -m tests.benchmarks.processing.run ENGINE JOB KEYS EVENTS`` prints a :class:`Run` as JSON.
With ``--check`` it is about the answers, and its time counts for nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass

from tests.benchmarks.processing.answers import Digest, Engine, Tally
from tests.benchmarks.processing.jobs import Job, Load
from tests.benchmarks.processing.memory import forget_peak, peak_mb, resident_mb

BRIDGE = "pgbridge"
BYTEWAX = "bytewax"
ENGINES = (BRIDGE, BYTEWAX)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run.

    Attributes:
        wall_s: from the first event to the last result.
        cpu_s: user and system time of the process meanwhile.
        grown_mb: peak of the resident size meanwhile, less what it was before: the events and the
            engine as it is loaded are not in it.
        results: how many came.
        digest: of their values; None in a run without ``--check``.
    """

    wall_s: float
    cpu_s: float
    grown_mb: float
    results: int
    digest: int | None


def engine(name: str) -> Engine:
    """Return the engine; raises ``ImportError`` if it is not installed."""
    if name == BRIDGE:
        from tests.benchmarks.processing.bridge_engine import Bridge

        return Bridge()
    from tests.benchmarks.processing.bytewax_engine import Bytewax

    return Bytewax()


def run(name: str, load: Load, *, check: bool) -> Run:
    """Let an engine do a job in this process."""
    chosen = engine(name)
    events = chosen.prepare(load)
    taker = Digest(chosen, load) if check else Tally()
    before_mb = resident_mb()
    forget_peak()
    cpu, wall = time.process_time(), time.perf_counter()
    chosen.run(load, events, taker.take)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Run(
        wall_s=wall,
        cpu_s=cpu,
        grown_mb=peak_mb() - before_mb,
        results=taker.count,
        digest=taker.total if isinstance(taker, Digest) else None,
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.processing.run")
    parser.add_argument("engine", choices=ENGINES)
    parser.add_argument("job", type=Job, choices=list(Job))
    parser.add_argument("keys", type=int)
    parser.add_argument("events", type=int)
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    found = run(args.engine, Load(args.job, args.keys, args.events), check=args.check)
    json.dump(asdict(found), sys.stdout)


if __name__ == "__main__":
    main()
