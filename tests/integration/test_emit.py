"""``emit``: an event in the WAL, with every kind of connection that an application has."""

from __future__ import annotations

import asyncio

import psycopg
import pytest
from psycopg.rows import dict_row, namedtuple_row

from bridge import DomainEvent, emit
from bridge.core.errors import ConfigError
from bridge.core.lsn import parse_lsn
from bridge.eventsourcing import InvalidInput
from tests.fixtures.databases import Database

EVENT = DomainEvent.new("Order", "42", "OrderPaid", {"by": "card", "note": "100 % 'quoted' é"})


def test_an_event_is_written_whatever_rows_look_like_there(newest_database: Database) -> None:
    connection = newest_database.connect()
    places = []
    for factory in (None, dict_row, namedtuple_row):
        if factory is not None:
            connection.row_factory = factory
        places.append(emit(connection, EVENT))
    assert places == sorted(set(places))
    [end] = newest_database.connect().execute("SELECT pg_current_wal_insert_lsn()::text")
    assert places[-1] <= parse_lsn(end[0])


def test_what_no_store_takes_is_not_written(newest_database: Database) -> None:
    connection = newest_database.connect()
    broken = DomainEvent.new("Order", "", "OrderPaid", {})
    with pytest.raises(InvalidInput, match="aggregate_id"):
        emit(connection, broken)


def test_an_asynchronous_connection_is_refused_and_not_taken_for_written(
    newest_database: Database,
) -> None:
    async def wrong() -> None:
        async with await psycopg.AsyncConnection.connect(newest_database.dsn) as connection:
            emit(connection, EVENT)

    with pytest.raises(ConfigError, match="asynchronous"):
        asyncio.run(wrong())
