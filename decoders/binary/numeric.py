"""The type ``numeric``: decimal digits in groups of four, of any size.

Layout: int16 number of groups, int16 weight of the first group (a power of 10000), int16 sign,
int16 display scale, groups. No big integers are made, so no limit on their size applies.
"""

from __future__ import annotations

from struct import Struct, unpack_from
from struct import error as StructError

from decoders.binary.converter import bad_value

_HEADER = Struct(">HhHH")
_NEGATIVE = 0x4000
_SPECIAL = {0xC000: "NaN", 0xD000: "Infinity", 0xF000: "-Infinity"}
_MAX_SCALE = 0x3FFF
_GROUP_DIGITS = 4


def numeric(data: bytes) -> str:
    """Type ``numeric``."""
    try:
        count, weight, sign, scale = _HEADER.unpack_from(data)
    except StructError:
        raise bad_value("numeric", "the value ends in its header", len(data)) from None
    if len(data) != _HEADER.size + 2 * count:
        raise bad_value("numeric", f"{count} groups expected after the header", _HEADER.size)
    if sign in _SPECIAL:
        return _SPECIAL[sign]
    if sign not in (0, _NEGATIVE) or scale > _MAX_SCALE:
        raise bad_value("numeric", "unknown sign or scale", 4)
    groups = unpack_from(f">{count}H", data, _HEADER.size)
    if groups and max(groups) > 9999:
        raise bad_value("numeric", "a group of digits is beyond 9999", _HEADER.size)
    digits = "".join(["%04d" % group for group in groups])  # noqa: UP031  (twice as fast)
    point = _GROUP_DIGITS * (weight + 1)
    if point > 0:
        whole = digits[:point].ljust(point, "0").lstrip("0") or "0"
        fraction = digits[point:]
    else:
        whole, fraction = "0", "0" * -point + digits
    minus = "-" if sign else ""
    if not scale:
        return minus + whole
    return f"{minus}{whole}.{fraction[:scale].ljust(scale, '0')}"
