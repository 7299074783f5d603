"""Sums and averages, exact as PostgreSQL's ``numeric``.

Integers and decimals are never rounded; floats are added exactly, and the result is rounded once.
So taking back what was added leads to the very same result as never adding it.
"""

from __future__ import annotations

from decimal import Context, Decimal
from typing import Any, Final

from bridge.processing.aggregates.function import Field, FieldFunction
from bridge.processing.aggregates.totals import Number, Total, rounded

_MIN_DIGITS: Final = 16
_MAX_SCALE: Final = 1000
"""Of a quotient: ``NUMERIC_MIN_SIG_DIGITS`` and ``NUMERIC_MAX_DISPLAY_SCALE`` of the server."""
_WIDE: Final = Context(prec=200_000, Emin=-200_000, Emax=200_000)
"""For moving the point of any numeric."""


class _OfTotal(FieldFunction):
    def create(self) -> Total:
        return Total()

    def load(self, plain: Any) -> Total:
        return Total.load(plain)


class Sum(_OfTotal):
    """The sum of the values; None if there are none.

    An ``int`` if all are integers, a ``float`` if one is a float, else a ``Decimal`` at the largest
    scale among them. Memory: constant.
    """

    def __init__(self, field: Field = None) -> None:
        super().__init__(field)

    def result(self, state: Total) -> Number | None:
        if not state.count:
            return None
        special = state.special()
        if state.has_floats:
            return rounded(state.exact()) if special is None else special
        if special is not None:
            return Decimal(special)
        return state.decimal() if state.has_decimals else state.integers


class Avg(_OfTotal):
    """The mean of the values; None if there are none.

    A ``float`` if one of them is a float, else a ``Decimal`` with as many digits as ``avg`` of
    PostgreSQL has. Memory: constant.
    """

    def __init__(self, field: Field = None) -> None:
        super().__init__(field)

    def result(self, state: Total) -> Decimal | float | None:
        if not state.count:
            return None
        if state.has_integers_only:
            return _quotient(state.integers, 0, state.count)
        special = state.special()
        if state.has_floats:
            return rounded(state.exact() / state.count) if special is None else special
        if special is not None:
            return Decimal(special)
        total = state.decimal()
        scale = -int(total.as_tuple().exponent)
        return _quotient(int(total.scaleb(scale, _WIDE)), scale, state.count)


def _quotient(total: int, total_scale: int, count: int) -> Decimal:
    """Divide as ``div_var`` of the server: round half away from zero at the scale it selects.

    Args:
        total: the dividend without its point.
        total_scale: how many of its digits are behind the point.
        count: the divisor.
    """
    coefficient = abs(total)
    scale = _quotient_scale(coefficient, total_scale, count)
    numerator = coefficient * 10 ** max(0, scale - total_scale)
    denominator = count * 10 ** max(0, total_scale - scale)
    quotient = (2 * numerator + denominator) // (2 * denominator)
    return Decimal(quotient if total >= 0 else -quotient).scaleb(-scale, _WIDE)


def _quotient_scale(coefficient: int, total_scale: int, count: int) -> int:
    """``select_div_scale``, for the total coefficient / 10**total_scale and a count.

    https://github.com/postgres/postgres/blob/REL_18_STABLE/src/backend/utils/adt/numeric.c:
    weights and first digits are those in base 10000.
    """
    weight, first = _leading(coefficient, total_scale)
    count_weight, count_first = _leading(count, 0)
    weight -= count_weight
    if first <= count_first:
        weight -= 1
    return min(max(_MIN_DIGITS - 4 * weight, total_scale, 0), _MAX_SCALE)


def _leading(coefficient: int, scale: int) -> tuple[int, int]:
    """Return the weight of the first digit that is not 0, and this digit."""
    if not scale and coefficient < 10_000:
        return 0, coefficient
    if not coefficient:
        return 0, 0
    weight = (Decimal(coefficient).adjusted() - scale) // 4
    shift = 4 * weight + scale
    return weight, coefficient // 10**shift if shift >= 0 else coefficient * 10**-shift
