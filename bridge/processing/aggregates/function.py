"""What every aggregation function can do, and how it gets at the values of events."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeAlias

from bridge.core.errors import ConfigError
from bridge.processing.aggregates.errors import Absent, Unaggregatable, Unfit

if TYPE_CHECKING:
    from bridge.processing.aggregates import counting, folding, numeric, ordered, sequences

At: TypeAlias = tuple[int, int]
"""Timestamp of an event in microseconds, and its sequence, which breaks ties."""

Field: TypeAlias = str | Callable[[Any], Any] | None
"""A column of a mapping, a function of the event's value, or None for the value itself."""


class AggregationFunction(ABC):
    """Makes one value of many, a value at a time; it holds the definition, and no values.

    The values live in a state, which belongs to the caller. ``add``, ``retract`` and ``merge``
    may change the first state they are given, and return the one to go on with. The result depends
    on the values that are present, and not on how they came to be.

    Attributes:
        retracts: whether ``retract`` is possible.
        merges: whether ``merge`` is possible.
    """

    # Filled in by the package: the base does not import its kinds.
    Count: ClassVar[type[counting.Count]]
    CountDistinct: ClassVar[type[counting.CountDistinct]]
    Sum: ClassVar[type[numeric.Sum]]
    Avg: ClassVar[type[numeric.Avg]]
    Quantile: ClassVar[type[ordered.Quantile]]
    Min: ClassVar[type[ordered.Min]]
    Max: ClassVar[type[ordered.Max]]
    TopK: ClassVar[type[ordered.TopK]]
    First: ClassVar[type[sequences.First]]
    Last: ClassVar[type[sequences.Last]]
    Collect: ClassVar[type[sequences.Collect]]
    Fold: ClassVar[type[folding.Fold]]

    retracts: bool = True
    merges: bool = True

    @abstractmethod
    def create(self) -> Any:
        """Return the state of no values."""

    @abstractmethod
    def add(self, state: Any, value: Any, at: At) -> Any:
        """Take the value of an event in.

        Raises:
            Unaggregatable: the function takes no such value, or its column is missing.
        """

    @abstractmethod
    def retract(self, state: Any, value: Any, at: At) -> Any:
        """Take a value back that was added, looking as it did then.

        Args:
            state: holds the value.
            value: of the event that was added.
            at: of the event that was added, if known: it tells equal values apart.

        Raises:
            Unaggregatable: the value is not there, as far as the state can know, or the function
                cannot take values back.
        """

    @abstractmethod
    def merge(self, a: Any, b: Any) -> Any:
        """Return the state of the values of both; ``b`` stays as it is.

        Raises:
            Unaggregatable: their values do not go together, or the function cannot merge.
        """

    @abstractmethod
    def result(self, state: Any) -> Any:
        """Return the aggregate; later changes of the state do not change it."""

    @abstractmethod
    def dump(self, state: Any) -> Any:
        """Return a copy of the state as plain data.

        Values that the state keeps are in it as they came: plain data, if they were.
        """

    @abstractmethod
    def load(self, plain: Any) -> Any:
        """Return the state that ``dump`` copied."""


class FieldState(Protocol):
    """The state of a ``FieldFunction``; ``add`` and ``retract`` change all of it or nothing."""

    def add(self, item: Any, at: At) -> None:
        """Take a value in that is not NULL; raises ``Unfit``."""

    def retract(self, item: Any, at: At) -> None:
        """Take a value back; raises ``Unfit`` and ``Absent``."""

    def merge(self, other: Any) -> None:
        """Take the values of another state in; raises ``Unfit``."""

    def dump(self) -> Any:
        """Return a copy as plain data."""


class FieldFunction(AggregationFunction):
    """A function of one value of each event.

    Args:
        field: which value.
    """

    ignores_null: ClassVar[bool] = True

    def __init__(self, field: Field) -> None:
        self._label = f"{type(self).__name__.lower()}({name_of(field)})"
        self._read = reader(field, self._label)

    def __repr__(self) -> str:
        return f"<{self._label}>"

    @abstractmethod
    def create(self) -> FieldState:
        """Return the state of no values."""

    def add(self, state: FieldState, value: Any, at: At) -> FieldState:
        item = self._read(value)
        if item is not None or not self.ignores_null:
            try:
                state.add(item, at)
            except Unfit as problem:
                raise self._unfit(item, problem) from None
        return state

    def retract(self, state: FieldState, value: Any, at: At) -> FieldState:
        if not self.retracts:
            raise Unaggregatable(
                f"{self._label} cannot take values back: it forgets those that do not count now.",
                remedy="Define it with changelog=True.",
            )
        item = self._read(value)
        if item is not None or not self.ignores_null:
            try:
                state.retract(item, at)
            except Unfit as problem:
                raise self._unfit(item, problem) from None
            except Absent:
                raise self._absent() from None
        return state

    def merge(self, a: FieldState, b: FieldState) -> FieldState:
        try:
            a.merge(b)
        except Unfit as problem:
            raise Unaggregatable(f"{self._label}: values of two states {problem}.") from None
        return a

    def dump(self, state: FieldState) -> Any:
        return state.dump()

    def _absent(self) -> Unaggregatable:
        return Unaggregatable(
            f"{self._label} is to take a value back that was not added to it.",
            remedy="Retract the value that was added, exactly as it was.",
        )

    def _unfit(self, item: Any, problem: Unfit) -> Unaggregatable:
        return Unaggregatable(
            f"{self._label}: a value of type {type(item).__name__} {problem}.",
            remedy="Name another column, or give a function that converts it.",
        )


def name_of(field: Field) -> str:
    """Return how messages call a field."""
    if field is None:
        return "the value"
    return field if isinstance(field, str) else getattr(field, "__name__", type(field).__name__)


def reader(field: Field, label: str) -> Callable[[Any], Any]:
    """Return the function that takes the field out of the value of an event.

    Args:
        field: what to take.
        label: how messages call the aggregation function.

    Raises:
        ConfigError: it is no field.
    """
    if field is None:
        return lambda value: value
    if callable(field):
        return field
    if not isinstance(field, str):
        raise ConfigError(
            f"The field of an aggregation function is a {type(field).__name__}.",
            remedy="Give the name of a column, a function of the event's value, or None.",
        )

    def column(value: Any) -> Any:
        try:
            return value[field]
        except (LookupError, TypeError):
            raise Unaggregatable(
                f"{label}: an event has no column {field!r}.",
                remedy="Check its name; a large column that an update did not change is sent "
                "only with REPLICA IDENTITY FULL.",
            ) from None

    return column
