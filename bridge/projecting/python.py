"""Projections that are written in Python: a typed function with ``@projection``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from bridge.config.inputs import RowOperation
from bridge.config.projections import ProjectionConfig
from bridge.core.errors import BridgeError, ConfigError
from bridge.core.events import CdcEvent, Operation
from bridge.core.relation import Relation
from bridge.core.table_patterns import TablePattern
from bridge.dataflow.places import at_place
from bridge.eventsourcing.events import DomainEvent
from bridge.projecting.happening import Happening, OldValues, Rejection, happening_of
from sinks.routing import load_function

Told: TypeAlias = "DomainEvent | Iterable[DomainEvent] | None"

EVERY_CHANGE: Final[tuple[RowOperation, ...]] = ("insert", "update", "delete", "read")


@dataclass(frozen=True, kw_only=True)
class PythonProjection:
    """A function with its definition; it can be called as before.

    Attributes are the arguments of :func:`projection`, and ``function``.
    """

    function: Callable[[CdcEvent], Told]
    tables: tuple[str, ...]
    operations: tuple[RowOperation, ...]
    old_rows: bool

    def __call__(self, event: CdcEvent) -> Told:
        """Return what the function makes of a change."""
        return self.function(event)


def projection(
    *,
    tables: Sequence[str],
    operations: Sequence[RowOperation] = EVERY_CHANGE,
    old_rows: bool = False,
) -> Callable[[Callable[[CdcEvent], Told]], PythonProjection]:
    """Make a projection of a function from a change to an event, several, or none.

    The function has to give the same for the same change. Of the events, ``event_id``,
    ``timestamp`` and sequences are given by the bridge: what ``DomainEvent.new`` puts there does
    not count.

    Args:
        tables: names or patterns.
        operations: which changes.
        old_rows: whether it reads rows as they were before an update or a delete: the tables then
            need REPLICA IDENTITY FULL, and the bridge does not start without.
    """

    def define(function: Callable[[CdcEvent], Told]) -> PythonProjection:
        return PythonProjection(
            function=function,
            tables=tuple(tables),
            operations=tuple(operations),
            old_rows=old_rows,
        )

    return define


def find_projection(config: ProjectionConfig, place: str) -> PythonProjection:
    """Return the definition that ``python`` names.

    Raises:
        ConfigError: with the place, if there is none.
    """
    assert config.python is not None
    with at_place(f"{place}.python"):
        found: object = load_function(config.python, role="projection")
        if not isinstance(found, PythonProjection):
            raise ConfigError(
                f"{config.python} has no @projection.", remedy="Import it from bridge."
            )
        for table in found.tables:
            TablePattern.parse(table, setting=config.python)
    return found


class PythonEvents:
    """The events of a function.

    Args:
        definition: of the function.
    """

    def __init__(self, definition: PythonProjection) -> None:
        self._definition = definition
        self._operations = {Operation[name.upper()] for name in definition.operations}
        self._patterns = [TablePattern.parse(it, setting="tables") for it in definition.tables]
        self.tables: Sequence[str] = definition.tables
        self.old_values = OldValues(frozenset(), "old rows" if definition.old_rows else None)

    def selects(self, relation: Relation) -> bool:
        """See ``EventSource``."""
        schema, table = relation.schema, relation.table
        return (
            schema is not None
            and table is not None
            and any(pattern.matches(schema, table) for pattern in self._patterns)
        )

    def check(self, relation: Relation) -> None:
        """Do nothing: a function says what it lacks when it gets a change."""

    def project(self, event: CdcEvent) -> list[Happening]:
        """See ``EventSource``."""
        if event.operation not in self._operations:
            return []
        try:
            told = self._definition.function(event)
            events = [told] if isinstance(told, DomainEvent) else list(told or ())
        except BridgeError:
            raise
        except Exception as error:  # without its text, which may quote a value
            raise Rejection(f"the function failed with {type(error).__name__}") from None
        for found in events:
            if not isinstance(found, DomainEvent):
                raise Rejection(f"the function gave a {type(found).__name__}, not a DomainEvent")
        return [happening_of(found, placed=False) for found in events]
