"""What the operators of stream processing take in, and when two keys are the same key."""

from __future__ import annotations

from collections.abc import Hashable
from decimal import Decimal
from math import isnan
from typing import Any, Final, NamedTuple, TypeAlias

Key: TypeAlias = Hashable
"""What events are grouped by: often a tuple of column values. None is a key like any other."""


class StreamEvent(NamedTuple):
    """One event of a keyed stream.

    Attributes:
        key: what it is grouped by.
        timestamp: its event time, in microseconds since the Unix epoch; negative before 1970.
        value: what aggregates, joins and conditions look at; often a mapping of columns.
        weight: 1, or -1 to take back a value that came before (changelog mode).
        sequence: the order of arrival from the source; it breaks ties of timestamps.
    """

    key: Key
    timestamp: int
    value: Any
    weight: int = 1
    sequence: int = 0


_NAN: Final = float("nan")
_DECIMAL_NAN: Final = Decimal("NaN")


def normal_key(key: Key) -> Key:
    """Return the one form of all keys that are the same to SQL, also within tuples.

    NaN does not equal itself in Python, so each NaN becomes one object that a dict finds again;
    the zeros are equal already, but -0.0 would show. It is enough to ask this of keys that a dict
    does not know: what it finds is a normal key, or equals one.
    """
    if isinstance(key, tuple):
        parts = tuple(map(normal_key, key))
        return key if all(map(_same, parts, key)) else parts
    if isinstance(key, float):
        return _NAN if isnan(key) else key + 0.0  # `key != key` misses the NaN of expressions
    if isinstance(key, Decimal):
        return _DECIMAL_NAN if key.is_nan() else key
    return key


def _same(one: object, other: object) -> bool:
    return one is other
