"""What depends on the order of values: extremes, the largest few, and quantiles."""

from __future__ import annotations

from decimal import Decimal
from math import ceil, floor, isinf
from typing import Any

from bridge.core.errors import ConfigError
from bridge.processing.aggregates.bags import Bag
from bridge.processing.aggregates.errors import Unfit
from bridge.processing.aggregates.function import Field, FieldFunction


class _OfBag(FieldFunction):
    def load(self, plain: Any) -> Any:
        state: Any = self.create()
        state.load(plain)
        return state


class _Extreme(_OfBag):
    """A value that no other one is beyond.

    Args:
        field: of values that can be compared with each other.
        changelog: whether values can be taken back. Memory: one value; with ``changelog`` every
            different value.
    """

    def __init__(self, field: Field = None, *, changelog: bool = False) -> None:
        super().__init__(field)
        self.retracts = changelog


class Min(_Extreme):
    """The lowest value; None if there are none."""

    def create(self) -> Bag:
        return Bag(lowest=None if self.retracts else 1)

    def result(self, state: Bag) -> Any:
        return next((value for value, _ in state.runs()), None)


class Max(_Extreme):
    """The highest value; None if there are none."""

    def create(self) -> Bag:
        return Bag(highest=None if self.retracts else 1)

    def result(self, state: Bag) -> Any:
        return next((value for value, _ in state.runs_down()), None)


class TopK(_OfBag):
    """The highest values, from the highest; equal ones each count.

    Args:
        field: of values that can be compared with each other.
        k: how many, at most.
        changelog: whether values can be taken back. Memory: ``k`` values; with ``changelog`` every
            different value.

    Raises:
        ConfigError: ``k`` is no number above 0.
    """

    def __init__(self, field: Field, k: int, *, changelog: bool = False) -> None:
        super().__init__(field)
        if type(k) is not int or k < 1:
            raise ConfigError(f"k of {self._label} is {k!r}.", remedy="Give a number above 0.")
        self._k = k
        self.retracts = changelog

    def create(self) -> Bag:
        return Bag(highest=None if self.retracts else self._k)

    def result(self, state: Bag) -> list[Any]:
        values: list[Any] = []
        for value, count in state.runs_down():
            values += [value] * min(count, self._k - len(values))
            if len(values) == self._k:
                break
        return values


class Quantile(_OfBag):
    """``percentile_cont(q)``: a float between the values around the place; None if there are none.

    Numbers are compared as floats, as there. Memory: every different value.

    Args:
        field: of numbers.
        q: from 0 for the lowest to 1 for the highest; 0.5 gives the median.

    Raises:
        ConfigError: ``q`` is not between 0 and 1.
    """

    def __init__(self, field: Field, q: float) -> None:
        super().__init__(field)
        if isinstance(q, bool) or not isinstance(q, int | float) or not 0 <= q <= 1:
            raise ConfigError(
                f"q of {self._label} is {q!r}.", remedy="Give a number from 0 to 1: 0.5 is half."
            )
        self._q = q

    def create(self) -> _Doubles:
        return _Doubles()

    def result(self, state: Bag) -> float | None:
        if not state.size:
            return None
        place = self._q * (state.size - 1)
        low = _at(state, floor(place))
        if floor(place) == ceil(place):
            return low
        high = _at(state, ceil(place))
        return low + (place - floor(place)) * (high - low)


class _Doubles(Bag):
    """Numbers as floats."""

    __slots__ = ()

    def add(self, item: Any, at: object = None, count: int = 1) -> None:
        super().add(_double(item), at, count)

    def retract(self, item: Any, at: object = None) -> None:
        super().retract(_double(item), at)


def _double(number: Any) -> float:
    if not isinstance(number, int | Decimal | float) or isinstance(number, bool):
        raise Unfit("is no number")
    try:
        value = float(number)
    except OverflowError:
        raise Unfit("is out of the range of a double") from None
    if isinf(value) and isinstance(number, Decimal) and number.is_finite():
        raise Unfit("is out of the range of a double")
    return value


def _at(bag: Bag, place: int) -> float:
    """Return the value at a place in the order, from 0."""
    for value, count in bag.runs():
        if place < count:
            return float(value)
        place -= count
    raise IndexError(place)
