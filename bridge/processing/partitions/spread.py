"""What an operator is given, handed on to the partitions of its keys a batch at a time."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Any, Final, Protocol, TypeAlias

from bridge.processing.events import Key
from bridge.processing.partitions.keys import PARTITIONS, partition_of
from bridge.processing.partitions.memory import Content, Partition, PartitionMemory, in_turn
from bridge.processing.watermark import BEGINNING

Told: TypeAlias = list[tuple[tuple[int, ...], Any]]
"""Answers that time made certain, each with its place among those of the same step."""

_Place: TypeAlias = tuple[int, bool, tuple[int, ...], int]
"""By the step that gave it, first what it gave at once, then what its time made certain, by the
place that the content names, then by the number of the partition."""

_place: Final = itemgetter(0)


class KeyedContent(Content, Protocol):
    """A content that takes items in, and lets time pass."""

    def take(self, item: Any) -> Iterable[Any]:
        """Take an item in and return what it gives at once."""

    def advance(self, watermark: int, told: Told) -> None:
        """Let time pass, and add what that makes certain."""


class Spread:
    """Gathers the steps of a batch, and runs them partition by partition.

    A *step* is what an operator is told at once: an event, or a watermark. The answers come as if
    they were run one by one, in the same order; only those of different keys that have the same
    place come in the order of the partitions.

    Args:
        memory: which may be shared with other operators.
        state_name: no other operator that shares the memory has it.
        make: returns a content without anything in it.
    """

    def __init__(
        self, memory: PartitionMemory, state_name: str, make: Callable[[], KeyedContent]
    ) -> None:
        self._memory = memory
        self._partitions = memory.make_partitions(state_name, PARTITIONS, make)
        self._items: dict[int, list[tuple[int, Any]]] = {}
        self._answers: list[tuple[_Place, Any]] = []
        self._marks = [BEGINNING]  # the watermark before the first step, and after each

    def put(self, key: Key, item: Any) -> None:
        """Give the partition of a key an item, as part of this step."""
        self._items.setdefault(partition_of(key), []).append((len(self._marks) - 1, item))

    def answer(self, result: Any) -> None:
        """Add an answer of this step that no partition gives."""
        self._answers.append(((len(self._marks) - 1, False, (), -1), result))

    def end_step(self, watermark: int) -> None:
        """End this step; the next one begins with this watermark."""
        self._marks.append(watermark)

    def run(self) -> list[tuple[int, Any]]:
        """Run the steps since the last call; return each answer with the number of its step."""
        marks, self._marks = self._marks, self._marks[-1:]
        items, self._items = self._items, {}
        answers, self._answers = self._answers, []
        for number in in_turn(self._partitions, items, marks[-1]):
            partition = self._partitions[number]
            content: KeyedContent = self._memory.use(partition)
            mine = items.get(number, ())
            for step, item in mine:
                _pass_time(content, marks, step, number, answers)
                answers += [((step, False, (), number), result) for result in content.take(item)]
            _pass_time(content, marks, len(marks) - 1, number, answers)
            self._memory.changed(partition, len(mine))
        answers.sort(key=_place)
        return [(place[0], result) for place, result in answers]

    def change_all(self, change: Callable[[Any], None]) -> None:
        """Change the content of each partition that has one; there are no steps to run."""
        for partition in self._partitions:
            if partition.content is not None or partition.stored is not None:
                change(self._memory.use(partition))
                self._memory.replaced(partition)

    def counts(self) -> Sequence[int]:
        """Return what is in all partitions together, without loading anything."""
        return [sum(column) for column in zip(*map(_counts, self._partitions), strict=True)]

    def describe(self) -> list[list[Any]]:
        """Return where the partitions are, as plain data; there are no steps to run."""
        assert not self._items
        return [partition.describe() for partition in self._partitions]

    def restore(self, described: Iterable[list[Any]], watermark: int) -> None:
        """Take over what :meth:`describe` returned, at that watermark."""
        self._begin(watermark)
        for partition, plain in zip(self._partitions, described, strict=True):
            self._memory.give_up(partition)
            partition.restore(plain)

    def load(self, parts: Iterable[tuple[int, Any]], watermark: int) -> None:
        """Take over what a state in one piece holds for each partition, at that watermark."""
        self._begin(watermark)
        for partition in self._partitions:
            self._memory.give_up(partition)
        for number, plain in parts:
            partition = self._partitions[number]
            self._memory.use(partition).load(plain)
            self._memory.replaced(partition)

    def _begin(self, watermark: int) -> None:
        self._marks, self._items, self._answers = [watermark], {}, []


def _counts(partition: Partition) -> list[int]:
    counted: list[int] = partition.describe()[3:]
    return counted


def _pass_time(
    content: KeyedContent,
    marks: list[int],
    until: int,
    number: int,
    answers: list[tuple[_Place, Any]],
) -> None:
    """Let time pass until a mark, step by step where there is something to do."""
    while content.due <= marks[until]:
        at = bisect_left(marks, content.due, 0, until)
        told: Told = []
        content.advance(marks[at], told)
        answers += [((at - 1, True, place, number), result) for place, result in told]
