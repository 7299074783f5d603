"""States that are larger than their memory: the same answers, and a kill changes none."""

from __future__ import annotations

import random
from contextlib import closing

import pytest

from bridge.runtime.processing.sqlite_store import SqliteStateStore
from tests.e2e.conftest import MakeBridge
from tests.e2e.test_processors import live, repeats, until_all_is_told, with_processors
from tests.fixtures.bridge_process import SLOT, BridgeProcess
from tests.fixtures.databases import Database
from tests.fixtures.orders import Shoppers, create_tables

CUSTOMERS = 3_000


def stored_names(bridge: BridgeProcess) -> tuple[str, ...]:
    with closing(SqliteStateStore(bridge.directory / "state", SLOT)) as store:
        return store.names()


@pytest.mark.parametrize(
    "kills", [3, pytest.param(15, marks=[pytest.mark.nightly, pytest.mark.timeout(900)])]
)
def test_killed_with_partitions_in_the_store_it_tells_every_answer_once(
    kills: int, newest_database: Database, make_bridge: MakeBridge
) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    choose = random.Random(seed)
    connection = newest_database.connect()
    create_tables(connection)
    bridge = with_processors(
        newest_database.dsn,
        make_bridge,
        source={"snapshot": "initial"},
        processing={"max_buffer_memory_mb": 1, "batch_size": 2_000, "row_timeout": "20ms"},
    )
    bridge.start().wait_until_logged("stream_started")
    with Shoppers(newest_database.dsn, seed=seed):
        for _ in range(kills):
            connection.execute(
                "INSERT INTO orders (customer, amount) "
                f"SELECT 1000 + n, 1 FROM generate_series(1, {CUSTOMERS}) AS n"
            )
            live(bridge, choose)
            bridge.start()
    until_all_is_told(bridge, connection, timeout=20.0 * kills)  # each leaves as many rows
    assert bridge.terminate() == 0
    # A second copy of a partition exists only where one was stored between two checkpoints.
    spilled = {name[:-4].rpartition("-")[0] for name in stored_names(bridge) if name[-1] == "b"}
    assert spilled >= {"revenue", "paid_orders"}
    told = bridge.delivered("results").events()
    assert repeats(told, "event_id") == []
    assert repeats(told, "delivery_id") == []
