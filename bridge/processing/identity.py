"""How consumers tell results apart: an identifier that is the same for the same result."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from hashlib import sha256
from typing import Any
from uuid import UUID


def result_id(*parts: Any) -> str:
    """Return a UUID made of the parts, the same in every run.

    It is of version 8 (RFC 9562 section 5.8), from the SHA-256 of the parts. Parts that are equal
    give the same, whatever the type of their numbers; what is neither a number nor a tuple is
    told apart by how it is written, so it has to be plain data.
    """
    digest = bytearray(sha256(_text(parts).encode("utf-8", "surrogatepass")).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x80
    digest[8] = digest[8] & 0x3F | 0x80
    return str(UUID(bytes=bytes(digest)))


def _text(part: Any) -> str:
    """Return a text that two parts share if, and only if, they are equal."""
    if isinstance(part, tuple):
        return f"({','.join(map(_text, part))})"
    if isinstance(part, int | float | Decimal):
        try:
            return str(Fraction(part))
        except (ValueError, OverflowError):  # not a number, or infinite
            return str(float(part)) if part == part else repr(part)
    return repr(part)
