"""When two values are the same, and how plain data is copied."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from decimal import Decimal
from math import isnan
from typing import Any

from bridge.processing.aggregates.errors import Unfit


def equal_form(value: Any) -> Hashable:
    """Return what equal values have in common, as SQL sees it: 1 and 1.0 do, 1 and true do not.

    NaN equals NaN. Documents are equal when their members are, in whatever order.

    Raises:
        Unfit: the value, or one inside of it, can be compared with nothing.
    """
    return _form(value, _equal_number)


def exact_form(value: Any) -> Hashable:
    """Return what values that look the same have in common: 1, 1.0 and 1.00 are all different.

    Raises:
        Unfit: as ``equal_form``.
    """
    return _form(value, _exact_number)


def _form(value: Any, of_number: Callable[[Decimal | float], Hashable]) -> Hashable:
    kind = type(value)
    if kind is str or kind is int:
        return value  # type: ignore[no-any-return]
    if value is None or isinstance(value, bool):
        return ("logical", value)
    if isinstance(value, Decimal | float):
        return of_number(value)
    if isinstance(value, list | tuple):
        return ("array", tuple(_form(item, of_number) for item in value))
    try:
        if isinstance(value, dict):
            names = sorted(value)
            return ("document", tuple((name, _form(value[name], of_number)) for name in names))
        hash(value)
    except TypeError:
        raise Unfit("cannot be compared with others") from None
    return value  # type: ignore[no-any-return]


def _equal_number(value: Decimal | float) -> Hashable:
    # Not by comparison: of the expressions' NaN each is equal to itself.
    is_nan = value.is_nan() if isinstance(value, Decimal) else isnan(value)
    return ("number", "NaN") if is_nan else value


def _exact_number(value: Decimal | float) -> Hashable:
    if isinstance(value, Decimal):
        return ("decimal", str(value))
    return ("float", repr(float(value)))


def copied(value: Any) -> Any:
    """Return a copy of plain data that shares nothing with it that can change."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    if isinstance(value, list):
        return [copied(item) for item in value]
    if isinstance(value, tuple):
        return tuple(copied(item) for item in value)
    return value
