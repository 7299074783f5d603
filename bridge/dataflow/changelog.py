"""What changelog mode asks for."""

from __future__ import annotations

from typing import Final

from bridge.core.errors import ConfigError
from bridge.core.relation import Relation
from bridge.expressions import Expression

_OF_THE_ROW: Final = {"schema", "table", "row_id"}
"""Properties of an event that are the same when its row is taken back."""


def check_repeatable(expression: Expression) -> None:
    """Check that an expression gives the same for a row when it comes and when it is taken back.

    Raises:
        ConfigError: it reads the old row, or what only this change has.
    """
    foreign = [f"old.{name}" for row, name in expression.columns if row == "old"]
    foreign += [name for name in expression.properties if name not in _OF_THE_ROW]
    if foreign:
        raise ConfigError(
            f"{foreign[0]} is not the same when a row is taken back, as changelog mode does.",
            remedy="Use columns of the new row alone; the old row is read as if it were new.",
        )


def full_identity(relation: Relation) -> str:
    """Return the command after which the server sends whole old rows of a table."""
    table = f"{_quoted(relation.schema)}.{_quoted(relation.table)}"
    return f"Run: ALTER TABLE {table} REPLICA IDENTITY FULL;"


def _quoted(name: str | None) -> str:
    return '"' + (name or "").replace('"', '""') + '"'
