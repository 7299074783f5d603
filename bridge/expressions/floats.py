"""Floating-point arithmetic and texts as PostgreSQL has them.

https://www.postgresql.org/docs/current/datatype-numeric.html#DATATYPE-FLOAT. A single-precision
number is held as the double that it is.
"""

from __future__ import annotations

import math
import struct
from decimal import Decimal
from typing import Final

from bridge.expressions.errors import EvaluationError
from bridge.expressions.nan import OrderedNaN
from bridge.expressions.numbers import (
    DECIMAL_FORM,
    NUMERIC_NAN,
    SPACES,
    SPECIAL_NUMBERS,
    fitting,
    without_exponent,
)


class _FloatNaN(OrderedNaN, float):
    """NaN among the floating-point numbers."""


FLOAT_NAN: Final = _FloatNaN("nan")


def load_float8(text: str) -> float:
    """Read a double that the server printed."""
    return FLOAT_NAN if text == "NaN" else float(text)


def load_float4(text: str) -> float:
    """Read a single-precision number that the server printed: it is one, held as a double."""
    return FLOAT_NAN if text == "NaN" else single(float(text))


def parse_float8(text: str) -> float:
    """Read a double as its input function does.

    Raises:
        ValueError: it is none, or out of range.
    """
    text = text.strip(SPACES)
    special = SPECIAL_NUMBERS.get(text.lower())
    if special is not None:
        return load_float8(special)
    if not DECIMAL_FORM.fullmatch(text):
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
    if math.isnan(value):
        return FLOAT_NAN
    try:
        rounded: float = struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        return math.copysign(math.inf, value)
    return rounded


def _checked(result: float, *operands: float) -> float:
    """Fail where finite operands give an infinite result, as the server does."""
    if math.isnan(result):
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
    if right == 0 and not math.isnan(left):
        raise EvaluationError("division by zero")
    if math.isnan(left) or math.isnan(right):
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
    return fitting(without_exponent(Decimal(f"{value:.{digits}g}")))


def float4_to_numeric(value: float) -> Decimal:
    """Return the number in 6 significant digits, as the server does."""
    return float8_to_numeric(value, 6)


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
    number = Decimal(digits).normalize()
    leading = number.adjusted()
    if -4 <= leading < positional:
        return format(number, "f")
    sign, parts, _ = number.as_tuple()
    first, rest = str(parts[0]), "".join(map(str, parts[1:]))
    return f"{'-' if sign else ''}{first}{'.' if rest else ''}{rest}e{leading:+03d}"
