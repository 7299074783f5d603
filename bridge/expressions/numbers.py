"""Arithmetic as PostgreSQL does it: exact decimals with their scale, truncating integer division.

https://www.postgresql.org/docs/current/datatype-numeric.html. The scale of a quotient follows
``select_div_scale`` of the server: at least 16 significant digits, and no less than the scales of
the operands.
"""

from __future__ import annotations

import math
import re
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal
from typing import Final

from bridge.expressions.errors import EvaluationError
from bridge.expressions.nan import OrderedNaN

_DIGITS: Final = 131_072 + 16_383
"""The most digits that a numeric can have, before and after its point."""
_MAX_SCALE: Final = 16_383
_MAX_WHOLE: Final = 131_072
_EXACT: Final = Context(
    prec=2 * _DIGITS + 10, rounding=ROUND_HALF_UP, Emin=-999_999, Emax=999_999, traps=[]
)


class _NumericNaN(OrderedNaN, Decimal):
    """NaN among the exact numbers."""


NUMERIC_NAN: Final = _NumericNaN("NaN")


def load_numeric(text: str) -> Decimal:
    """Read a numeric that the server printed."""
    return NUMERIC_NAN if text == "NaN" else Decimal(text)


# Input by a user: literals and casts from text

_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)
DECIMAL_FORM = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]{1,6})?", re.ASCII | re.I)
SPECIAL_NUMBERS = {
    "nan": "NaN",
    "infinity": "Infinity",
    "+infinity": "Infinity",
    "inf": "Infinity",
    "+inf": "Infinity",
    "-infinity": "-Infinity",
    "-inf": "-Infinity",
}
SPACES: Final = " \t\n\r\v\f"


def parse_int(text: str) -> int:
    """Read an integer as the input functions do.

    Raises:
        ValueError: it is none.
    """
    text = text.strip(SPACES)
    if not _INTEGER.fullmatch(text) or len(text) > 40:
        raise ValueError("not an integer")
    return int(text)


def parse_numeric(text: str) -> Decimal:
    """Read a numeric as its input function does.

    Raises:
        ValueError: it is none.
    """
    text = text.strip(SPACES)
    special = SPECIAL_NUMBERS.get(text.lower())
    if special is not None:
        return load_numeric(special)
    if not DECIMAL_FORM.fullmatch(text):
        raise ValueError("not a number")
    return fitting(without_exponent(Decimal(text)))


# Integers


def int2(value: int) -> int:
    """Check the range of a smallint."""
    if -32768 <= value <= 32767:
        return value
    raise EvaluationError("smallint out of range")


def int4(value: int) -> int:
    """Check the range of an integer."""
    if -2147483648 <= value <= 2147483647:
        return value
    raise EvaluationError("integer out of range")


def int8(value: int) -> int:
    """Check the range of a bigint."""
    if -9223372036854775808 <= value <= 9223372036854775807:
        return value
    raise EvaluationError("bigint out of range")


def int_divide(left: int, right: int) -> int:
    """Divide integers; the quotient is truncated toward zero."""
    if right == 0:
        raise EvaluationError("division by zero")
    quotient = abs(left) // abs(right)
    return quotient if (left < 0) == (right < 0) else -quotient


def int_modulo(left: int, right: int) -> int:
    """Return the rest of ``int_divide``, which has the sign of the left side."""
    if right == 0:
        raise EvaluationError("division by zero")
    return int(math.copysign(1, left)) * (abs(left) % abs(right))


# Decimals


def without_exponent(value: Decimal) -> Decimal:
    """A numeric has a scale of 0 or more: 1e3 is 1000."""
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and exponent > 0:
        return value.quantize(Decimal(1), context=_EXACT)
    return value


def _ranged(value: Decimal) -> Decimal:
    """Check the range, and drop the sign of zero."""
    if not value:
        return value.copy_abs()
    if not value.is_finite():
        return NUMERIC_NAN if value.is_nan() else value
    if value.adjusted() >= _MAX_WHOLE:
        raise EvaluationError("numeric out of range")
    return value


def fitting(value: Decimal) -> Decimal:
    """As ``_ranged``, and limit the scale."""
    value = _ranged(value)
    if value.is_finite() and _exponent(value) < -_MAX_SCALE:
        value = value.quantize(Decimal((0, (1,), -_MAX_SCALE)), context=_EXACT)
    return value


def numeric_add(left: Decimal, right: Decimal) -> Decimal:
    """Add; the scale is the larger one."""
    return _ranged(_EXACT.add(left, right))


def numeric_subtract(left: Decimal, right: Decimal) -> Decimal:
    """Subtract; the scale is the larger one."""
    return _ranged(_EXACT.subtract(left, right))


def numeric_multiply(left: Decimal, right: Decimal) -> Decimal:
    """Multiply; the scales add up."""
    return fitting(_EXACT.multiply(left, right))


