"""A process that commits checkpoint after checkpoint until it is killed.

Run as ``python -m tests.contract.state_store_writer KIND WHERE``; it prints the number of each
checkpoint when the store says that it is durable.
"""

from __future__ import annotations

import sys
from pathlib import Path

from bridge.postgres.connection import Database
from bridge.postgres.processor_state import PostgresStateStore
from bridge.processing.state.store import StateStore
from bridge.runtime.processing.sqlite_store import SqliteStateStore
from tests.contract.state_stores import make_checkpoint, make_results


def open_store(kind: str, where: str) -> StateStore:
    """Return the store of slot ``orders``: of a directory, or of a connection string."""
    if kind == "sqlite":
        return SqliteStateStore(Path(where), "orders")
    return PostgresStateStore(Database(where), "orders")


def main() -> None:
    store = open_store(*sys.argv[1:])
    found = store.load()
    number = 0 if found is None else found.states["sums-1"]["n"]
    while True:
        number += 1
        store.commit(make_checkpoint(number), make_results(number))
        print(number, flush=True)
        if number % 3 == 0:
            store.delivered("out", 2 * number - 3)


if __name__ == "__main__":
    main()
