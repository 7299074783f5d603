"""Changelog mode in the running bridge: the last results are what a query of the table gives."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import psycopg

from tests.e2e.conftest import MakeBridge
from tests.fixtures.databases import Database

_CATCH_UP_S = 60.0
SINKS = [{"type": "file", "name": "results"}]
REVENUE = {
    "name": "revenue_by_customer",
    "from": {"tables": ["public.sales"]},
    "where": "status <> 'draft'",
    "key": ["customer_id"],
    "mode": "changelog",
    "window": {"type": "global"},
    "aggregates": {"orders": "count()", "revenue": "sum(amount)", "last": "max(sold_at)"},
    "emit": "updates",
    "to": ["results"],
}
DAILY = {
    "name": "orders_by_day",
    "from": {"tables": ["public.sales"]},
    "mode": "changelog",
    "time": "sold_at",
    "window": {"type": "tumbling", "size": "1d", "timezone": "Europe/Berlin"},
    "aggregates": {"orders": "count()", "amounts": "collect(amount)"},
    "emit": "updates",
    "allowed_lateness": "900d",
    "to": ["results"],
}
TABLE = """
    CREATE TABLE sales (
        id int PRIMARY KEY,
        customer_id int,
        status text NOT NULL,
        amount numeric NOT NULL,
        sold_at timestamptz NOT NULL
    )
"""
BY_CUSTOMER = """
    SELECT customer_id, count(*), sum(amount), (extract(epoch FROM max(sold_at)) * 1000000)::int8
    FROM sales WHERE status <> 'draft' GROUP BY customer_id
"""
BY_DAY = """
    SELECT (extract(epoch FROM date_trunc('day', sold_at, 'Europe/Berlin')) * 1000000)::int8,
           count(*), array_agg(amount ORDER BY amount)
    FROM sales GROUP BY 1
"""


def change(connection: psycopg.Connection[Any], choose: random.Random, numbers: range) -> None:
    for number in numbers:
        row = (
            number,
            choose.choice([None, 1, 2, 3]),
            choose.choice(["draft", "paid"]),
            Decimal(choose.randrange(10_000)) / 100,
            f"2026-03-{choose.randrange(27, 32)} {choose.randrange(24):02d}:30:00+00",
        )
        connection.execute("INSERT INTO sales VALUES (%s, %s, %s, %s, %s)", row)
        victim = choose.randrange(number + 1)
        if choose.random() < 0.5:
            connection.execute(
                "UPDATE sales SET customer_id = %s, amount = %s, status = %s WHERE id = %s",
                (row[1], row[3], row[2], victim),
            )
        if choose.random() < 0.3:
            connection.execute(
                "UPDATE sales SET sold_at = sold_at - interval '20 hours' WHERE id = %s", (victim,)
            )
        if choose.random() < 0.2:
            connection.execute("DELETE FROM sales WHERE id = %s", (victim,))


def asked(connection: psycopg.Connection[Any]) -> Any:
    customers = connection.execute(BY_CUSTOMER).fetchall()
    days = connection.execute(BY_DAY).fetchall()
    return {row[0]: row[1:] for row in customers}, {row[0]: row[1:] for row in days}


def told(connection: psycopg.Connection[Any], results: list[dict[str, Any]]) -> Any:
    """Return what the latest result of each window says, without those of no rows."""
    latest: dict[Any, dict[str, Any]] = {}
    for result in results:
        place = (result["processor"], result["key"].get("customer_id"), result["window"]["start"])
        if place not in latest or latest[place]["revision"] < result["revision"]:
            latest[place] = result
    customers, days = {}, {}
    for (processor, customer, start), result in latest.items():
        values = result["values"]
        if values["orders"] and processor == "orders_by_day":
            days[start] = (values["orders"], sorted(map(Decimal, values["amounts"])))
        elif values["orders"]:
            us = connection.execute(
                "SELECT (extract(epoch FROM %s::timestamptz) * 1000000)::int8", (values["last"],)
            ).fetchone()
            assert us is not None
            customers[customer] = (values["orders"], Decimal(values["revenue"]), us[0])
    return customers, days


def test_sums_follow_the_table_through_updates_deletes_truncates_and_kills(
    newest_database: Database, make_bridge: MakeBridge
) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    choose = random.Random(seed)
    connection = newest_database.connect()
    connection.execute(TABLE)
    bridge = make_bridge(
        newest_database.dsn,
        tables=["public.sales"],
        sinks=SINKS,
        processors=[REVENUE, DAILY],
        source={"snapshot": "initial"},
    )
    bridge.start()
    assert bridge.process.wait(30) == 3
    assert 'ALTER TABLE "public"."sales" REPLICA IDENTITY FULL;' in bridge.stderr

    connection.execute("ALTER TABLE sales REPLICA IDENTITY FULL")
    change(connection, choose, range(100))  # these come with the snapshot
    bridge.start().wait_until_logged("stream_started")
    results = bridge.delivered("results").events
    for first in (100, 200, 300):
        change(connection, choose, range(first, first + 100))
        bridge.kill()
        bridge.start()
        if first == 200:
            connection.execute("TRUNCATE sales")
    expected = asked(connection)
    assert expected[0]
    bridge.until(
        lambda: told(connection, results()) == expected, "the results are the table", _CATCH_UP_S
    )
    assert bridge.terminate() == 0
