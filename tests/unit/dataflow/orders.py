"""Changes of a table of orders, and processors over it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from bridge.config.inputs import FromConfig
from bridge.config.processors import ProcessorConfig, WindowConfig
from bridge.core.events import CdcEvent, Operation, Texts, Transaction, TruncateEvent
from bridge.core.relation import ReplicaIdentity
from bridge.dataflow import Dataflow, make_dataflows
from bridge.processing.state.results import Result
from tests.fixtures.events import SOURCE, make_relation

SECOND = 1_000_000
MINUTE = 60 * SECOND
DAY = 1440 * MINUTE
START = 1_700_000_040 * SECOND
"""A full minute: 2023-11-14 22:14:00 in UTC."""

COLUMNS = {
    "id": "int8",
    "customer_id": "int4",
    "status": "text",
    "amount": "numeric",
    "weight": "float8",
    "at": "timestamptz",
}
ORDERS = make_relation(COLUMNS, key=["id"], table="orders", replica_identity=ReplicaIdentity.FULL)
OTHERS = make_relation({"id": "int8"}, key=["id"], table="others")
NOTHING: Texts = ()


def order(
    *,
    id: int = 1,
    customer: int | None = 7,
    status: str | None = "paid",
    amount: str | None = "1.50",
    weight: str | None = "0.5",
    at: str | None = "2023-11-14 22:14:00+00",
) -> Texts:
    """Return a row of the table as the server prints it."""
    return (str(id), None if customer is None else str(customer), status, amount, weight, at)


def at(seconds: float) -> str:
    """Return the text of a timestamp, so many seconds after ``START``."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(14 + int(minutes), 60)
    return f"2023-11-14 {22 + hours:02d}:{minutes:02d}:{rest:09.6f}+00"


class Stream:
    """Makes events with rising positions; the commit times are given in seconds after ``START``."""

    def __init__(self) -> None:
        self._lsn = 0x1000

    def _transaction(self, seconds: float) -> Transaction:
        self._lsn += 0x100
        return Transaction(SOURCE, 1, self._lsn, START + int(seconds * SECOND))

    def event(
        self,
        seconds: float,
        operation: Operation,
        new: Texts | None,
        old: Texts | None,
        relation: Any = ORDERS,
    ) -> CdcEvent:
        return CdcEvent(self._transaction(seconds), 0, self._lsn, operation, relation, new, old)

    def insert(self, seconds: float, new: Texts, relation: Any = ORDERS) -> CdcEvent:
        return self.event(seconds, Operation.INSERT, new, None, relation)

    def read(self, new: Texts) -> CdcEvent:
        return self.event(0, Operation.READ, new, None)

    def update(self, seconds: float, old: Texts | None, new: Texts) -> CdcEvent:
        return self.event(seconds, Operation.UPDATE, new, old)

    def delete(self, seconds: float, old: Texts | None) -> CdcEvent:
        return self.event(seconds, Operation.DELETE, None, old)

    def other(self, seconds: float) -> CdcEvent:
        return self.event(seconds, Operation.INSERT, ("1",), None, OTHERS)

    def truncate(self, seconds: float) -> TruncateEvent:
        return TruncateEvent.of(self._transaction(seconds), 0, self._lsn, ORDERS, ())


def config(**settings: Any) -> ProcessorConfig:
    """Return a processor over orders: by default it counts them by customer and minute."""
    given: dict[str, Any] = {
        "name": "orders_per_minute",
        "from_": FromConfig(tables=("public.orders",)),
        "key": ("customer_id",),
        "window": WindowConfig(type="tumbling", size="1m"),
        "aggregates": {"orders": "count()"},
        "to": ("results",),
    }
    return ProcessorConfig(**(given | settings))


def changelog(**settings: Any) -> ProcessorConfig:
    """Return a processor that keeps the sum of the amounts of each customer right."""
    given: dict[str, Any] = {
        "name": "revenue",
        "mode": "changelog",
        "window": WindowConfig(type="global"),
        "aggregates": {"orders": "count()", "revenue": "sum(new.amount)"},
        "emit": "updates",
    }
    return config(**(given | settings))


def dataflow(**settings: Any) -> Dataflow:
    """Return the dataflow of ``config(**settings)``."""
    return make_dataflows([config(**settings)])[0]


def documents(results: Iterable[Result]) -> list[dict[str, Any]]:
    """Return the members of results."""
    return [json.loads(f"{{{result.members}}}") for result in results]


def values(results: Iterable[Result]) -> list[Any]:
    """Return key and values of results: what a test mostly looks at."""
    return [
        (tuple(document["key"].values()), document["values"]) for document in documents(results)
    ]
