"""Late events and timed-out partial matches in the running bridge, of SQL and of Python."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.e2e.conftest import MakeBridge
from tests.fixtures.databases import Database
from tests.fixtures.delivered import Event

SCHEMA = """
CREATE TABLE orders (id int8 PRIMARY KEY, amount numeric NOT NULL, at timestamptz NOT NULL);
CREATE TABLE payments (
    id int8 PRIMARY KEY, order_id int8, amount numeric NOT NULL, at timestamptz NOT NULL
);
"""
PROCESSORS: list[dict[str, Any]] = [
    {
        "name": "orders_per_minute",
        "from": {"tables": ["public.orders"]},
        "time": "new.at",
        "window": {"type": "tumbling", "size": "1m"},
        "aggregates": {"orders": "count()"},
        "out_of_orderness": "0s",
        "to": ["results"],
        "late_to": ["late"],
    },
    {
        "python": "tests.fixtures.shop_processors:missing_payment",
        "to": ["results"],
        "late_to": ["late"],
    },
    {
        "python": "tests.fixtures.shop_processors:paid_in_two",
        "to": ["results"],
        "timed_out_to": ["incomplete"],
    },
]


def told(events: list[Event]) -> list[Any]:
    """Return what results say, in the order in which they are."""
    return [
        (
            event["processor"],
            event.get("side"),
            event["change"]["new_values"]["id"] if "change" in event else event.get("values"),
        )
        for event in events
    ]


def test_side_outputs_come_once_each_also_after_kills(
    newest_database: Database, make_bridge: MakeBridge
) -> None:
    connection = newest_database.connect()
    connection.execute(SCHEMA)
    names = ("results", "late", "incomplete")
    bridge = make_bridge(
        newest_database.dsn,
        tables=("public.orders", "public.payments"),
        sinks=[{"type": "file", "name": name} for name in ("changes", *names)],
        processors=PROCESSORS,
    )
    results, late, incomplete = (bridge.delivered(name).events for name in names)
    # Ahead of the server's clock, which moves time while the database is idle.
    start = datetime.now(UTC) + timedelta(hours=1)

    def order(id: int, minutes: float) -> None:
        at = start + timedelta(minutes=minutes)
        connection.execute("INSERT INTO orders VALUES (%s, 10, %s)", (id, at))

    def payment(id: int, order_id: int, amount: int, minutes: float) -> None:
        at = start + timedelta(minutes=minutes)
        connection.execute("INSERT INTO payments VALUES (%s, %s, %s, %s)",
                           (id, order_id, amount, at))  # fmt: skip

    bridge.start().wait_until_logged("stream_started")
    order(1, 0)
    payment(1, 1, 4, 0.5)
    bridge.until(lambda: len(results()) == 1, "what is missing of the first order")
    bridge.kill()
    order(2, 10)
    payment(2, 2, 10, 10)
    order(3, 0)
    bridge.start()
    bridge.until(lambda: len(late()) == 2 and len(incomplete()) == 1, "what came late or timed out")
    bridge.kill()
    bridge.start().wait_until_logged("stream_started")
    payment(3, 2, 10, 10.5)
    payment(4, 9, 10, 30)
    bridge.until(lambda: len(results()) == 3, "a payment in two parts")
    assert bridge.terminate() == 0

    assert sorted(told(late())) == [
        ("missing_payment", "left", 3),
        ("orders_per_minute", None, 3),
    ]
    assert {event["type"] for event in late()} == {"late_event"}
    [lost] = incomplete()
    assert (lost["type"], lost["key"]) == ("pattern_timeout", {"order_id": 1})
    assert lost["events"] == {"part": [{"payment": 1}]}
    types = [event["type"] for event in results()]
    assert sorted(types) == ["join_result", "pattern_match", "window_result"]
