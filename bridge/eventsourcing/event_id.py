"""Ids for new events that sort by the time at which they were made.

A store has an index of them. Random ids would fall anywhere into it, so that a transaction of a
hundred events would write a hundred of its pages; these go to its end, into one or two.
"""

from __future__ import annotations

import os
import time

_NS_IN_MS = 1_000_000


def new_event_id() -> str:
    """Return a UUID of version 7: milliseconds since 1970, their fraction, and 62 random bits.

    The fraction, in 4096 parts, stands in the 12 bits that may carry it
    (https://www.rfc-editor.org/rfc/rfc9562#section-6.2, method 3).
    """
    milliseconds, rest = divmod(time.time_ns(), _NS_IN_MS)
    fraction = rest * 4096 // _NS_IN_MS
    tail = int.from_bytes(os.urandom(8)) >> 2 | 1 << 63
    digits = f"{milliseconds:012x}7{fraction:03x}{tail:016x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