def numeric_divide(left: Decimal, right: Decimal) -> Decimal:
    """Divide, rounding half away from zero at the scale that the server selects."""
    if left.is_nan() or right.is_nan():
        return NUMERIC_NAN
    if not right:
        raise EvaluationError("division by zero")
    if not left.is_finite():
        return (
            NUMERIC_NAN
            if not right.is_finite()
            else _EXACT.multiply(left, Decimal(1).copy_sign(right))
        )
    if not right.is_finite():
        return Decimal(0)
    scale = _quotient_scale(left, right)
    # Exactly: the quotient of the coefficients, scaled, as integers.
    shift = scale + _exponent(left) - _exponent(right)
    numerator, denominator = _coefficient(left), _coefficient(right)
    if shift >= 0:
        numerator *= 10**shift
    else:
        denominator *= 10**-shift
    quotient, rest = divmod(numerator, denominator)
    if 2 * rest >= denominator:
        quotient += 1
    negative = bool(quotient) and left.is_signed() != right.is_signed()
    value = _EXACT.scaleb(Decimal(quotient), -scale)
    return fitting(value.copy_negate() if negative else value)


def _exponent(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int)
    return exponent


def _coefficient(value: Decimal) -> int:
    return int(_EXACT.scaleb(value.copy_abs(), -_exponent(value)))


def _quotient_scale(left: Decimal, right: Decimal) -> int:
    """``select_div_scale``: weights and first digits are those in base 10000."""
    (weight1, first1), (weight2, first2) = _leading(left), _leading(right)
    weight = weight1 - weight2
    if first1 <= first2:
        weight -= 1
    return min(max(16 - 4 * weight, -_exponent(left), -_exponent(right), 0), 1000)


def _leading(value: Decimal) -> tuple[int, int]:
    if not value:
        return 0, 0
    adjusted = value.adjusted()
    weight = adjusted // 4
    digits = value.as_tuple().digits
    count = adjusted - 4 * weight + 1
    first = 0
    for place in range(count):
        first = first * 10 + (digits[place] if place < len(digits) else 0)
    return weight, first


def numeric_modulo(left: Decimal, right: Decimal) -> Decimal:
    """Return the rest of a truncated division, with the sign of the left side."""
    if left.is_nan() or right.is_nan():
        return NUMERIC_NAN
    if not right:
        raise EvaluationError("division by zero")
    if not left.is_finite():
        return NUMERIC_NAN
    if not right.is_finite():
        return left
    scale = max(-_exponent(left), -_exponent(right))
    one = Decimal((0, (1,), -scale))
    a, b = _coefficient(_EXACT.quantize(left, one)), _coefficient(_EXACT.quantize(right, one))
    value = _EXACT.scaleb(Decimal(a % b), -scale)
    return fitting(value.copy_negate() if left.is_signed() else value)


def numeric_negate(value: Decimal) -> Decimal:
    """Change the sign; zero has none."""
    return _ranged(value.copy_negate())


def numeric_abs(value: Decimal) -> Decimal:
    """Return the absolute value."""
    return NUMERIC_NAN if value.is_nan() else value.copy_abs()


def numeric_round(value: Decimal, places: int = 0) -> Decimal:
    """Round half away from zero; negative places round before the point."""
    return _quantized(value, places, ROUND_HALF_UP)


def numeric_floor(value: Decimal) -> Decimal:
    """Round down."""
    return _quantized(value, 0, ROUND_FLOOR)


def numeric_ceil(value: Decimal) -> Decimal:
    """Round up."""
    return _quantized(value, 0, ROUND_CEILING)


def numeric_trunc(value: Decimal, places: int = 0) -> Decimal:
    """Round toward zero."""
    return _quantized(value, places, "ROUND_DOWN")


def _quantized(value: Decimal, places: int, rounding: str) -> Decimal:
    if not value.is_finite():
        return value
    places = max(min(places, _MAX_SCALE), -_MAX_WHOLE)
    rounded = value.quantize(Decimal((0, (1,), -places)), rounding=rounding, context=_EXACT)
    return fitting(without_exponent(rounded))


def limited_numeric(value: Decimal, precision: int, scale: int = 0) -> Decimal:
    """Cast to ``numeric(precision, scale)``."""
    if not value.is_finite():
        if value.is_nan():
            return value
        raise EvaluationError("numeric field overflow")
    rounded = _quantized(value, scale, ROUND_HALF_UP)
    if rounded and rounded.adjusted() >= precision - scale:
        raise EvaluationError("numeric field overflow")
    return rounded


def numeric_sign(value: Decimal) -> Decimal:
    """Return -1, 0 or 1."""
    if value.is_nan():
        return NUMERIC_NAN
    return Decimal(0 if not value else -1 if value.is_signed() else 1)


def numeric_to_int(value: Decimal) -> int:
    """Round half away from zero."""
    if not value.is_finite():
        raise EvaluationError("NaN and infinity are no integers")
    return int(_quantized(value, 0, ROUND_HALF_UP))


# Output


def numeric_text(value: Decimal) -> str:
    """Print as the server does: never with an exponent."""
    return format(value, "f") if value.is_finite() else str(Decimal(value))
