"""Which partitions are in memory, and what has to be stored of them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

from bridge.processing.partitions.sizes import identities, size_of
from bridge.processing.watermark import END

_ROOM: Final = 0.75
"""This share of the limit is left when room is made, so that many are stored in one step."""

_MEASURED_FROM: Final = 16_384
"""In bytes. What may have grown by less is not looked at again."""

_LEAST_GROWTH: Final = 100.0
_FIRST_GROWTH: Final = 400.0
"""In bytes for each event: the least that is assumed, and what is, before it was measured."""


class PartitionStore(Protocol):
    """Where partitions are that are not in memory.

    Both raise:
        EnvironmentProblem: the store cannot be used.
    """

    def load(self, name: str) -> Any:
        """Return the state that was saved last under this name."""

    def save(self, states: Mapping[str, Any]) -> None:
        """Keep plain data by name, at once; each is asked for once, when it is its turn."""


class Content(Protocol):
    """What an operator keeps for the keys of one partition.

    Attributes:
        due: the watermark at which there is something to do without an event.
    """

    @property
    def due(self) -> int: ...
    def dump(self) -> Any: ...
    def load(self, plain: Any) -> None: ...
    def count(self) -> tuple[int, ...]: ...


class Partition:
    """A part of the state of one operator.

    It is stored under one of two names in turn: the one that the last checkpoint counts on stays
    as it is until the next.

    Args:
        name: the beginning of these names.
        growth: of this operator.

    Attributes:
        content: None while it is in the store alone.
        due: of the content.
        counted: what is in it, as ``count`` of the content says, when it was described last.
        stored: where the latest stored content is, ``a`` or ``b``; None for nowhere.
        kept: the same in the last checkpoint.
        changed: whether the content differs from what is stored there.
        size: in bytes, as measured last.
        grown: by how many bytes it may have grown since.
    """

    __slots__ = (
        "_growth",
        "_name",
        "changed",
        "content",
        "counted",
        "due",
        "events",
        "kept",
        "size",
        "stored",
    )

    def __init__(self, name: str, growth: Growth) -> None:
        self._name = name
        self._growth = growth
        self.content: Content | None = None
        self.due = END
        self.counted = growth.nothing
        self.stored: str | None = None
        self.kept: str | None = None
        self.changed = False
        self.size = 0
        self.events = 0

    @property
    def grown(self) -> int:
        return int(self.events * self._growth.per_event)

    @property
    def place(self) -> str | None:
        """Where the next checkpoint has it."""
        return (self.stored or "a") if self.changed else self.stored

    def stored_name(self, place: str) -> str:
        """Return the name of the state that is kept there."""
        return f"{self._name}{place}"

    def measure(self) -> None:
        """Find out how large it is."""
        size = size_of(self.content, self._growth.shared)
        if self.events and size >= self.size:  # it shrinks when windows end
            self._growth.learn((size - self.size) / self.events)
        self.size, self.events = size, 0

    def make(self) -> Content:
        """Return a content without anything in it."""
        return self._growth.make()

    def describe(self) -> list[Any]:
        """Return where it is and what is known of it, as plain data."""
        if self.changed:
            assert self.content is not None
            self.counted = self.content.count()
        return [self.place, self.due, self.size + self.grown, *self.counted]

    def restore(self, plain: list[Any]) -> None:
        """Take over what :meth:`describe` returned; the content is in the store."""
        self.content, self.changed, self.events = None, False, 0
        self.stored, self.due, self.size, *counted = plain
        self.kept = self.stored
        self.counted = tuple(counted)


class Growth:
    """How much memory an event of an operator takes, learned from what was measured.

    Args:
        make: returns a content without anything in it.
    """

    def __init__(self, make: Callable[[], Content]) -> None:
        self.make = make
        self._empty = make()
        self.nothing = self._empty.count()
        self.shared = identities(self._empty)
        self.per_event = _FIRST_GROWTH

    def learn(self, per_event: float) -> None:
        """Take note of what was measured."""
        self.per_event = max(_LEAST_GROWTH, (self.per_event + per_event) / 2)


class PartitionMemory:
    """Keeps the partitions of all operators in memory as far as a limit allows.

    Those that were used last stay. The others are saved, if they have changed, and loaded again
    when they are asked for. What is saved between two checkpoints counts only with the next one:
    so a crash leaves what the last one counts on.

    Sizes are estimates: a partition is measured again when it may have grown by half.

    Args:
        limit_bytes: of all together; the one in use is kept in any case.
        store: where the others are.
    """

    def __init__(self, limit_bytes: int, store: PartitionStore) -> None:
        self._limit = limit_bytes
        self._store = store
        self._used = 0
        self._present: OrderedDict[Partition, None] = OrderedDict()
        self._all: list[Partition] = []

    def make_partitions(self, name: str, count: int, make: Callable[[], Any]) -> list[Partition]:
        """Make the partitions of an operator, all empty.

        Args:
            name: of its state.
            count: how many.
            make: returns an empty content.
        """
        growth = Growth(make)
        made = [Partition(f"{name}/{number:02}", growth) for number in range(count)]
        self._all += made
        return made

    def use(self, partition: Partition) -> Any:
        """Return the content of a partition, loading it if need be."""
        content = partition.content
        if content is None:
            content = partition.make()
            if partition.stored is not None:
                content.load(self._store.load(partition.stored_name(partition.stored)))
            partition.content = content
            self._used += partition.size
        self._present[partition] = None
        self._present.move_to_end(partition)
        self._make_room()
        return content

    def changed(self, partition: Partition, events: int) -> None:
        """Take note that the partition in use has taken in so many events, or none and changed."""
        assert partition.content is not None
        partition.changed = True
        partition.due = partition.content.due
        before = partition.size + partition.grown
        partition.events += events
        if partition.grown > max(partition.size // 2, _MEASURED_FROM):
            partition.measure()
        self._used += partition.size + partition.grown - before
        self._make_room()

    def replaced(self, partition: Partition) -> None:
        """Take note that the partition in use holds something else now."""
        self._used -= partition.size + partition.grown
        partition.events = 0
        partition.measure()
        self._used += partition.size
        self.changed(partition, 0)

    def give_up(self, partition: Partition) -> None:
        """Drop the content of a partition, whose state is replaced by another one."""
        if partition.content is not None:
            self._used -= partition.size + partition.grown
            partition.content = None
            del self._present[partition]

    def with_changed(self, states: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return states and those of all partitions that changed, each made when asked for."""
        changed = {
            partition.stored_name(partition.stored or "a"): partition
            for partition in self._present
            if partition.changed
        }
        return _States(states, changed)

    def committed(self) -> None:
        """Take note that a checkpoint is durable that holds all that had changed."""
        for partition in self._all:
            partition.stored = partition.kept = partition.place
            partition.changed = False

    def _make_room(self) -> None:
        if self._used <= self._limit:
            return
        leaving: list[Partition] = []
        present = iter(list(self._present)[:-1])
        while self._used > self._limit * _ROOM and (partition := next(present, None)) is not None:
            self._used -= partition.size + partition.grown
            if partition.grown > partition.size // 8:
                partition.measure()
            partition.events = 0
            leaving.append(partition)
        saved: dict[str, Partition] = {}
        places: dict[Partition, str] = {}
        for partition in leaving:
            if partition.changed:
                places[partition] = place = "b" if partition.kept == "a" else "a"
                saved[partition.stored_name(place)] = partition
        if saved:
            self._store.save(_States({}, saved))
        for partition in leaving:
            if partition.changed:
                partition.describe()
                partition.stored, partition.changed = places[partition], False
            partition.content = None
            del self._present[partition]


class _States(Mapping[str, Any]):
    """States, of which those of partitions are made when they are asked for."""

    def __init__(self, ready: Mapping[str, Any], partitions: Mapping[str, Partition]) -> None:
        self._ready = ready
        self._partitions = partitions

    def __getitem__(self, name: str) -> Any:
        partition = self._partitions.get(name)
        if partition is None:
            return self._ready[name]
        assert partition.content is not None
        return partition.content.dump()

    def __iter__(self) -> Iterator[str]:
        yield from self._ready
        yield from self._partitions

    def __len__(self) -> int:
        return len(self._ready) + len(self._partitions)


def in_turn(partitions: Sequence[Partition], asked: Iterable[int], reached: int) -> list[int]:
    """Return the numbers of the partitions that have something to do, in order.

    Those in memory come first, before others take their room; that changes no result.

    Args:
        partitions: of one operator.
        asked: the numbers of those that are given something.
        reached: the watermark that the others have to reach.
    """
    numbers = {*asked, *(n for n, each in enumerate(partitions) if each.due <= reached)}
    return sorted(numbers, key=lambda number: (partitions[number].content is None, number))
