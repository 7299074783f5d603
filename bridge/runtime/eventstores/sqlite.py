"""Events in a SQLite file: the storage that needs nothing else.

The file refuses changes of events by itself: it has triggers. Other processes may read it, and
append to it, at the same time; SQLite lets one of them write at a time.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final

import sql
from bridge.core.errors import EnvironmentProblem, Transient
from bridge.core.events import Position
from bridge.eventsourcing.appending import already_stored, first_sequence, record
from bridge.eventsourcing.errors import ConcurrencyConflict
from bridge.eventsourcing.records import (
    AggregateHead,
    Progress,
    Recorded,
    Segment,
    SnapshotRecord,
    Write,
)
from bridge.runtime.eventstores.sqlite_blocks import Row, body_of, divide, events_of
from bridge.runtime.sqlite_file import FileLocked, SqliteFile, no_access

_ROWS: Final = 25
"""How many one statement adds at most. It keeps few statements, and beginning one takes time."""


class SqliteStorage:
    """Keeps events in a file; see ``EventStorage``.

    Args:
        path: of the file; it and its directory are made if they do not exist. On a local disk.

    While another program has locked it for longer than SQLite waits, it is away: what writes then
    raises ``Transient``. Who reads never waits.

    Raises:
        EnvironmentProblem: the file cannot be used.
    """

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise no_access(path.parent, error) from error
        self._file = SqliteFile(
            path,
            layout="eventstore/sqlite",
            when_lost="the store then begins anew, without the events that were in it",
        )
        try:
            with self._file.transaction() as connection:
                connection.execute(_load("open"), {"identity": secrets.token_hex(16)})
                (self._identity,) = connection.execute(_load("identity")).fetchone()
        except BaseException:
            self._file.close()
            raise

    @property
    def identity(self) -> str:
        """See ``EventStorage``."""
        identity: str = self._identity
        return identity

    def append(self, writes: Sequence[Write], progress: Progress | None = None) -> list[Recorded]:
        """See ``EventStorage``.

        Whether events are stored already is not asked at first: the file has a unique index that
        tells. Only if it does, or if an expectation fails, everything is done with a closer look.
        """
        try:
            return self._append(writes, progress, closely=False)
        except (sqlite3.IntegrityError, ConcurrencyConflict):
            return self._append(writes, progress, closely=True)

    def _append(
        self, writes: Sequence[Write], progress: Progress | None, *, closely: bool
    ) -> list[Recorded]:
        with self._writing() as connection:
            appending = _Appending(connection)
            answer = [event for write in writes for event in appending.add(write, closely=closely)]
            appending.end()
            if progress is not None:
                name, position, source = progress
                connection.execute(_load("save_progress"), (name, str(position), source))
        return answer

    def read_aggregate(
        self, aggregate_type: str, aggregate_id: str, after: int, limit: int
    ) -> list[Recorded]:
        """See ``EventStorage``."""
        values = {"aggregate_type": aggregate_type, "aggregate_id": aggregate_id, "after": after}
        with self._blocks("read_aggregate", values) as blocks:
            return _first(limit, (events_of(block, after_sequence=after) for block in blocks))

    def read_type(self, event_type: str, after: int, limit: int) -> list[Recorded]:
        """See ``EventStorage``."""
        with self._blocks("read_type", {"event_type": event_type, "after": after}) as blocks:
            pages = (events_of(block, after=after) for block in blocks)
            return _first(limit, (_of_type(event_type, page) for page in pages))

    def read_all(self, after: int, limit: int) -> list[Recorded]:
        """See ``EventStorage``."""
        with self._blocks("read_all", {"after": after}) as blocks:
            return _first(limit, (events_of(block, after=after) for block in blocks))

    def head(self, aggregate_type: str, aggregate_id: str) -> AggregateHead | None:
        """See ``EventStorage``."""
        found = self._rows("head", (aggregate_type, aggregate_id))
        return AggregateHead(*found[0]) if found else None

    def types_of(self, aggregate_id: str) -> tuple[str, ...]:
        """See ``EventStorage``."""
        return tuple(kind for (kind,) in self._rows("types_of", (aggregate_id,)))

    def aggregates(self, after: tuple[str, str] | None, limit: int) -> list[AggregateHead]:
        """See ``EventStorage``."""
        kind, key = after or ("", "")  # before every other pair: no type is empty
        return [AggregateHead(*row) for row in self._rows("aggregates", (kind, key, limit))]

    def last(self) -> int:
        """See ``EventStorage``."""
        ((last,),) = self._rows("last", ())
        return int(last)

    def save_snapshot(self, snapshot: SnapshotRecord) -> None:
        """See ``EventStorage``."""
        with self._writing() as connection:
            connection.execute(_load("save_snapshot"), snapshot._asdict())

    def snapshot(
        self, aggregate_type: str, aggregate_id: str, version: int | None
    ) -> SnapshotRecord | None:
        """See ``EventStorage``."""
        values = {
            "aggregate_type": aggregate_type,
            "aggregate_id": aggregate_id,
            "version": version,
        }
        found = self._rows("snapshot", values)
        return SnapshotRecord(*found[0]) if found else None

    def progress(self, name: str) -> Progress | None:
        """See ``EventStorage``."""
        found = self._rows("progress", (name,))
        if not found:
            return None
        ((name, position, source),) = found
        try:
            return Progress(name, Position.parse(position), source)
        except ValueError:
            raise EnvironmentProblem(
                f"{self._file.path} does not say how far the projection {name} has come: the "
                "position in it was changed.",
                remedy="Restore the file.",
            ) from None

    def archive(self, segment: Segment, removed: Sequence[tuple[str, str, int]]) -> None:
        """See ``EventStorage``."""
        aggregates = [
            {"aggregate_type": kind, "aggregate_id": key, "up_to": up_to}
            for kind, key, up_to in removed
        ]
        with self._writing() as connection:
            connection.execute(_load("add_segment"), segment)
            connection.executemany(_load("archive_aggregate"), aggregates)
            connection.executemany(_load("remove_ids"), aggregates)
            connection.executemany(_load("remove_blocks"), aggregates)

    def segments(self) -> tuple[Segment, ...]:
        """See ``EventStorage``."""
        return tuple(Segment(*row) for row in self._rows("segments", ()))

    def counts(self) -> Mapping[str, int]:
        """See ``EventStorage``."""
        ((events, aggregates, snapshots),) = self._rows("counts", ())
        return {"events": events, "aggregates": aggregates, "snapshots": snapshots}

    def close(self) -> None:
        """See ``EventStorage``."""
        self._file.close()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._file.transaction() as connection:
                yield connection
        except FileLocked as error:
            raise Transient(error.message, remedy=error.remedy) from error

    @contextmanager
    def _blocks(self, statement: str, values: Mapping[str, object]) -> Iterator[Iterator[Row]]:
        with self._file.reading() as connection:
            blocks = connection.execute(_load(statement), values)
            try:
                yield blocks
            finally:
                blocks.close()  # it may not have come to its end

    def _rows(self, statement: str, values: Any) -> list[tuple[Any, ...]]:
        with self._file.reading() as connection:
            return connection.execute(_load(statement), values).fetchall()


class _Appending:
    """The writes of one append, in its transaction.

    Args:
        connection: inside the transaction.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._run = connection.execute
        self._run_each = connection.executemany
        (self._last,) = self._run(_load("last")).fetchone()
        self._ends: dict[tuple[str, str], tuple[int, int]] = {}  # aggregate: number, last sequence
        # What is decided on and not stored yet, as rows of the tables.
        self._blocks: list[tuple[int, int, int, int, str]] = []
        self._types: list[tuple[str, int]] = []
        self._ids: list[str] = []

    def add(self, write: Write, *, closely: bool) -> list[Recorded]:
        """Decide on a write and return its events. With ``closely``, look for those stored already.

        Raises:
            ConcurrencyConflict: the aggregate is not as expected.
            EventIdTaken: an event_id belongs to another event.
        """
        if closely and (found := already_stored(write, self._stored(write))):
            return found
        key = write.aggregate_type, write.aggregate_id
        number, actual = self._ends.get(key) or self._end_of(key)
        sequence = first_sequence(write, actual)
        if not number:
            number = self._run(_load("add_aggregate"), key).lastrowid or 0
        events = record(write, sequence, self._last + 1)
        self._ends[key] = number, events[-1].sequence
        for block in divide(write.events):
            first = self._last + 1
            self._blocks.append((first, number, sequence, len(block), body_of(block)))
            self._types += [(event_type, first) for event_type in {e.event_type for e in block}]
            self._ids += [event.event_id for event in block]
            sequence += len(block)
            self._last += len(block)
        return events

    def end(self) -> None:
        """Store what was decided on."""
        self._run_each(_load("add_block"), self._blocks)
        self._run_each(_load("add_type"), self._types)
        first = self._last - len(self._ids) + 1
        for start in range(0, len(self._ids), _ROWS):
            ids = self._ids[start : start + _ROWS]
            self._run(_add_ids(len(ids)), [first + start, *ids])
        self._blocks.clear()
        self._types.clear()
        self._ids.clear()

    def _end_of(self, key: tuple[str, str]) -> tuple[int, int]:
        found: tuple[int, int] | None = self._run(_load("end_of_aggregate"), key).fetchone()
        return found or (0, 0)

    def _stored(self, write: Write) -> dict[str, Recorded]:
        self.end()
        ids = {event.event_id for event in write.events}
        blocks = self._run(_load("stored"), {"ids": json.dumps([*ids])})
        return {e.event_id: e for block in blocks for e in events_of(block) if e.event_id in ids}


@cache
def _add_ids(number: int) -> str:
    rows = ", ".join(f"(?{n + 2}, ?1 + {n})" for n in range(number))
    return f"{_load('add_ids')} {rows}"


def _first(limit: int, pages: Iterable[list[Recorded]]) -> list[Recorded]:
    found: list[Recorded] = []
    for page in pages:
        found += page
        if len(found) >= limit:
            break
    return found[:limit]


def _of_type(event_type: str, events: list[Recorded]) -> list[Recorded]:
    return [event for event in events if event.event_type == event_type]


def _load(statement: str) -> str:
    return sql.load(f"eventstore/sqlite/{statement}.sql")
