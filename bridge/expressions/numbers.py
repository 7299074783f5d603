"""Arithmetic as PostgreSQL does it: exact decimals with their scale, truncating integer division.

https://www.postgresql.org/docs/current/datatype-numeric.html. The scale of a quotient follows
``select_div_scale`` of the server: at least 16 significant digits, and no less than the scales of
the operands.
"""

from __future__ import annotations

import math
import re
import struct
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal
from typing import Any, Final

from bridge.expressions.errors import EvaluationError

_DIGITS: Final = 131_072 + 16_383
"""The most digits that a numeric can have, before and after its point."""
_MAX_SCALE: Final = 16_383
_MAX_WHOLE: Final = 131_072
_EXACT: Final = Context(
    prec=2 * _DIGITS + 10, rounding=ROUND_HALF_UP, Emin=-999_999, Emax=999_999, traps=[]
)


class _NumericNaN(Decimal):
    """NaN as PostgreSQL orders it: equal to itself and above all other numbers."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Decimal) and other.is_nan()

    def __ne__(self, other: object) -> bool:
        return not self.__eq__(other)

    def __lt__(self, other: Any) -> bool:
        return False

    def __le__(self, other: Any) -> bool:
        return self.__eq__(other)

    def __gt__(self, other: Any) -> bool:
        return not self.__eq__(other)

    def __ge__(self, other: Any) -> bool:
        return True

    def __hash__(self) -> int:
        return 0


class _FloatNaN(float):
    """As ``_NumericNaN``."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, float) and math.isnan(other)

    def __ne__(self, other: object) -> bool:
        return not self.__eq__(other)

    def __lt__(self, other: Any) -> bool:
        return False

    def __le__(self, other: Any) -> bool:
        return self.__eq__(other)

    def __gt__(self, other: Any) -> bool:
        return not self.__eq__(other)

    def __ge__(self, other: Any) -> bool:
        return True

    def __hash__(self) -> int:
        return 0


NUMERIC_NAN: Final = _NumericNaN("NaN")
FLOAT_NAN: Final = _FloatNaN("nan")


def load_numeric(text: str) -> Decimal:
    """Read a numeric that the server printed."""
    return NUMERIC_NAN if text == "NaN" else Decimal(text)


def load_float8(text: str) -> float:
    """Read a double that the server printed."""
    return FLOAT_NAN if text == "NaN" else float(text)


def load_float4(text: str) -> float:
    """Read a single-precision number that the server printed: it is one, held as a double."""
    return FLOAT_NAN if text == "NaN" else single(float(text))


# Input by a user: literals and casts from text

_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)
_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]{1,6})?", re.ASCII | re.I)
_SPECIAL = {
    "nan": "NaN",
    "infinity": "Infinity",
    "+infinity": "Infinity",
    "inf": "Infinity",
    "+inf": "Infinity",
    "-infinity": "-Infinity",
    "-inf": "-Infinity",
}
_SPACE: Final = " \t\n\r\v\f"


def parse_int(text: str) -> int:
    """Read an integer as the input functions do.

    Raises:
        ValueError: it is none.
    """
    text = text.strip(_SPACE)
    if not _INTEGER.fullmatch(text) or len(text) > 40:
        raise ValueError("not an integer")
    return int(text)


def parse_numeric(text: str) -> Decimal:
    """Read a numeric as its input function does.

    Raises:
        ValueError: it is none.
    """
    text = text.strip(_SPACE)
    special = _SPECIAL.get(text.lower())
    if special is not None:
        return load_numeric(special)
    if not _DECIMAL.fullmatch(text):
        raise ValueError("not a number")
    return _fitting(_without_exponent(Decimal(text)))


def parse_float8(text: str) -> float:
    """Read a double as its input function does.

    Raises:
        ValueError: it is none, or out of range.
    """
    text = text.strip(_SPACE)
    special = _SPECIAL.get(text.lower())
    if special is not None:
        return load_float8(special)
    if not _DECIMAL.fullmatch(text):
        raise ValueError("not a number")
    value = float(text)
    if math.isinf(value) or (value == 0 and Decimal(text) != 0):
        raise ValueError("out of range")
    return value


def parse_float4(text: str) -> float:
    """Read a single-precision number as its input function does.

    Raises:
        ValueError: it is none, or out of range.
    """
    value = parse_float8(text)
    rounded = single(value)
    if (math.isinf(rounded) and not math.isinf(value)) or (rounded == 0 and value != 0):
        raise ValueError("out of range")
    return rounded


def single(value: float) -> float:
    """Round to single precision; infinite beyond its range."""
    if value != value:
        return FLOAT_NAN
    try:
        rounded: float = struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        return math.copysign(math.inf, value)
    return rounded


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


def _without_exponent(value: Decimal) -> Decimal:
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


def _fitting(value: Decimal) -> Decimal:
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
    return _fitting(_EXACT.multiply(left, right))


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
    return _fitting(value.copy_negate() if negative else value)


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
    return _fitting(value.copy_negate() if left.is_signed() else value)


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
    return _fitting(_without_exponent(rounded))


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


