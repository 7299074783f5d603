"""``python -m tests.benchmarks``: run the benchmarks, print tables, write a JSON file."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bridge.core.errors import BridgeError
from tests.benchmarks.contestants import contestants
from tests.benchmarks.drain import drain
from tests.benchmarks.latency import Latency, latency
from tests.benchmarks.report import drain_document, drain_table, environment, latency_table
from tests.benchmarks.server import benchmark_server

_DRAINS = {"tx1": 1, "tx10": 10, "tx1000": 1000}
_LATENCIES = {"lat1k": 1_000, "lat10k": 10_000}
_RESULTS = Path(__file__).parents[2] / ".cache" / "bench"


def main() -> int:
    """Run what the command line asks for."""
    args = _arguments()
    only = args.only or [*_DRAINS, *_LATENCIES]
    path = args.json or _RESULTS / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    tables, latencies = [], dict[int, Latency]()
    try:
        with benchmark_server() as server:
            result: dict[str, Any] = {
                "environment": environment(server),
                "drain": {},
                "latency": {},
            }
            for name in (name for name in _DRAINS if name in only):
                workload, runs = drain(
                    server,
                    contestants(server),
                    rows=args.rows,
                    per_transaction=_DRAINS[name],
                    repeat=args.repeat,
                    note=_note,
                )
                result["drain"][name] = drain_document(workload, runs)
                tables.append(drain_table(workload, runs))
            for name in (name for name in _LATENCIES if name in only):
                rate = _LATENCIES[name]
                found = latency(server, events_per_s=rate, seconds=args.seconds, note=_note)
                result["latency"][name] = asdict(found)
                latencies[rate] = found
    except BridgeError as error:
        print(error, file=sys.stderr)
        return 1
    if latencies:
        tables.append(latency_table(latencies))
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    facts = result["environment"]
    print(f"\n{facts['server']}, Python {facts['python']}, {facts['cores']} cores, {facts['cpu']}")
    for table in tables:
        print(f"\n{table}")
    print(f"\n{path}")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--rows", type=int, help="rows in each backlog (500000)")
    parser.add_argument("--repeat", type=int, help="rounds that count (5)")
    parser.add_argument("--seconds", type=float, help="duration of a latency run (30)")
    parser.add_argument(
        "--only",
        action="append",
        choices=[*_DRAINS, *_LATENCIES],
        help="leave out everything else; may be repeated",
    )
    parser.add_argument("--json", type=Path, help="file for the result")
    parser.add_argument(
        "--quick", action="store_true", help="smaller defaults, to see that all works"
    )
    args = parser.parse_args()
    usual = (50_000, 1, 5.0) if args.quick else (500_000, 5, 30.0)
    for name, value in zip(("rows", "repeat", "seconds"), usual, strict=True):
        if getattr(args, name) is None:
            setattr(args, name, value)
        if getattr(args, name) < 1:
            parser.error(f"--{name} has to be at least 1")
    return args


def _note(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
