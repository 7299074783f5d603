"""Events that a sink can never accept, kept on disk until somebody decides about them.

A parked event is settled: the stream goes on, and the server may forget it. This file is then the
only place where it exists.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import sql
from bridge.core.errors import EnvironmentProblem
from bridge.core.events import CdcEvent, Operation, Position
from bridge.core.lsn import Lsn, parse_lsn
from bridge.core.portable import NotPortable, from_portable, to_portable
from bridge.runtime.state_file import StateFile

_PAGE = 500
_MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A parked event, without its values.

    Attributes:
        id: number of the entry.
        sink: name of the sink that refused it.
        event_id: of the event.
        position: of the event.
        operation: what happened.
        schema: of the table; None for a logical message.
        table: name of the table; None for a logical message.
        reason: why it was refused.
        attempts: how often it was tried.
        parked_at: when, in microseconds since the Unix epoch.
        replayed_at: when the sink accepted it after all; None if it waits.
        size_bytes: of its JSON form.
    """

    id: int
    sink: str
    event_id: str
    position: Position
    operation: Operation
    schema: str | None
    table: str | None
    reason: str
    attempts: int
    parked_at: int
    replayed_at: int | None
    size_bytes: int


Page: TypeAlias = list[DeadLetter]
"""Entries in the order of their positions."""


