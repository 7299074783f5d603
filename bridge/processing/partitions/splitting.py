"""The state of an operator that was in one piece, in parts."""

from __future__ import annotations

from collections import defaultdict
from functools import singledispatch
from typing import Any

from bridge.processing.partitions.keys import partition_of
from bridge.processing.windows.aligned import AlignedWindows
from bridge.processing.windows.counted import CountWindows
from bridge.processing.windows.sessions import SessionWindows
from bridge.processing.windows.slices import SlicedWindows
from bridge.processing.windows.unbounded import GlobalWindows


@singledispatch
def split(windows: Any, plain: Any) -> dict[int, Any]:
    """Return what the windows of each partition load; partitions without any are left out.

    Args:
        windows: of the type whose state it is.
        plain: what their ``dump`` returned.

    Raises:
        TypeError: nobody has said how to split windows of this type.
    """
    raise TypeError(f"It is not said how to split the state of {type(windows).__name__}.")


@split.register
def _(windows: AlignedWindows, plain: list[Any]) -> dict[int, Any]:
    parts: defaultdict[int, list[Any]] = defaultdict(list)
    for start, end, closed, held in plain:
        for number, of_keys in _by_partition(held, key_at=0).items():
            parts[number].append([start, end, closed, of_keys])
    return parts


@split.register
def _(windows: SlicedWindows, plain: list[Any]) -> dict[int, Any]:
    next_number, slices, kept = plain
    parts: defaultdict[int, list[Any]] = defaultdict(list)
    for start, held in slices:
        for number, of_keys in _by_partition(held, key_at=1).items():
            parts[number].append([start, of_keys])
    return {
        number: [
            next_number,
            of_partition,
            [
                [start, closed, [each for each in told if partition_of(each[0]) == number]]
                for start, closed, told in kept
            ],
        ]
        for number, of_partition in parts.items()
    }


@split.register
def _(windows: SessionWindows, plain: list[Any]) -> dict[int, Any]:
    next_number, sessions = plain
    parts: defaultdict[int, list[Any]] = defaultdict(list)
    for session in sessions:
        parts[partition_of(session[2][0])].append(session)
    return {number: [next_number, held] for number, held in parts.items()}


@split.register(CountWindows)
@split.register(GlobalWindows)
def _(windows: CountWindows | GlobalWindows, plain: list[Any]) -> dict[int, Any]:
    return _by_partition(plain, key_at=0)


def _by_partition(items: list[Any], *, key_at: int) -> dict[int, list[Any]]:
    parts: defaultdict[int, list[Any]] = defaultdict(list)
    for item in items:
        parts[partition_of(item[key_at])].append(item)
    return parts
