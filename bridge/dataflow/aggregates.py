"""Aggregates of a definition: SQL calls such as ``sum(new.amount)``, checked by their SQL types."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final, Literal, Protocol, TypeAlias

from bridge.core.errors import ConfigError
from bridge.core.events import CdcEvent
from bridge.core.relation import Relation
from bridge.dataflow.places import at_place
from bridge.expressions.calls import AGGREGATES, AggregateCall, read_call
from bridge.expressions.conversion import texts_of
from bridge.expressions.operands import Double, Operand
from bridge.expressions.types import (
    BPCHAR,
    DATE,
    INTERVAL,
    JSON,
    NAMED,
    NUMBERS,
    PG_LSN,
    TEXT,
    TIME,
    TIMESTAMP,
    TIMESTAMPTZ,
    UUID,
    SqlType,
)
from bridge.processing.aggregates import AggregationFunction

Shape: TypeAlias = Literal["number", "item", "list"]
Make: TypeAlias = Callable[..., AggregationFunction]

_ORDERED: Final = (
    *NUMBERS, TEXT, BPCHAR, DATE, TIME, TIMESTAMP, TIMESTAMPTZ, PG_LSN, UUID
)  # fmt: skip
_AS_TEXT: Final = (TEXT, BPCHAR, NAMED)


class Aggregates(Protocol):
    """The aggregates of a processor.

    Attributes:
        functions: by name in results.
    """

    @property
    def functions(self) -> Mapping[str, AggregationFunction]: ...

    def value(self, event: CdcEvent) -> Any:
        """Return what the functions read of an event.

        Raises:
            EvaluationError: there is no value.
            Rejection: there is no value that the functions take.
        """

    def check(self, relation: Relation) -> None:
        """Check the types of the arguments when a relation is seen first.

        Raises:
            ConfigError: with the place, if a function does not take what it is given.
        """

    def show(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the values of results in the forms of events."""

    def dump(self) -> Any:
        """Return what has to outlive a restart, as plain data."""

    def load(self, plain: Any) -> None:
        """Take over what :meth:`dump` returned."""


@dataclass(frozen=True, slots=True)
class _Function:
    """What is known of an aggregation function of SQL.

    Attributes:
        make: from the field and the parameter, if there is one, to the function.
        shape: what its result is made of: a number, a value of its argument's type, or a list.
        forgets: whether it keeps all values only with ``changelog=True``.
        types: of its argument; None for any.
        operand: how its argument is computed.
    """

    make: Make
    shape: Shape
    forgets: bool = False
    types: tuple[SqlType, ...] | None = None
    operand: type[Operand] = Operand


_OF: Final = AggregationFunction
_FUNCTIONS: Final[Mapping[str, _Function]] = {
    "count": _Function(_OF.Count, "number"),
    "count_distinct": _Function(_OF.CountDistinct, "number"),
    "sum": _Function(_OF.Sum, "number", types=NUMBERS),
    "avg": _Function(_OF.Avg, "number", types=NUMBERS),
    "min": _Function(_OF.Min, "item", True, _ORDERED),
    "max": _Function(_OF.Max, "item", True, _ORDERED),
    "first": _Function(_OF.First, "item", True),
    "last": _Function(_OF.Last, "item", True),
    "collect": _Function(_OF.Collect, "list", True),
    "top_k": _Function(_OF.TopK, "list", True, _ORDERED),
    "quantile": _Function(_OF.Quantile, "number", operand=Double),
}


@dataclass(slots=True)
class _Aggregate:
    """One aggregate.

    Attributes:
        place: in the configuration.
        text: as written.
        known: its function.
        operand: its argument; None if it has none.
        function: what computes it.
        type: of the argument, once a relation was seen.
    """

    place: str
    text: str
    known: _Function
    operand: Operand | None
    function: AggregationFunction
    type: SqlType | None = None


