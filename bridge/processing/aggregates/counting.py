"""How many there are."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from bridge.processing.aggregates.errors import Absent
from bridge.processing.aggregates.forms import equal_form
from bridge.processing.aggregates.function import At, Field, FieldFunction


class Count(FieldFunction):
    """How many values are not NULL; without a field, how many events there are.

    Memory: constant.
    """

    def __init__(self, field: Field = None) -> None:
        super().__init__(events if field is None else field)
        self._counts_all = field is None

    # The state is the number itself: most processors count, and this is the quickest.

    def create(self) -> Any:
        return 0

    def add(self, state: Any, value: Any, at: At) -> Any:
        return state + 1 if self._counts_all or self._read(value) is not None else state

    def retract(self, state: Any, value: Any, at: At) -> Any:
        if self._read(value) is None:
            return state
        if not state:
            raise self._absent()
        return state - 1

    def merge(self, a: Any, b: Any) -> Any:
        return a + b

    def result(self, state: Any) -> Any:
        return state

    def dump(self, state: Any) -> Any:
        return state

    def load(self, plain: Any) -> int:
        return int(plain)


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
