"""An event store in a schema of a PostgreSQL database.

It works through a pooler in transaction mode: nothing outlasts a transaction on the server but
what is in the tables. One append at a time, by a lock of the transaction: so global sequences have
no gaps and become visible in their order. What is usual takes one round trip (``append_events`` in
``sql/eventstore/postgres``); what that refuses is decided here, as in every other storage.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Final

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from bridge.core.errors import EnvironmentProblem
from bridge.core.events import Position
from bridge.eventsourcing.appending import already_stored, first_sequence, record
from bridge.eventsourcing.expected_version import ANY, NO_STREAM, STREAM_EXISTS
from bridge.eventsourcing.records import (
    AggregateHead,
    Progress,
    Recorded,
    Segment,
    SnapshotRecord,
    Write,
    recorded,
)
from bridge.postgres.connection import Connection, Database
from bridge.postgres.layout import Layout
from bridge.postgres.pooled_session import DURABLE, PooledSession
from sql import load

_FOLDER: Final = "eventstore/postgres"
_EXPECTED: Final = {ANY: None, NO_STREAM: 0, STREAM_EXISTS: -1}
"""How ``append_events`` is told what has no number."""


class PostgresStorage:
    """Keeps events in tables; see ``EventStorage``.

    Args:
        database: where they are; it may be reached through a pooler.
        schema: of the tables; it is made if there is none.
        publication: that of the bridge, if it is in this database: it must not send the tables.

    Raises:
        EnvironmentProblem: the tables cannot be used, or the publication sends them.
        Transient: the server is away.
    """

    def __init__(
        self,
        database: Database,
        *,
        schema: str = "pgbridge_events",
        publication: str | None = None,
    ) -> None:
        self._database = database
        self._schema = schema
        what = "the event store"
        self._session = PooledSession(database, what, DURABLE)
        self._layout = Layout(_FOLDER, "event_layout", schema, what=what, address=database.address)
        try:
            self._identity = self._open(publication)
        except BaseException:
            self.close()
            raise
        self._append_lock = _lock_key(f"append {self._identity}")
        self._archive_lock = _lock_key(f"archive {self._identity}")

    @property
    def identity(self) -> str:
        """See ``EventStorage``."""
        return self._identity

    def _open(self, publication: str | None) -> str:
        with self._session.transaction("opening") as connection:
            self._refuse_encoding(connection)
            self._layout.bring_up_to_date(connection)
            if publication is not None:
                self._refuse_published(connection, publication)
            row = self._run(connection, "identity").fetchone()
            if row is None:
                row = (secrets.token_hex(16),)
                self._run(connection, "save_identity", identity=row[0])
        (identity,) = row
        return str(identity)

    def _refuse_encoding(self, connection: Connection) -> None:
        row = self._run(connection, "encoding").fetchone()
        assert row is not None
        (encoding,) = row
        if encoding != "UTF8":
            raise EnvironmentProblem(
                f"The database {self._database.address} has the encoding {encoding}, which cannot "
                "hold every event.",
                remedy="Keep the events in a database with ENCODING 'UTF8'.",
            )

    def _refuse_published(self, connection: Connection, publication: str) -> None:
        row = self._run(
            connection, "published", publication=publication, schema=self._schema
        ).fetchone()
        if row == (True,):
            raise EnvironmentProblem(
                f"Publication {publication!r} sends the tables of schema {self._schema!r}: every "
                "event that is stored would be a change for the bridge to read.",
                remedy="Keep the events in another database or in SQLite, or list the tables in "
                "source.tables instead of publishing all of them.",
            )

    def append(self, writes: Sequence[Write], progress: Progress | None = None) -> list[Recorded]:
        """See ``EventStorage``."""
        with self._session.use("appending to") as connection:
            row = self._run(
                connection,
                "append",
                key=self._append_lock,
                **_columns(writes),
                **_progress_values(progress),
            ).fetchone()
        assert row is not None
        number, sequences = row
        if sequences is None:
            return self._append_with_care(writes, progress)
        stored: list[Recorded] = []
        for write, sequence in zip(writes, sequences, strict=True):
            stored += record(write, sequence, number + len(stored))
        return stored

    def _append_with_care(
        self, writes: Sequence[Write], progress: Progress | None
    ) -> list[Recorded]:
        """Append where something is stored already, or an aggregate is not as expected."""
        with self._session.transaction("appending to") as connection:
            self._run(connection, "lock", key=self._append_lock)
            stored, new = self._decide(connection, writes)
            if new:
                with connection.cursor() as cursor:
                    cursor.executemany(self._query("insert"), new)
                types = [event.event_type for event in new]
                places = [event.global_sequence for event in new]
                self._run(connection, "insert_types", types=types, places=places)
            if progress is not None:
                self._run(connection, "save_progress", **_progress_values(progress))
        return stored

    def _decide(
        self, connection: Connection, writes: Sequence[Write]
    ) -> tuple[list[Recorded], list[Recorded]]:
        """Return the events of all writes, and those of them that are new."""
        ids = [event.event_id for write in writes for event in write.events]
        rows = self._run(connection, "stored", ids=ids).fetchall()
        by_id = {event.event_id: event for event in recorded(rows)}
        row = self._run(connection, "last").fetchone()
        assert row is not None
        (last,) = row
        stored: list[Recorded] = []
        new: list[Recorded] = []
        ends: dict[tuple[str, str], int] = {}
        for write in writes:
            own = {e.event_id: by_id[e.event_id] for e in write.events if e.event_id in by_id}
            events = already_stored(write, own)
            if events is None:
                key = write.aggregate_type, write.aggregate_id
                if key not in ends:
                    head = self._head(connection, *key)
                    ends[key] = 0 if head is None else head.last_sequence
                first = first_sequence(write, ends[key])
                events = record(write, first, last + len(new) + 1)
                ends[key] = events[-1].sequence
                by_id.update((event.event_id, event) for event in events)
                new += events
            stored += events
        return stored, new

    def read_aggregate(
        self, aggregate_type: str, aggregate_id: str, after: int, limit: int
    ) -> list[Recorded]:
        """See ``EventStorage``."""
        return self._events(
            "read_aggregate", type=aggregate_type, id=aggregate_id, after=after, limit=limit
        )

    def read_type(self, event_type: str, after: int, limit: int) -> list[Recorded]:
        """See ``EventStorage``."""
        return self._events("read_type", type=event_type, after=after, limit=limit)

    def read_all(self, after: int, limit: int) -> list[Recorded]:
        """See ``EventStorage``."""
        return self._events("read_all", after=after, limit=limit)

    def _events(self, statement: str, **values: object) -> list[Recorded]:
        return recorded(self._rows(statement, **values))

    def head(self, aggregate_type: str, aggregate_id: str) -> AggregateHead | None:
        """See ``EventStorage``."""
        with self._session.use("reading") as connection:
            return self._head(connection, aggregate_type, aggregate_id)

    def _head(
        self, connection: Connection, aggregate_type: str, aggregate_id: str
    ) -> AggregateHead | None:
        row = self._run(connection, "head", type=aggregate_type, id=aggregate_id).fetchone()
        assert row is not None
        last_sequence, archived = row
        if last_sequence is None:
            return None
        return AggregateHead(aggregate_type, aggregate_id, last_sequence, archived)

    def types_of(self, aggregate_id: str) -> tuple[str, ...]:
        """See ``EventStorage``."""
        return tuple(kind for (kind,) in self._rows("types_of", id=aggregate_id))

    def aggregates(self, after: tuple[str, str] | None, limit: int) -> list[AggregateHead]:
        """See ``EventStorage``."""
        kind, own = after or ("", "")
        rows = self._rows("aggregates", type=kind, id=own, limit=limit)
        return [AggregateHead(*row) for row in rows]

    def last(self) -> int:
        """See ``EventStorage``."""
        ((last,),) = self._rows("last")
        return int(last)

    def save_snapshot(self, snapshot: SnapshotRecord) -> None:
        """See ``EventStorage``."""
        with self._session.transaction("storing a snapshot in") as connection:
            connection.execute(self._query("save_snapshot"), snapshot)

    def snapshot(
        self, aggregate_type: str, aggregate_id: str, version: int | None
    ) -> SnapshotRecord | None:
        """See ``EventStorage``."""
        rows = self._rows("snapshot", type=aggregate_type, id=aggregate_id, version=version)
        return SnapshotRecord(*rows[0]) if rows else None

    def progress(self, name: str) -> Progress | None:
        """See ``EventStorage``."""
        rows = self._rows("progress", name=name)
        if not rows:
            return None
        position, source = rows[0]
        return Progress(name, Position.parse(position), source)

    def archive(self, segment: Segment, removed: Sequence[tuple[str, str, int]]) -> None:
        """See ``EventStorage``."""
        names = ("aggregate_type", "aggregate_id", "up_to")
        rows = json.dumps([dict(zip(names, row, strict=True)) for row in removed])
        with self._session.transaction("archiving events of") as connection:
            self._run(connection, "lock", key=self._archive_lock)
            connection.execute(self._query("add_segment"), segment)
            self._run(connection, "mark_archived", removed=rows)
            # The owner has no right to delete events but here; the trigger looks at each of them.
            self._run(connection, "permit_removal")
            self._run(connection, "remove_archived", removed=rows)
            self._run(connection, "refuse_removal")

    def segments(self) -> tuple[Segment, ...]:
        """See ``EventStorage``."""
        return tuple(map(Segment._make, self._rows("segments")))

    def counts(self) -> Mapping[str, int]:
        """See ``EventStorage``."""
        ((events, aggregates, snapshots),) = self._rows("counts")
        return {"events": events, "aggregates": aggregates, "snapshots": snapshots}

    def close(self) -> None:
        """See ``EventStorage``."""
        self._session.close()

    def _rows(self, statement: str, **values: object) -> list[TupleRow]:
        with self._session.use("reading") as connection:
            return self._run(connection, statement, **values).fetchall()

    def _run(
        self, connection: Connection, statement: str, **values: Any
    ) -> psycopg.Cursor[TupleRow]:
        return connection.execute(self._query(statement), values, binary=True)

    def _query(self, statement: str) -> bytes:
        return _statement(statement, self._schema)


def _columns(writes: Sequence[Write]) -> dict[str, str]:
    """Return the events of all writes as ``append_events`` takes them: column by column.

    So the data, which are JSON already, are not encoded once more, nor parsed twice by the server.
    """
    events = [event for write in writes for event in write.events]
    columns = zip(*events, strict=True) if events else [()] * 6
    ids, types, versions, timestamps, data, metadata = columns
    of_write = [n for n, write in enumerate(writes, start=1) for _ in write.events]
    return {
        "writes": json.dumps(list(map(_without_events, writes)), ensure_ascii=False),
        "of_write": _integers(of_write),
        "event_ids": f"{{{','.join(ids)}}}",
        "event_types": json.dumps(types, ensure_ascii=False),
        "versions": _integers(versions),
        "timestamps": _integers(timestamps),
        "data": f"[{','.join(data)}]",
        "metadata": f"[{','.join(metadata)}]",
    }


def _without_events(write: Write) -> dict[str, object]:
    expected = write.expected
    return {
        "aggregate_type": write.aggregate_type,
        "aggregate_id": write.aggregate_id,
        "expected": expected if isinstance(expected, int) else _EXPECTED[expected],
        "events": len(write.events),
    }


def _integers(items: Iterable[int]) -> str:
    return f"{{{str([*items])[1:-1]}}}"  # a list has the same form, but for its brackets


def _progress_values(progress: Progress | None) -> dict[str, str | None]:
    if progress is None:
        return {"name": None, "position": None, "source": None}
    return {
        "name": progress.name,
        "position": str(progress.position),
        "source": progress.source,
    }


def _lock_key(purpose: str) -> int:
    digest = hashlib.sha256(f"pgbridge/events {purpose}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


@cache
def _statement(name: str, schema: str) -> bytes:
    # In a statement with parameters a percent sign stands twice.
    identifier = sql.Identifier(schema.replace("%", "%%"))
    return sql.SQL(load(f"{_FOLDER}/{name}.sql")).format(schema=identifier).as_bytes()
