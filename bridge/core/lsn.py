"""WAL positions: the text form that PostgreSQL prints, and the integer that we compare.

An LSN is a byte offset in the write-ahead log, an unsigned 64-bit integer that servers print as
two hexadecimal halves, ``16/B374D848``
(https://www.postgresql.org/docs/current/datatype-pg-lsn.html). Inside the bridge it is a plain
``int``. LSNs are compared and passed on, never added to: there is no arithmetic on them.
"""

from __future__ import annotations

import re
from typing import TypeAlias

Lsn: TypeAlias = int

_MAX_HALF = 0xFFFFFFFF
_FORM = re.compile(r"([0-9A-Fa-f]{1,8})/([0-9A-Fa-f]{1,8})")


def format_lsn(lsn: Lsn) -> str:
    """Return the text form of an LSN, as ``pg_lsn`` prints it."""
    return f"{lsn >> 32:X}/{lsn & _MAX_HALF:X}"


def parse_lsn(text: str) -> Lsn:
    """Return the integer of an LSN in its text form.

    Raises:
        ValueError: the text is not two hexadecimal numbers of at most 32 bits around a slash.
    """
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError(f"not a WAL position: {text!r} (expected the form 16/B374D848)")
    return int(found[1], 16) << 32 | int(found[2], 16)
