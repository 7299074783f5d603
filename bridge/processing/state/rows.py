"""How the stores with tables write what they are given."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final, TypeAlias

from bridge.core.errors import EnvironmentProblem
from bridge.core.events import Position
from bridge.processing.state.results import Result
from bridge.processing.state.store import RESTORE_REMEDY

ResultRow: TypeAlias = tuple[str, str, str, int, bytes | None, bytes, str]
"""id, type, processor, timestamp, row_id, members, sinks."""

_PART_BYTES: Final = 8 << 20
"""Far below what databases take as one value (SQLite 1 GB, PostgreSQL 1 GiB)."""


def result_row(result: Result) -> ResultRow:
    """Return the result as a row.

    Keys and members are bytes: a text of the source may hold what a text of the store cannot.
    """
    return (
        result.id,
        result.type,
        result.processor,
        result.timestamp,
        None if result.row_id is None else result.row_id.encode("utf-8", "surrogatepass"),
        result.members.encode("utf-8", "surrogatepass"),
        json.dumps(result.sinks),
    )


def row_result(row: ResultRow) -> Result:
    """Return the result that ``result_row`` made this of."""
    identifier, kind, processor, timestamp, row_id, members, sinks = row
    return Result(
        identifier,
        kind,
        processor,
        timestamp,
        None if row_id is None else row_id.decode("utf-8", "surrogatepass"),
        members.decode("utf-8", "surrogatepass"),
        tuple(json.loads(sinks)),
    )


def position_text(position: Position | None) -> str | None:
    """Return a position as ``parse_position`` reads it."""
    return None if position is None else str(position)


def parse_position(text: str | None) -> Position | None:
    """Return the position that was stored.

    Raises:
        EnvironmentProblem: the text was changed.
    """
    try:
        return None if text is None else Position.parse(text)
    except ValueError as error:
        raise EnvironmentProblem(
            f"The stored position of stream processing is damaged: {error}.",
            remedy=RESTORE_REMEDY,
        ) from error


def parts(data: bytes) -> Iterator[bytes]:
    """Cut an encoded state into parts that every store takes as one value."""
    for start in range(0, len(data), _PART_BYTES):
        yield data[start : start + _PART_BYTES]
