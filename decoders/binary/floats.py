"""Floating-point numbers: the shortest decimal that reads back as the same number.

PostgreSQL prints them so since version 12 (extra_float_digits above 0,
https://www.postgresql.org/docs/current/datatype-numeric.html#DATATYPE-FLOAT). Two of its choices
differ from Python's ``repr``: the exponent form begins at 1e+15 (float4: 1e+06), and a decimal
exactly half-way between two floating-point numbers is never taken for one of them.
"""

from __future__ import annotations

from math import floor, log10
from struct import Struct
from struct import error as StructError

from decoders.binary.converter import wrong_size

_DOUBLE = Struct(">d")
_DOUBLE_BITS = Struct(">Q")
_SINGLE_BITS = Struct(">I")

_FLOAT8_POSITIONAL = 15
_FLOAT4_POSITIONAL = 6

# Largest k with 10**k <= 2**e, for each exponent that a double can have.
_LOG10_OF_POWER = {e: floor(e * log10(2)) for e in range(-1074, 972)}


def float8(data: bytes) -> str:
    """Type ``float8``."""
    try:
        return float8_text(_DOUBLE.unpack(data)[0])
    except StructError:
        raise wrong_size("float8", data, 8) from None


def float4(data: bytes) -> str:
    """Type ``float4``."""
    try:
        return float4_text(_SINGLE_BITS.unpack(data)[0])
    except StructError:
        raise wrong_size("float4", data, 4) from None


def float8_text(value: float) -> str:
    """Print a double-precision number."""
    if -1e15 < value < 1e15:
        # No decimal that repr can give here lies half-way between two doubles: it would need
        # 54 significant bits and at most 17 digits, which no number below 2**52 has.
        text = repr(value)
        return text[:-2] if text.endswith(".0") else text
    bits = _DOUBLE_BITS.unpack(_DOUBLE.pack(value))[0]
    return _text(bits >> 63, bits >> 52 & 0x7FF, bits & (1 << 52) - 1, 52, 0x7FF, -1075)


def float4_text(bits: int) -> str:
    """Print a single-precision number given as the 32 bits of its representation."""
    return _text(bits >> 31, bits >> 23 & 0xFF, bits & (1 << 23) - 1, 23, 0xFF, -150)


def _text(
    sign: int, exponent: int, fraction: int, fraction_bits: int, special: int, bias: int
) -> str:
    """Print an IEEE 754 number given as the fields of its representation."""
    minus = "-" if sign else ""
    if exponent == special:
        return "NaN" if fraction else f"{minus}Infinity"
    if not exponent and not fraction:
        return f"{minus}0"
    if exponent:
        mantissa, binary_exponent = fraction | 1 << fraction_bits, exponent + bias
    else:
        mantissa, binary_exponent = fraction, 1 + bias
    # The neighbour below a power of two is only half as far away.
    digits, decimal_exponent = _shortest(
        mantissa, binary_exponent, lower_is_near=not fraction and exponent > 1
    )
    positional = _FLOAT8_POSITIONAL if fraction_bits == 52 else _FLOAT4_POSITIONAL
    return minus + _layout(str(digits), decimal_exponent, positional)


def _shortest(mantissa: int, exponent: int, *, lower_is_near: bool) -> tuple[int, int]:
    """Return the shortest decimal closer to a binary number than to its neighbours.

    Of several of that length it is the closest. All arithmetic is exact.

    Args:
        mantissa: of the number ``mantissa * 2**exponent``, not 0.
        exponent: of the number.
        lower_is_near: the neighbour below is at half the distance of the one above.

    Returns:
        (digits, decimal exponent), the digits without trailing zeros.
    """
    # In quarters of the last place: the borders half-way to the neighbours are integers.
    low, value, high = 4 * mantissa - (1 if lower_is_near else 2), 4 * mantissa, 4 * mantissa + 2
    power = _LOG10_OF_POWER[exponent]
    while True:
        numerator, denominator = 1, 1
        if power < 0:
            numerator = 10**-power
        else:
            denominator = 10**power
        if exponent > 2:
            numerator <<= exponent - 2
        else:
            denominator <<= 2 - exponent
        first = low * numerator // denominator + 1
        last = -(-high * numerator // denominator) - 1
        if first <= last:
            break
        power -= 1
    # One more digit than needed at most, since the borders are less than 10 apart.
    tens = last // 10
    if tens * 10 >= first:
        digits, power = tens, power + 1
        while digits % 10 == 0:
            digits, power = digits // 10, power + 1
        return digits, power
    digits, rest = divmod(value * numerator, denominator)
    if 2 * rest > denominator or (2 * rest == denominator and digits % 2):
        digits += 1
    return min(max(digits, first), last), power


def _layout(digits: str, exponent: int, positional: int) -> str:
    """Print ``digits * 10**exponent``, positional if it is from 1e-4 to below 10**positional."""
    leading = exponent + len(digits) - 1
    if not -4 <= leading < positional:
        point = "." if len(digits) > 1 else ""
        return f"{digits[0]}{point}{digits[1:]}e{leading:+03d}"
    if exponent >= 0:
        return digits + "0" * exponent
    if leading < 0:
        return f"0.{'0' * (-leading - 1)}{digits}"
    return f"{digits[: leading + 1]}.{digits[leading + 1 :]}"
