"""A process in which one contestant does everything once.

``python -m tests.benchmarks.event_sourcing.run STORE LOAD PLACE`` prints the figures as JSON.
LOAD is the JSON of a :class:`Load`; PLACE is a directory, the connection string of an empty
database, or the URLs of NATS servers with commas between them.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bridge.config.event_store import StoreConfig
from bridge.core.secret import Dsn, Secret
from tests.benchmarks.event_sourcing.contestant import TAIL, Contestant, Load

MEMORY = "pgbridge, memory"
SQLITE = "pgbridge, SQLite"
POSTGRES = "pgbridge, PostgreSQL"
JETSTREAM = "pgbridge, JetStream"
PEER_SQLITE = "eventsourcing, SQLite"
PEER_POSTGRES = "eventsourcing, PostgreSQL"

ON_POSTGRES = (POSTGRES, PEER_POSTGRES)
PEERS = (PEER_SQLITE, PEER_POSTGRES)

SNAPSHOT_ROUNDS = 20


def open_store(name: str, place: str) -> Contestant:
    """Return a contestant; raises ``ImportError`` if it is not installed."""
    if name in PEERS:
        from tests.benchmarks.event_sourcing.peer_store import PeerStore

        return PeerStore(_environment(name, place))
    from tests.benchmarks.event_sourcing.bridge_store import BridgeStore

    settings = {
        MEMORY: lambda: StoreConfig(type="memory"),
        SQLITE: lambda: StoreConfig(type="sqlite", path=Path(place) / "events.db"),
        POSTGRES: lambda: StoreConfig(type="postgres", dsn=Dsn(place)),
        JETSTREAM: lambda: StoreConfig(
            type="jetstream",
            servers=tuple(map(Secret, place.split(","))),
            stream=f"bench-{uuid.uuid4().hex[:12]}",
        ),
    }
    return BridgeStore(settings[name]())


def _environment(name: str, place: str) -> dict[str, str]:
    if name == PEER_SQLITE:
        return {
            "PERSISTENCE_MODULE": "eventsourcing.sqlite",
            "SQLITE_DBNAME": str(Path(place) / "events.db"),
        }
    from psycopg.conninfo import conninfo_to_dict

    given = conninfo_to_dict(place)
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": str(given["dbname"]),
        "POSTGRES_HOST": str(given["host"]),
        "POSTGRES_PORT": str(given["port"]),
        "POSTGRES_USER": str(given["user"]),
        "POSTGRES_PASSWORD": str(given.get("password") or "none"),
    }


def run(store: Contestant, load: Load) -> dict[str, float]:
    """Do everything once; return how many events, or states, a second each job made.

    Raises:
        AssertionError: an answer is wrong.
    """
    rates: dict[str, float] = {}

    def measure(job: str, count: int, act: Callable[[], Any]) -> Any:
        began = time.perf_counter()
        answer = act()
        rates[job] = count / (time.perf_counter() - began)
        return answer

    measure("append, one by one", load.single, store.appends([1] * load.single))
    measure(
        f"append, {load.batch} at a time",
        load.batches * load.batch,
        store.appends([load.batch] * load.batches),
    )
    store.fill(load.history)
    balance = measure("rebuild, events", load.history, store.rebuild)
    assert balance == load.history * (load.history + 1) // 2, balance
    store.snapshot()
    for _ in range(2):  # the first time warms up
        balance = measure(
            "rebuild from a snapshot, states",
            SNAPSHOT_ROUNDS,
            lambda: {store.rebuild_from_snapshot() for _ in range(SNAPSHOT_ROUNDS)},
        )
    assert balance == {load.balance}, balance
    events = load.single + load.batches * load.batch + load.history + TAIL
    found = measure("read everything, events", events, store.read_all)
    assert events <= found <= events + 3, found  # a contestant may store how an account opens
    return rates


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.event_sourcing.run")
    parser.add_argument("store")
    parser.add_argument("load", type=json.loads)
    parser.add_argument("place")
    args = parser.parse_args()
    store = open_store(args.store, args.place)
    try:
        json.dump(run(store, Load(**args.load)), sys.stdout)
    finally:
        store.close()


if __name__ == "__main__":
    main()
