"""``python -m tests.benchmarks.processing``: run the jobs, print tables, write a JSON file."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bridge.core.errors import BridgeError
from tests.benchmarks.figures import RESULTS, machine
from tests.benchmarks.processing.jobs import Job, Load
from tests.benchmarks.processing.measure import DEFAULT_LIMIT_S, race, states
from tests.benchmarks.processing.report import (
    race_document,
    race_table,
    state_document,
    state_table,
)
from tests.benchmarks.processing.run import BYTEWAX

_KEYS = (1, 1_000, 1_000_000)
_EVENTS = 500_000


def main() -> int:
    """Run what the command line asks for."""
    args = _arguments()
    jobs = [job for job in Job if not args.only or job in args.only]
    path = args.json or RESULTS / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-processing.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    document: dict[str, Any] = {
        "environment": {**machine(), "peer": _peer()},
        "jobs": {},
        "state": {},
    }
    tables = []
    try:
        for job in jobs:
            for keys in args.keys:
                load = Load(job, keys, max(args.events, keys))
                outcome = race(load, repeat=args.repeat, note=_note, limit_s=args.limit)
                document["jobs"][f"{job}, {keys} keys"] = race_document(load, outcome)
                tables.append(race_table(load, outcome))
        found = {job: states(job, max(args.keys), repeat=args.repeat, note=_note) for job in jobs}
    except BridgeError as error:
        print(error, file=sys.stderr)
        return 1
    document["state"] = {job: state_document(each) for job, each in found.items()}
    tables.append(state_table(max(args.keys), found))
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    facts = document["environment"]
    print(f"\n{facts['peer']}, Python {facts['python']}, {facts['cores']} cores, {facts['cpu']}")
    for table in tables:
        print(f"\n{table}")
    print(f"\n{path}")
    return 0


def _peer() -> str:
    try:
        return f"{BYTEWAX} {version(BYTEWAX)}"
    except PackageNotFoundError:
        _note(f"{BYTEWAX} is not installed, so nothing is compared: pip install -e '.[bench]'")
        return f"no {BYTEWAX}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.processing")
    parser.add_argument("--events", type=int, help=f"of each job ({_EVENTS}); one a key at least")
    parser.add_argument("--repeat", type=int, help="rounds that count (3)")
    parser.add_argument(
        "--only", action="append", type=Job, choices=list(Job), help="a job; may be repeated"
    )
    parser.add_argument(
        "--keys", action="append", type=int, help="how many; may be repeated (1, 1000, 1000000)"
    )
    parser.add_argument(
        "--limit",
        type=float,
        default=DEFAULT_LIMIT_S,
        help=f"seconds for a run of the other engine ({DEFAULT_LIMIT_S:.0f})",
    )
    parser.add_argument("--json", type=Path, help="file for the result")
    parser.add_argument(
        "--quick", action="store_true", help="smaller defaults, to see that all works"
    )
    args = parser.parse_args()
    usual: dict[str, Any] = {"events": _EVENTS, "repeat": 3, "keys": list(_KEYS)}
    if args.quick:
        usual = {"events": 20_000, "repeat": 1, "keys": [1, 1_000]}
    for name, value in usual.items():
        if getattr(args, name) is None:
            setattr(args, name, value)
    if min(args.events, args.repeat, *args.keys) < 1:
        parser.error("--events, --repeat and --keys have to be at least 1")
    return args


def _note(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
