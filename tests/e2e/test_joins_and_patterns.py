"""Joins with a table and patterns in the running bridge, from the existing rows on."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.conftest import MakeBridge
from tests.fixtures.bridge_process import BridgeProcess
from tests.fixtures.databases import Database
from tests.fixtures.delivered import Event

SCHEMA = """
CREATE TABLE customers (id int8 PRIMARY KEY, name text NOT NULL, city text);
CREATE TABLE orders (id int8 PRIMARY KEY, customer text, amount numeric NOT NULL);
INSERT INTO customers VALUES (1, 'Ada', 'Bern'), (2, 'Bob', 'Chur');
INSERT INTO orders VALUES (100, 'Ada', 1);
"""
WITH_CUSTOMER = {
    "name": "with_customer",
    "join": {"type": "table", "how": "left"},
    "left": {"tables": ["public.orders"], "key": ["customer"]},
    "right": {"tables": ["public.customers"], "key": ["name"]},
    "select": {"order": "left.id", "city": "right.city"},
    "to": ["results"],
}
GROWING = {
    "name": "growing",
    "from": {"tables": ["public.orders"], "operations": ["insert"]},
    "key": ["customer"],
    "pattern": {
        "within": "1h",
        "steps": [
            {"begin": "small", "where": "new.amount < 5"},
            {"followed_by": "large", "where": "new.amount > 100 * last(small.amount)"},
        ],
    },
    "to": ["results"],
}


def with_processors(dsn: str, make_bridge: MakeBridge, **settings: Any) -> BridgeProcess:
    return make_bridge(
        dsn,
        **{
            "tables": ("public.customers", "public.orders"),
            "sinks": [{"type": "file", "name": "changes"}, {"type": "file", "name": "results"}],
            "processors": [WITH_CUSTOMER, GROWING],
            "source": {"snapshot": "initial"},
            **settings,
        },
    )


def cities(results: list[Event]) -> dict[int, str | None]:
    return {
        result["values"]["order"]: result["values"]["city"]
        for result in results
        if result["type"] == "join_result"
    }


@pytest.mark.parametrize("memory", [{}, {"max_buffer_memory_mb": 1}], ids=["whole", "limited"])
def test_orders_find_their_customer_and_patterns_their_events_also_after_a_kill(
    memory: dict[str, int], newest_database: Database, make_bridge: MakeBridge
) -> None:
    connection = newest_database.connect()
    connection.execute(SCHEMA)
    bridge = with_processors(newest_database.dsn, make_bridge, processing=memory)
    bridge.start().wait_until_logged("stream_started")
    connection.execute("INSERT INTO orders VALUES (1, 'Ada', 1), (2, 'Eve', 1)")
    connection.execute("UPDATE customers SET name = 'Eve' WHERE id = 1")
    connection.execute("INSERT INTO orders VALUES (3, 'Ada', 2), (4, 'Eve', 2)")
    results = bridge.delivered("results").events
    bridge.until(lambda: len(cities(results())) >= 4, "four joined orders")
    bridge.kill()
    connection.execute("DELETE FROM customers WHERE id = 2")
    connection.execute("INSERT INTO orders VALUES (5, 'Bob', 3), (6, 'Eve', 150)")
    bridge.start()
    bridge.until(lambda: {r["type"] for r in results()} >= {"pattern_match"}, "a match")
    bridge.until(lambda: len(cities(results())) >= 6, "six joined orders")
    assert bridge.terminate() == 0
    assert cities(results()) == {1: "Bern", 2: None, 3: None, 4: "Bern", 5: None, 6: "Bern"}
    [match] = [result for result in results() if result["type"] == "pattern_match"]
    assert match["key"] == {"customer": "Eve"}
    assert {step: [row["id"] for row in rows] for step, rows in match["events"].items()} == {
        "small": [2],
        "large": [6],
    }


@pytest.mark.parametrize("snapshot", ["initial", "never"])
def test_a_join_with_a_table_whose_rows_do_not_come_is_refused(
    newest_database: Database, make_bridge: MakeBridge, snapshot: str
) -> None:
    connection = newest_database.connect()
    connection.execute(SCHEMA)
    source = {"snapshot": snapshot}
    bridge = with_processors(newest_database.dsn, make_bridge, processors=[GROWING], source=source)
    if snapshot == "initial":
        bridge.start().wait_until_logged("stream_started")
        assert bridge.terminate() == 0
    bridge.settings["processors"] = [WITH_CUSTOMER, GROWING]
    assert bridge.start().wait() != 0
    assert "needs the rows of public.customers" in bridge.stderr
