"""``python -m tests.benchmarks.event_sourcing``: measure, print a table, write a JSON file."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bridge.core.errors import BridgeError
from tests.benchmarks.event_sourcing.contestant import Load
from tests.benchmarks.event_sourcing.measure import Servers, race
from tests.benchmarks.event_sourcing.report import document, table
from tests.benchmarks.figures import RESULTS, machine
from tests.benchmarks.server import address, benchmark_server
from tests.fixtures.nats.cluster import NatsCluster, programs

_USUAL = Load(single=2_000, batches=500, batch=100, history=100_000)
_QUICK = Load(single=200, batches=20, batch=100, history=5_000)


def main() -> int:
    """Run what the command line asks for."""
    args = _arguments()
    load = _QUICK if args.quick else _USUAL
    path = args.json or RESULTS / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-event-sourcing.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    facts = {**machine(), "peer": _peer()}
    try:
        with ExitStack() as stack:
            postgres = address(stack.enter_context(benchmark_server()))
            found = programs()
            nats = stack.enter_context(NatsCluster(found[0][0])).servers if found else ()
            servers = Servers(postgres=postgres, nats=tuple(nats))
            runs = race(load, servers, repeat=args.repeat, note=_note)
    except BridgeError as error:
        print(error, file=sys.stderr)
        return 1
    result = {"environment": facts, "load": asdict(load), **document(runs)}
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"\n{facts['peer']}, Python {facts['python']}, {facts['cores']} cores, {facts['cpu']}")
    print(f"medians of {args.repeat}; {load.history:,} events in the history\n")
    print(table(runs))
    print(f"\n{path}")
    return 0


def _peer() -> str:
    try:
        return f"eventsourcing {version('eventsourcing')}"
    except PackageNotFoundError:
        _note("eventsourcing is not installed, so nothing is compared: pip install -e '.[bench]'")
        return "no eventsourcing"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.event_sourcing")
    parser.add_argument("--repeat", type=int, default=5, help="rounds (5)")
    parser.add_argument("--json", type=Path, help="file for the result")
    parser.add_argument("--quick", action="store_true", help="less of all, to see that all works")
    args = parser.parse_args()
    if args.repeat < 1:
        parser.error("--repeat has to be at least 1")
    return args


def _note(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
