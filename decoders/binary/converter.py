"""What every converter of this package is, and the errors that all of them share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from bridge.core.errors import DecodeError

Converter: TypeAlias = Callable[[bytes], str]
"""From one value that is not NULL, in the binary format of its type, to its text.

Raises ``DecodeError`` if the bytes are not a value of the type; offsets count from the first
byte of the value.
"""


def wrong_size(type_name: str, data: bytes, expected: int) -> DecodeError:
    """Return the error for a value of a fixed size that has another one."""
    return DecodeError(
        f"{expected} bytes expected, {len(data)} found", offset=0, context=f"value of {type_name}"
    )


def bad_value(type_name: str, message: str, offset: int = 0) -> DecodeError:
    """Return the error for a value that its type cannot have. ``message`` must not quote it."""
    return DecodeError(message, offset=offset, context=f"value of {type_name}")


def decode_text(type_name: str, data: bytes, offset: int = 0) -> str:
    """Decode UTF-8.

    Args:
        type_name: for the error.
        data: the text.
        offset: where the text begins in the value.

    Raises:
        DecodeError: not UTF-8.
    """
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        # Without the cause: its message would quote the bytes of the value.
        raise bad_value(type_name, "not UTF-8 text", offset + error.start) from None
