"""How much memory objects take."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from gc import get_referents
from sys import getsizeof
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, Final

_CODE: Final = (type, FunctionType, BuiltinFunctionType, MethodType, ModuleType)


def size_of(root: object, shared: Collection[int]) -> int:
    """Return the bytes of an object and of all that can be reached from it, each counted once.

    Args:
        root: the object.
        shared: identities of objects that do not count, nor what is reached through them.
    """
    return sum(sum(map(getsizeof, level)) for level in _levels(root, set(shared)))


def identities(root: object) -> frozenset[int]:
    """Return the identities of an object and of all that can be reached from it.

    They mean these objects only as long as the root is kept.
    """
    return frozenset(id(each) for level in _levels(root, set()) for each in level)


def _levels(root: object, seen: set[int]) -> Iterator[list[Any]]:
    """Yield the objects so many steps away, which are not code; ``seen`` grows by them."""
    level = [root]
    while level:
        found: list[Any] = []
        for each in level:
            place = id(each)
            if place not in seen and not isinstance(each, _CODE):
                seen.add(place)
                found.append(each)
        yield found
        level = get_referents(*found)
