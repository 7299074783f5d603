"""A sorted multiset: which values there are, in order, and how often each."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from decimal import Decimal
from math import inf, isnan
from typing import Any

from bridge.processing.aggregates.errors import Absent, Unfit
from bridge.processing.aggregates.forms import copied


class Bag:
    """Values that can be compared with each other, in order.

    Numbers are in the order of PostgreSQL: NaN equals NaN and is above all others. Equal numbers
    that look different are kept apart, an integer before decimals of growing scale. Texts are in
    the order of their code points, arrays in that of their elements with NULL last.

    Args:
        lowest: how many values to keep, from below; None for all.
        highest: how many values to keep, from above; None for all.
    """

    __slots__ = ("_counts", "_family", "_highest", "_keys", "_lowest", "_values", "size")

    def __init__(self, *, lowest: int | None = None, highest: int | None = None) -> None:
        self.size = 0
        self._lowest = lowest
        self._highest = highest
        self._family: object = None
        self._keys: list[Any] = []
        self._counts: dict[Any, int] = {}
        self._values: dict[Any, Any] = {}

    def add(self, item: Any, at: object = None, count: int = 1) -> None:
        """Add a value, so many times."""
        family, key = _order(item)
        self._check(family)
        if key in self._counts:
            self._counts[key] += count
        else:
            self._keys.insert(self._place(key), key)
            self._counts[key] = count
            self._values[key] = item
        self._family = family
        self.size += count
        if self._lowest is not None:
            self._shrink_to(self._lowest, -1)
        elif self._highest is not None:
            self._shrink_to(self._highest, 0)

    def retract(self, item: Any, at: object = None) -> None:
        """Take a value away."""
        family, key = _order(item)
        if key not in self._counts or family != self._family:
            raise Absent
        self._remove(key, self._place(key), 1)

    def merge(self, other: Bag) -> None:
        """Add the values of another bag."""
        if other.size:
            self._check(other._family)
        for value, count in other.runs():
            self.add(value, count=count)

    def runs(self) -> Iterator[tuple[Any, int]]:
        """Yield each value with how often it is there, from the lowest."""
        for key in self._keys:
            yield self._values[key], self._counts[key]

    def runs_down(self) -> Iterator[tuple[Any, int]]:
        """Yield each value with how often it is there, from the highest."""
        for key in reversed(self._keys):
            yield self._values[key], self._counts[key]

    def dump(self) -> list[Any]:
        """Return a copy as plain data."""
        return [[copied(value), count] for value, count in self.runs()]

    def load(self, plain: Iterable[Any]) -> None:
        """Add what ``dump`` copied."""
        for value, count in plain:
            self.add(copied(value), count=count)

    def _check(self, family: object) -> None:
        if self.size and family != self._family:
            raise Unfit("cannot be compared with those before it")

    def _place(self, key: Any) -> int:
        try:
            return bisect_left(self._keys, key)
        except TypeError:
            raise Unfit("cannot be compared with those before it") from None

    def _shrink_to(self, limit: int, end: int) -> None:
        """Drop values at an end of the order."""
        while self.size > limit:
            key = self._keys[end]
            self._remove(key, end, min(self._counts[key], self.size - limit))

    def _remove(self, key: Any, place: int, count: int) -> None:
        self.size -= count
        self._counts[key] -= count
        if not self._counts[key]:
            del self._keys[place], self._counts[key], self._values[key]


def _order(item: Any) -> tuple[object, Any]:
    """Return what kind of thing a value is, and its key, by which those of the kind are sorted.

    Raises:
        Unfit: there is no order of such values.
    """
    kind = type(item)
    if kind is str:
        return str, item
    if isinstance(item, int | Decimal | float) and kind is not bool:
        return float, _number_key(item)
    if isinstance(item, list | tuple):
        return list, tuple((1, None) if i is None else (0, *_order(i)) for i in item)
    if isinstance(item, dict):
        raise Unfit("has no order")
    try:
        hash(item)
    except TypeError:
        raise Unfit("has no order") from None
    return kind, item


def _number_key(number: int | Decimal | float) -> tuple[bool, int | Decimal | float, float]:
    """Sort by value, then by look."""
    if isinstance(number, Decimal):
        if number.is_nan():
            return (True, 0, 0)
        exponent = number.as_tuple().exponent
        return (False, number, -exponent if isinstance(exponent, int) else 0)
    if isinstance(number, float):
        return (True, 0, inf) if isnan(number) else (False, float(number), inf)
    return (False, int(number), -inf)
