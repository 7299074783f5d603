"""``python -m tests.benchmarks``: run the benchmarks, print tables, write a JSON file."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bridge.core.errors import BridgeError
from bridge.postgres.embedded import EmbeddedPostgres
from tests.benchmarks.contestants import NULL, Contestant, contestants, null_sink
from tests.benchmarks.drain import drain
from tests.benchmarks.figures import RESULTS
from tests.benchmarks.latency import FILE_ARRIVAL, Arrival, latency
from tests.benchmarks.report import drain_document, drain_table, environment, latency_table
from tests.benchmarks.server import Transport, address, benchmark_server
from tests.benchmarks.targets import RACES, Race

_DRAINS = {
    "tx1": (1, Transport.TCP),
    "tx10": (10, Transport.TCP),
    "tx1000": (1000, Transport.TCP),
    "tx1-socket": (1, Transport.SOCKET),
    "tx1000-socket": (1000, Transport.SOCKET),
}
"""Rows a transaction, and the way to the server."""

_LATENCIES = {"lat1k": 1_000, "lat10k": 10_000}
_SINK_EVENTS_PER_S = 5_000
_NAMES = [*_DRAINS, *_LATENCIES, *RACES]


class Session:
    """What the command line asks for, on a running server.

    Attributes:
        document: the figures, for the JSON file.
        tables: the figures, for people.
    """

    def __init__(self, server: EmbeddedPostgres, args: argparse.Namespace) -> None:
        self._server = server
        self._args = args
        self.document: dict[str, Any] = {
            "environment": environment(server),
            "drain": {},
            "latency": {},
        }
        self.tables: list[str] = []

    def drain(
        self,
        name: str,
        field: Sequence[Contestant],
        rows: int,
        per_transaction: int,
        transport: Transport = Transport.TCP,
    ) -> None:
        """Drain one backlog by everyone in ``field``."""
        workload, runs = drain(
            address(self._server, transport),
            field,
            rows=rows,
            per_transaction=per_transaction,
            repeat=self._args.repeat,
            note=_note,
        )
        self.document["drain"][name] = drain_document(workload, transport, runs)
        self.tables.append(drain_table(workload, transport, runs))

    def latencies(self, arrival: Arrival, rates: Mapping[str, int]) -> None:
        """Measure the latency to one place, at several rates."""
        found = {}
        for name, rate in rates.items():
            found[rate] = latency(
                self._server, arrival, events_per_s=rate, seconds=self._args.seconds, note=_note
            )
            self.document["latency"][name] = asdict(found[rate])
        if found:
            self.tables.append(latency_table(arrival.name, found))

    def race(self, name: str, race: Race) -> None:
        """Drain into one target, beside ``null``, and measure the latency to its consumer."""
        rows = int(self._args.rows * race.share)
        with race.target() as target:
            field = [null_sink(NULL), *target.contestants(), null_sink(f"{NULL} again")]
            for size in race.per_transaction:
                self.drain(f"{name}-tx{size}", field, rows, size)
            self.latencies(target.arrival(), {name: _SINK_EVENTS_PER_S})


def main() -> int:
    """Run what the command line asks for."""
    args = _arguments()
    only = args.only or _NAMES
    path = args.json or RESULTS / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with benchmark_server() as server:
            session = Session(server, args)
            for name in (name for name in _DRAINS if name in only):
                session.drain(name, contestants(server), args.rows, *_DRAINS[name])
            chosen = {name: rate for name, rate in _LATENCIES.items() if name in only}
            session.latencies(FILE_ARRIVAL, chosen)
            for name in (name for name in RACES if name in only):
                session.race(name, RACES[name])
    except BridgeError as error:
        print(error, file=sys.stderr)
        return 1
    path.write_text(json.dumps(session.document, indent=1) + "\n", encoding="utf-8")
    facts = session.document["environment"]
    print(f"\n{facts['server']}, Python {facts['python']}, {facts['cores']} cores, {facts['cpu']}")
    for table in session.tables:
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
        choices=_NAMES,
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
