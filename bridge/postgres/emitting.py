"""Writes events into the WAL: in the application's own transaction, without a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from bridge.core.errors import ConfigError
from bridge.core.lsn import Lsn, parse_lsn
from bridge.eventsourcing.emitted import PREFIX, encode_emitted
from bridge.eventsourcing.events import DomainEvent
from sql import load


class SqlConnection(Protocol):
    """A connection of ``psycopg``, ``psycopg2``, or of a framework that hands out theirs."""

    def cursor(self) -> Any: ...


def emit(connection: SqlConnection, event: DomainEvent) -> Lsn:
    """Write an event into the WAL, for projections with ``messages: true``.

    It is part of the transaction that is open on the connection: it comes when that commits, and
    does not come when that is rolled back. PostgreSQL 14 and newer send it.

    Args:
        connection: of the application, not asynchronous.
        event: with an ``event_id`` of its own, as ``DomainEvent.new`` gives it; the store gives it
            its sequence.

    Returns:
        where in the WAL it stands. ``bridge.core.lsn.format_lsn`` gives the form of SQL.

    Raises:
        InvalidInput: no store takes the event.
        ConfigError: the connection is asynchronous.
    """
    arguments = {"prefix": PREFIX, "content": encode_emitted(event)}
    made = connection.cursor()
    if not hasattr(made, "__enter__"):
        raise ConfigError(
            "emit was given an asynchronous connection.",
            remedy="Give it one that is not, such as psycopg.connect returns.",
        )
    with made as cursor:
        cursor.execute(load("events/emit.sql"), arguments)
        row = cursor.fetchone()
    return parse_lsn(next(iter(row.values())) if isinstance(row, Mapping) else row[0])
