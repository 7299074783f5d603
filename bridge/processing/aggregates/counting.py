"""How many there are."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from bridge.processing.aggregates.errors import Absent
from bridge.processing.aggregates.forms import equal_form
from bridge.processing.aggregates.function import Field, FieldFunction


class _Tally:
    """A number of values."""

    __slots__ = ("count",)

    def __init__(self, count: int = 0) -> None:
        self.count = count

    def add(self, item: Any, at: object) -> None:
        self.count += 1

    def retract(self, item: Any, at: object) -> None:
        if not self.count:
            raise Absent
        self.count -= 1

    def merge(self, other: _Tally) -> None:
        self.count += other.count

    def dump(self) -> int:
        return self.count


class Count(FieldFunction):
    """How many values are not NULL; without a field, how many events there are.

    Memory: constant.
    """

    def __init__(self, field: Field = None) -> None:
        super().__init__(events if field is None else field)

    def create(self) -> _Tally:
        return _Tally()

    def result(self, state: _Tally) -> int:
        return state.count

    def load(self, plain: Any) -> _Tally:
        return _Tally(plain)


def events(value: Any) -> bool:
    return True


class _Tallies:
    """How often each value is there, by its form."""

    __slots__ = ("counts",)

    def __init__(self) -> None:
        self.counts: dict[Hashable, int] = {}

    def add(self, item: Any, at: object) -> None:
        form = equal_form(item)
        self.counts[form] = self.counts.get(form, 0) + 1

    def retract(self, item: Any, at: object) -> None:
        form = equal_form(item)
        count = self.counts.get(form)
        if count is None:
            raise Absent
        if count > 1:
            self.counts[form] = count - 1
        else:
            del self.counts[form]

    def merge(self, other: _Tallies) -> None:
        for form, count in other.counts.items():
            self.counts[form] = self.counts.get(form, 0) + count

    def dump(self) -> list[Any]:
        return [[form, count] for form, count in self.counts.items()]


class CountDistinct(FieldFunction):
    """How many different values there are, NULL not counted.

    Equal is what SQL calls equal: 1 and 1.0, NaN and NaN, documents with the same members in
    another order. Memory: every different value.
    """

    def __init__(self, field: Field = None) -> None:
        super().__init__(field)

    def create(self) -> _Tallies:
        return _Tallies()

    def result(self, state: _Tallies) -> int:
        return len(state.counts)

    def load(self, plain: Any) -> _Tallies:
        state = _Tallies()
        state.counts = dict(plain)
        return state