class DeadLetterStore:
    """The dead letters of one state directory. Any thread may call it.

    Every method raises ``EnvironmentProblem`` when the file cannot be read or written.

    Args:
        file: the open state file.
    """

    def __init__(self, file: StateFile) -> None:
        self._file = file

    def park(
        self,
        sink: str,
        event: CdcEvent,
        native_json: bytes,
        reason: str,
        attempts: int,
        now: float,
    ) -> None:
        """Store an event; return when it is durable.

        An event that comes again, after a crash, replaces its entry and waits again.

        Args:
            sink: that refused it.
            event: as it was given to the sink.
            native_json: its native form, for people and other programs to read.
            reason: why it was refused.
            attempts: how often it was tried.
            now: seconds since the Unix epoch.
        """
        position = event.position
        row = {
            "sink": sink,
            "event_id": event.event_id,
            "commit_lsn": _sortable(position.commit_lsn),
            "ordinal": position.ordinal,
            "operation": event.operation.value,
            "schema_name": _storable(event.schema),
            "table_name": _storable(event.table),
            "reason": _storable(reason),
            "attempts": attempts,
            "parked_at": _microseconds(now),
            "native": native_json,
            "portable": json.dumps(to_portable(event)).encode("ascii"),
        }
        with self._file.transaction() as connection:
            connection.execute(sql.load("dead_letters/park.sql"), row)

    def list(
        self, sink: str | None = None, limit: int | None = None, *, with_replayed: bool = False
    ) -> Page:
        """Return entries in the order of their positions.

        Args:
            sink: of one sink only.
            limit: at most so many.
            with_replayed: also those that were replayed.
        """
        found: Page = []
        for page in self._pages(sink, with_replayed):
            found += page
            if limit is not None and len(found) >= limit:
                return found[:limit]
        return found

    def waiting(self, sink: str) -> Iterator[Page]:
        """Yield the entries of a sink that were not replayed, by position, in pages.

        Entries may be marked or parked in between.
        """
        return self._pages(sink, with_replayed=False)

    def get(self, letter_id: int) -> DeadLetter | None:
        """Return one entry; None if there is no such."""
        with self._file.reading() as connection:
            row = connection.execute(sql.load("dead_letters/get.sql"), {"id": letter_id}).fetchone()
        return None if row is None else _letter(row)

    def native_json(self, letter_id: int) -> bytes:
        """Return the native JSON form of an entry, which has to exist."""
        return self._payload(letter_id)[0]

    def event(self, letter_id: int) -> CdcEvent:
        """Return the event of an entry, which has to exist, as it was parked.

        Raises:
            EnvironmentProblem: the entry is damaged, or was written by another version.
        """
        try:
            return from_portable(json.loads(self._payload(letter_id)[1]))
        except (NotPortable, ValueError) as error:
            raise EnvironmentProblem(
                f"Dead letter {letter_id} in {self._file.path} cannot be read.",
                remedy=f"Its JSON form is shown by: pgbridge dlq show {letter_id}",
            ) from error

    def replayed(self, letter_id: int, now: float) -> None:
        """Mark an entry: the sink has it durably. ``now`` is in seconds since the Unix epoch."""
        with self._file.transaction() as connection:
            connection.execute(
                sql.load("dead_letters/replayed.sql"),
                {"id": letter_id, "replayed_at": _microseconds(now)},
            )

    def purge(
        self,
        sink: str | None = None,
        *,
        letter_id: int | None = None,
        before: float | None = None,
        with_waiting: bool = False,
    ) -> int:
        """Delete entries, those that fit every argument; return how many.

        Args:
            sink: of one sink only.
            letter_id: one entry only.
            before: parked before this, in seconds since the Unix epoch.
            with_waiting: also those that were never replayed; they are lost then.
        """
        with self._file.transaction() as connection:
            return connection.execute(
                sql.load("dead_letters/purge.sql"),
                {
                    "sink": sink,
                    "id": letter_id,
                    "before": None if before is None else _microseconds(before),
                    "with_waiting": with_waiting,
                },
            ).rowcount

    def count(self) -> dict[str, int]:
        """Return how many entries wait, by sink; sinks without any are left out."""
        with self._file.reading() as connection:
            return dict(connection.execute(sql.load("dead_letters/count.sql")).fetchall())

    def _pages(self, sink: str | None, with_replayed: bool) -> Iterator[Page]:
        after: tuple[str, int, int] = ("", 0, 0)
        while True:
            with self._file.reading() as connection:
                rows = connection.execute(
                    sql.load("dead_letters/list.sql"),
                    {
                        "sink": sink,
                        "with_replayed": with_replayed,
                        "after_lsn": after[0],
                        "after_ordinal": after[1],
                        "after_id": after[2],
                        "limit": _PAGE,
                    },
                ).fetchall()
            if not rows:
                return
            page = [_letter(row) for row in rows]
            last = page[-1]
            after = (_sortable(last.position.commit_lsn), last.position.ordinal, last.id)
            yield page

    def _payload(self, letter_id: int) -> tuple[bytes, bytes]:
        with self._file.reading() as connection:
            row = connection.execute(
                sql.load("dead_letters/payload.sql"), {"id": letter_id}
            ).fetchone()
        if row is None:
            raise KeyError(letter_id)
        native, portable = row
        return native, portable


def _letter(row: tuple[Any, ...]) -> DeadLetter:
    (letter_id, sink, event_id, commit_lsn, ordinal, operation, schema, table, reason, attempts,
     parked_at, replayed_at, size_bytes) = row  # fmt: skip
    return DeadLetter(
        id=letter_id,
        sink=sink,
        event_id=event_id,
        position=Position(parse_lsn(commit_lsn), ordinal),
        operation=Operation(operation),
        schema=schema,
        table=table,
        reason=reason,
        attempts=attempts,
        parked_at=parked_at,
        replayed_at=replayed_at,
        size_bytes=size_bytes,
    )


def _sortable(lsn: Lsn) -> str:
    """Return the text form of an LSN with leading zeros: still one for ``parse_lsn``."""
    return f"{lsn >> 32:08X}/{lsn & 0xFFFFFFFF:08X}"


def _storable(text: str | None) -> str | None:
    """Return the text as one that UTF-8 can hold; only for what people read."""
    return None if text is None else text.encode("utf-8", "backslashreplace").decode("utf-8")


def _microseconds(now: float) -> int:
    return round(now * _MICROSECONDS)
