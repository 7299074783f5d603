"""The settings that say which changes a processor looks at, and how it reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

RowOperation: TypeAlias = Literal["insert", "update", "delete", "read"]

COMMIT_TIME: Final = "commit"
PROCESSING_TIME: Final = "processing"

EXPRESSION: Final[dict[str, Any]] = {"min_length": 1}
"""Metadata of a field that holds an SQL expression."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FromConfig:
    """Which changes a processor looks at.

    Attributes:
        tables: names or patterns such as ``sales.*``; in changelog mode the name of one table.
        operations: ``insert``, ``update``, ``delete`` and ``read`` (existing rows); ``insert`` and
            ``read`` by default, every one in changelog mode.
    """

    tables: tuple[str, ...] = field(metadata={"min_length": 1})
    operations: tuple[RowOperation, ...] | None = field(default=None, metadata={"min_length": 1})


@dataclass(frozen=True, slots=True, kw_only=True)
class InputConfig(FromConfig):
    """Changes with what belongs together and when: one of the two inputs of a join.

    Attributes:
        where: an SQL condition over the row; what is unknown does not hold.
        key: what belongs together: columns or SQL expressions, as a list or by the name that
            results give them.
        time: what the time of an event is: ``commit`` (time), ``processing`` (time), or an SQL
            expression such as ``new.created_at``.
    """

    where: str | None = field(default=None, metadata=EXPRESSION)
    key: tuple[str, ...] | Mapping[str, str] = ()
    time: str = field(default=COMMIT_TIME, metadata=EXPRESSION)