# Floating point


def _checked(result: float, *operands: float) -> float:
    """Fail where finite operands give an infinite result, as the server does."""
    if result != result:
        return FLOAT_NAN
    if math.isinf(result) and not any(map(math.isinf, operands)):
        raise EvaluationError("value out of range: overflow")
    return result


def float_add(left: float, right: float) -> float:
    """Add."""
    return _checked(float.__add__(left, right), left, right)


def float_subtract(left: float, right: float) -> float:
    """Subtract."""
    return _checked(float.__sub__(left, right), left, right)


def float_multiply(left: float, right: float) -> float:
    """Multiply."""
    result = _checked(float.__mul__(left, right), left, right)
    if result == 0 and left != 0 and right != 0:
        raise EvaluationError("value out of range: underflow")
    return result


def float_divide(left: float, right: float) -> float:
    """Divide."""
    if right == 0 and left == left:
        raise EvaluationError("division by zero")
    if left != left or right != right or right == 0 or isinstance(left, _FloatNaN):
        return FLOAT_NAN
    result = _checked(left / right, left, right)
    if result == 0 and left != 0 and not math.isinf(right):
        raise EvaluationError("value out of range: underflow")
    return result


def float4_result(value: float) -> float:
    """Round the result of single-precision arithmetic."""
    rounded = single(value)
    if math.isinf(rounded) and not math.isinf(value):
        raise EvaluationError("value out of range: overflow")
    if rounded == 0 and value != 0:
        raise EvaluationError("value out of range: underflow")
    return rounded


def float_round(value: float) -> float:
    """Round half to even."""
    return value if _whole(value) else float(round(value)) or math.copysign(0.0, value)


def float_floor(value: float) -> float:
    """Round down."""
    return value if _whole(value) else float(math.floor(value)) or math.copysign(0.0, value)


def float_ceil(value: float) -> float:
    """Round up."""
    return value if _whole(value) else float(math.ceil(value)) or math.copysign(0.0, value)


def _whole(value: float) -> bool:
    return math.isinf(value) or math.isnan(value) or abs(value) >= 2**53


def float_abs(value: float) -> float:
    """Return the absolute value."""
    return FLOAT_NAN if math.isnan(value) else abs(value)


def float_negate(value: float) -> float:
    """Change the sign."""
    return FLOAT_NAN if math.isnan(value) else -value


def float_sign(value: float) -> float:
    """Return -1, 0 or 1."""
    return 0.0 if value == 0 or math.isnan(value) else math.copysign(1.0, value)


# From one kind to another


def numeric_to_int(value: Decimal) -> int:
    """Round half away from zero."""
    if not value.is_finite():
        raise EvaluationError("NaN and infinity are no integers")
    return int(_quantized(value, 0, ROUND_HALF_UP))


def float_to_int(value: float) -> int:
    """Round half to even."""
    if not math.isfinite(value):
        raise EvaluationError("NaN and infinity are no integers")
    return round(value)


def numeric_to_float8(value: Decimal) -> float:
    """Return the nearest double."""
    if value.is_nan():
        return FLOAT_NAN
    result = float(value)
    if value.is_finite() and (math.isinf(result) or (result == 0 and value)):
        raise EvaluationError("value out of range for double precision")
    return result


def float8_to_numeric(value: float, digits: int = 15) -> Decimal:
    """Return the number in 15 significant digits, 6 for single precision, as the server does."""
    if math.isnan(value):
        return NUMERIC_NAN
    if math.isinf(value):
        return Decimal(value)
    return _fitting(_without_exponent(Decimal(f"{value:.{digits}g}")))


def float4_to_numeric(value: float) -> Decimal:
    """Return the number in 6 significant digits, as the server does."""
    return float8_to_numeric(value, 6)


def int_to_float8(value: int) -> float:
    """Return the nearest double."""
    return float(value)


# Output


def numeric_text(value: Decimal) -> str:
    """Print as the server does: never with an exponent."""
    return format(value, "f") if value.is_finite() else str(Decimal(value))


def float8_text(value: float) -> str:
    """Print with the fewest digits that read back, as the server does."""
    return _float_text(value, repr(float(value)), 15)


def float4_text(value: float) -> str:
    """Print with the fewest digits that read back in single precision."""
    digits = next(
        (f"{value:.{n}g}" for n in range(1, 9) if single(float(f"{value:.{n}g}")) == value),
        f"{value:.9g}",
    )
    return _float_text(value, digits, 6)


def _float_text(value: float, digits: str, positional: int) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0:
        return "-0" if math.copysign(1, value) < 0 else "0"
    number = Decimal(digits).normalize(_EXACT)
    leading = number.adjusted()
    if -4 <= leading < positional:
        return format(number, "f")
    sign, parts, _ = number.as_tuple()
    first, rest = str(parts[0]), "".join(map(str, parts[1:]))
    return f"{'-' if sign else ''}{first}{'.' if rest else ''}{rest}e{leading:+03d}"
