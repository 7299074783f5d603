"""A backlog in a replication slot, from which every contestant starts at the same LSN."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from bridge.core.lsn import Lsn

PUBLICATION = "bench"
_BASE_SLOT = "bench_base"

TABLE = """
CREATE TABLE bench (
    id bigint PRIMARY KEY,
    customer_id integer NOT NULL,
    name text NOT NULL,
    email text NOT NULL,
    amount numeric(12, 2) NOT NULL,
    active boolean NOT NULL,
    created_at timestamptz NOT NULL
)
"""

ROW = """
    {i}, {i} * 7919 % 1000000, 'Customer number ' || lpad({i}::text, 8, '0'),
    'customer.' || {i} || '@example.com', {i} % 1000000 / 100.0, {i} % 3 = 0,
    timestamptz '2024-05-17 08:30:00.123456+00' + {i} * interval '1 second'
"""
"""The values of row number ``{i}``, a bigint: about 106 characters of text."""

_FILL = """
DO $$
BEGIN
    FOR n IN 1..{rows} LOOP
        INSERT INTO bench VALUES ({row});
        IF n % {per_transaction} = 0 THEN
            COMMIT;
        END IF;
    END LOOP;
END
$$
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A backlog that was written.

    Attributes:
        rows: how many there are.
        per_transaction: how many each transaction inserted.
        wal_bytes: how much WAL they took.
    """

    rows: int
    per_transaction: int
    wal_bytes: int

    @property
    def name(self) -> str:
        """What the workload is called on the command line and in the results."""
        return f"tx{self.per_transaction}"


@contextmanager
def backlog(dsn: str, rows: int, per_transaction: int) -> Iterator[Workload]:
    """Write a backlog into a new table behind a new slot; remove all of it at the end."""
    with published_table(dsn), psycopg.connect(dsn, autocommit=True) as session:
        session.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [_BASE_SLOT])
        try:
            begin = _wal_end(session)
            # The last batch may be a short one: it commits with the block.
            fill = _FILL.format(
                rows=rows, row=ROW.format(i="n::bigint"), per_transaction=per_transaction
            )
            session.execute("SET synchronous_commit = off")
            session.execute(fill.encode())
            session.execute("CHECKPOINT")  # what is written back now does not disturb later
            wal_bytes = _wal_end(session) - begin
            yield Workload(rows=rows, per_transaction=per_transaction, wal_bytes=wal_bytes)
        finally:
            session.execute("SELECT pg_drop_replication_slot(%s)", [_BASE_SLOT])


@contextmanager
def published_table(dsn: str) -> Iterator[None]:
    """Create the table and its publication, and drop both at the end."""
    with psycopg.connect(dsn, autocommit=True) as session:
        session.execute(TABLE)
        session.execute(f"CREATE PUBLICATION {PUBLICATION} FOR TABLE bench")
        try:
            yield
        finally:
            session.execute(f"DROP PUBLICATION {PUBLICATION}")
            session.execute("DROP TABLE bench")


@contextmanager
def slot_copy(session: psycopg.Connection[Any], name: str) -> Iterator[str]:
    """Make a slot that stands where the backlog begins, and drop it at the end."""
    session.execute("SELECT pg_copy_logical_replication_slot(%s, %s)", [_BASE_SLOT, name])
    try:
        yield name
    finally:
        drop_slot(session, name)


def drop_slot(session: psycopg.Connection[Any], name: str) -> None:
    """Drop a slot, if it exists, as soon as nobody streams from it any more."""
    session.execute(
        "SELECT pg_terminate_backend(active_pid, 10000) FROM pg_replication_slots"
        " WHERE slot_name = %s AND active",
        [name],
    )
    session.execute(
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s",
        [name],
    )


def _wal_end(session: psycopg.Connection[Any]) -> Lsn:
    row = session.execute("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn").fetchone()
    assert row is not None
    return int(row[0])
