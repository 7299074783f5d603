"""The names an expression can use for the event, and the nearest right one to a wrong name."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

from bridge.core.events import Operation
from bridge.expressions.types import PG_LSN, TEXT, TIMESTAMPTZ, SqlType

ROWS: Final = ("new", "old")
"""What stands before a column, unless an expression is over several events."""

OPERATIONS: Final = {operation: operation.value.lower() for operation in Operation}

EVENT_NAMES: Final[dict[str, tuple[SqlType, str]]] = {
    "operation": (TEXT, "operations[event.operation]"),
    "schema": (TEXT, "event.relation.schema"),
    "table": (TEXT, "event.relation.table"),
    "row_id": (TEXT, "event.row_id"),
    "transaction_id": (TEXT, "event.transaction_id"),
    "event_id": (TEXT, "event.event_id"),
    "commit_lsn": (PG_LSN, "event.transaction.commit_lsn"),
    "commit_time": (TIMESTAMPTZ, "event.transaction.timestamp"),
}
"""Name to type and how it is read from ``event``. A column of that name is ``new.name``."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a question for the end of an error, or nothing if no known name is near."""
    found = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" (did you mean {found[0]}?)" if found else ""
