"""The rows that exist when the slot is created, as ``Read`` events.

They are read in the snapshot that the slot's creation exports, so that each row is either among
them or comes through the stream, never both and never neither
(https://www.postgresql.org/docs/current/logicaldecoding-explanation.html). The texts come from
``COPY ... TO STDOUT`` in a session with the same formatting settings as the stream's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import psycopg
import structlog
from psycopg import sql

from bridge.core.errors import EnvironmentProblem
from bridge.core.events import CdcEvent, EventBatch, Operation, Source, Transaction
from bridge.core.lsn import Lsn
from bridge.core.relation import Relation, make_columns
from bridge.core.types import BUILTIN_TYPES
from bridge.core.values import ValueStyle
from bridge.postgres.catalog import Catalog, PublishedTable
from bridge.postgres.connection import Database
from bridge.postgres.server_errors import explain
from decoders.copy_text import parse_copy_line

log = structlog.get_logger()

_BATCH_EVENTS = 2_000
_BATCH_BYTES = 1 << 20
_PROGRESS_ROWS = 100_000
_MAX_ROWS = 1 << 32  # the bits of the ordinal in the event_id


class Snapshot:
    """Reads tables in an exported snapshot. It lives as long as its session.

    Args:
        database: where to connect.
        name: of the exported snapshot; imported here, so that the exporter may go on afterwards.
        source: of the events.
        style: how numbers are written.
        lsn: the slot's consistent point: what the rows are the state of.
        base_lsn: a WAL position before every commit that the slot will stream; with the number of
            the row it makes the position of the events.
        timestamp: of the events, in microseconds since 1970.
    """

    def __init__(
        self,
        database: Database,
        name: str,
        *,
        source: Source,
        style: ValueStyle,
        lsn: Lsn,
        base_lsn: Lsn,
        timestamp: int,
    ) -> None:
        self._style = style
        self._lsn = lsn
        self._transaction = Transaction(source, None, base_lsn, timestamp)
        self._connection = database.connect()
        self._catalog = Catalog(self._connection)
        try:
            self._connection.execute("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            self._connection.execute(
                sql.SQL("SET TRANSACTION SNAPSHOT {}").format(sql.Literal(name))
            )
        except psycopg.Error as error:
            self._connection.close()
            raise explain(error, doing="importing the slot's snapshot") from error

    def close(self) -> None:
        """End the session."""
        self._connection.close()

    def tables(self, publication: str) -> list[PublishedTable]:
        """Return the tables to read, as they were when the slot was created."""
        return self._catalog.published_tables(publication)

    def batches(self, tables: Sequence[PublishedTable]) -> Iterator[EventBatch]:
        """Read the tables one after the other.

        Raises:
            Transient: the connection was lost. The snapshot is gone with it: start over.
            EnvironmentProblem: the account may not read a table.
        """
        ordinal = 0
        for table in tables:
            table_log = log.bind(table=table.qualified_name)
            table_log.info("snapshot_table_started", estimated_rows=table.estimated_rows)
            first, noted = ordinal, 0
            for batch in self._table(table, ordinal):
                ordinal += len(batch)
                if ordinal > _MAX_ROWS:
                    raise EnvironmentProblem(
                        f"The snapshot has more than {_MAX_ROWS:,} rows, which is as far as "
                        "events are numbered.",
                        remedy="Snapshot the tables in several parts: one slot and one state.dir "
                        "for each.",
                    )
                if ordinal - first - noted >= _PROGRESS_ROWS:
                    noted = ordinal - first
                    table_log.info("snapshot_progress", rows=noted)
                yield batch
            table_log.info("snapshot_table_finished", rows=ordinal - first)

    def _table(self, table: PublishedTable, ordinal: int) -> Iterator[EventBatch]:
        relation = self._relation(table)
        count = len(relation.columns)
        transaction, lsn = self._transaction, self._lsn
        events: list[CdcEvent] = []
        size = 0
        command = sql.SQL("COPY ({}) TO STDOUT").format(table.query())
        try:
            with self._connection.cursor() as cursor, cursor.copy(command) as copy:
                for line in copy:
                    row = parse_copy_line(bytes(line), count)
                    events.append(
                        CdcEvent(transaction, ordinal, lsn, Operation.READ, relation, row, None)
                    )
                    ordinal += 1
                    size += len(line)
                    if len(events) >= _BATCH_EVENTS or size >= _BATCH_BYTES:
                        yield EventBatch(events, (), size)
                        events, size = [], 0
        except psycopg.Error as error:
            raise explain(error, doing=f"reading table {table.qualified_name}") from error
        if events:
            yield EventBatch(events, (), size)

    def _relation(self, table: PublishedTable) -> Relation:
        user_defined = {c.type_oid for c in table.columns} - BUILTIN_TYPES.keys()
        types = {**BUILTIN_TYPES, **(self._catalog.types(user_defined) if user_defined else {})}
        described = [(c.name, c.type_oid, c.type_modifier, c.in_identity) for c in table.columns]
        return Relation(
            oid=table.oid,
            schema=table.schema,
            table=table.table,
            replica_identity=table.replica_identity,
            columns=make_columns(described, types, self._style),
            primary_key=table.primary_key,
        )