class SqlAggregates:
    """Aggregates that are written as calls.

    The value of an event is a tuple with what each argument is. An argument has one type in all
    tables of the processor, so no value comes that does not go with those before it.

    Args:
        calls: name in results to call.
        place: where they stand in the configuration.
        changelog: whether values are taken back.

    Raises:
        ConfigError: with the place, if one is no call of an aggregate.
    """

    def __init__(self, calls: Mapping[str, str], *, place: str, changelog: bool) -> None:
        self._aggregates: dict[str, _Aggregate] = {}
        operands: list[Operand] = []
        for name, text in calls.items():
            with at_place(f"{place}.{name}"):
                call = read_call(text)
                known = _FUNCTIONS[call.function]
                operand = known.operand(call.arguments[0]) if call.arguments else None
                function = _made(call, known, operand, len(operands), changelog=changelog)
            if operand is not None:
                operands.append(operand)
            self._aggregates[name] = _Aggregate(f"{place}.{name}", text, known, operand, function)
        self.operands: Mapping[str, Operand] = {
            aggregate.place: aggregate.operand
            for aggregate in self._aggregates.values()
            if aggregate.operand is not None
        }
        self._operands = tuple(operands)
        self.functions: Mapping[str, AggregationFunction] = {
            name: aggregate.function for name, aggregate in self._aggregates.items()
        }

    def value(self, event: CdcEvent) -> tuple[Any, ...]:
        return tuple([operand(event) for operand in self._operands])

    def check(self, relation: Relation) -> None:
        for aggregate in self._aggregates.values():
            if aggregate.operand is None:
                continue
            with at_place(aggregate.place, remedy="Let tables name the tables that it is about."):
                found = aggregate.operand.type_of(relation)
                _check_type(aggregate, found, relation)
            aggregate.type = found

    def show(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        return {name: _shown(self._aggregates[name], value) for name, value in values.items()}

    def dump(self) -> list[str | None]:
        return [a.type.name if a.type is not None else None for a in self._aggregates.values()]

    def load(self, plain: Sequence[str | None]) -> None:
        for aggregate, name in zip(self._aggregates.values(), plain, strict=True):
            aggregate.type = None if name is None else SqlType(name)


def _made(
    call: AggregateCall, known: _Function, operand: Operand | None, index: int, *, changelog: bool
) -> AggregationFunction:
    settings: dict[str, Any] = {"changelog": True} if known.forgets and changelog else {}
    if operand is None:
        return known.make()
    field = itemgetter(index)
    if len(call.arguments) == 1:
        return known.make(field, **settings)
    if call.function == "quantile":
        return known.make(field, _number(call, float), **settings)
    number = _number(call, int)
    if call.function == "collect":
        return known.make(field, limit=number, **settings)
    return known.make(field, number, **settings)


def _number(call: AggregateCall, kind: type[int] | type[float]) -> Any:
    try:
        return kind(call.arguments[1])
    except ValueError:
        takes, _ = AGGREGATES[call.function]
        raise ConfigError(
            "the second argument is no number.", remedy=f"Write {takes} with a number."
        ) from None


def _check_type(aggregate: _Aggregate, found: SqlType, relation: Relation) -> None:
    operand, types = aggregate.operand, aggregate.known.types
    assert operand is not None
    what = f"{aggregate.text} over {relation.qualified_name}: {operand.text} is {found}"
    if types is not None and found not in types:
        takes = "numbers" if types is NUMBERS else "what has an order of its own"
        cast = "numeric" if types is NUMBERS else "text"
        raise ConfigError(
            f"{what}, and this aggregate takes {takes}.",
            remedy=f"Cast it, such as ({operand.text})::{cast}.",
        )
    if aggregate.known.make is _OF.CountDistinct and found in (JSON, INTERVAL):
        raise ConfigError(
            f"{what}, of which it cannot be said which are equal.",
            remedy=f"Cast it, such as ({operand.text})::text.",
        )
    before = aggregate.type
    if before is not None and _family(before) != _family(found):
        raise ConfigError(
            f"{what}, and was {before} before.",
            remedy="Cast it so that it is the same in all tables; another version of the processor "
            "begins anew.",
        )


def _family(sql_type: SqlType) -> str:
    if sql_type in NUMBERS:
        return "number"
    return "text" if sql_type in _AS_TEXT else sql_type.name


def _shown(aggregate: _Aggregate, value: Any) -> Any:
    """Return a value that was computed with as an event would have it."""
    found, shape = aggregate.type, aggregate.known.shape
    if value is None or shape == "number" or found is None:
        return value
    if found is INTERVAL or found.name == INTERVAL.name or found.name.endswith("[]"):
        return value  # of these the operand gives the text
    output = texts_of(found).output
    if output is None:
        return value
    if shape == "item":
        return output(value)
    return [None if item is None else output(item) for item in value]
