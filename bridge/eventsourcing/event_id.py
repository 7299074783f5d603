"""Ids for new events that sort by the time at which they were made.

A store has an index of them. Random ids would fall anywhere into it, so that a transaction of a
hundred events would write a hundred of its pages; these go to its end, into one or two.
"""

from __future__ import annotations

import os
import time

_NS_IN_MS = 1_000_000
_VERSION = 7 << 76
_VARIANT = 0b10 << 62


def new_event_id() -> str:
    """Return a UUID of version 7: milliseconds since 1970, their fraction, and 62 random bits.

    The fraction, in 4096 parts, stands in the 12 bits that may carry it
    (https://www.rfc-editor.org/rfc/rfc9562#section-6.2, method 3).
    """
    milliseconds, rest = divmod(time.time_ns(), _NS_IN_MS)
    fraction = rest * 4096 // _NS_IN_MS
    random = int.from_bytes(os.urandom(8)) >> 2
    number = milliseconds << 80 | _VERSION | fraction << 64 | _VARIANT | random
    digits = number.to_bytes(16).hex()  # quicker than formatting the parts
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
