"""A bounds-checked cursor over the bytes of one protocol message.

Everything that the server sends passes through here or through code generated to the same rules,
so this is the one place where "the bytes end too early" is decided. Integers are big-endian
(https://www.postgresql.org/docs/current/protocol-message-types.html).
"""

from __future__ import annotations

from struct import Struct

from bridge.core.errors import DecodeError

_INT16 = Struct(">h")
_INT32 = Struct(">i")
_INT64 = Struct(">q")
_UINT16 = Struct(">H")
_UINT32 = Struct(">I")
_UINT64 = Struct(">Q")


class Reader:
    """Reads fields one after the other; each read either yields a whole field or raises.

    Args:
        data: the whole message, or the whole value.
        context: what the bytes are, for errors: the kind of message or the type of a value.
        offset: where to start; offsets in errors always count from the first byte of ``data``.

    Every read takes the name of the field, which completes the context of an error.

    Raises:
        DecodeError: (every method) the field does not fit in the bytes that are left.
    """

    __slots__ = ("_data", "_end", "context", "offset")

    def __init__(self, data: bytes, context: str, offset: int = 0) -> None:
        self._data = data
        self._end = len(data)
        self.context = context
        self.offset = offset

    @property
    def remaining(self) -> int:
        """Number of bytes that were not read yet."""
        return self._end - self.offset

    def error(self, message: str, field: str = "", *, offset: int | None = None) -> DecodeError:
        """Return the error to raise for a field that has a meaningless value.

        Args:
            message: what is wrong.
            field: the name of the field.
            offset: where it is; by default the cursor's place.
        """
        return DecodeError(
            message,
            offset=self.offset if offset is None else offset,
            context=f"{self.context}, {field}" if field else self.context,
        )

    def byte(self, field: str) -> int:
        """Read one unsigned byte."""
        return self._advance(1, field)[0]

    def int16(self, field: str) -> int:
        """Read a signed 16-bit integer."""
        return self._integer(_INT16, field)

    def int32(self, field: str) -> int:
        """Read a signed 32-bit integer."""
        return self._integer(_INT32, field)

    def int64(self, field: str) -> int:
        """Read a signed 64-bit integer."""
        return self._integer(_INT64, field)

    def uint16(self, field: str) -> int:
        """Read an unsigned 16-bit integer."""
        return self._integer(_UINT16, field)

    def uint32(self, field: str) -> int:
        """Read an unsigned 32-bit integer: an OID or a transaction id."""
        return self._integer(_UINT32, field)

    def uint64(self, field: str) -> int:
        """Read an unsigned 64-bit integer: an LSN."""
        return self._integer(_UINT64, field)

    def count16(self, field: str, *, item_size: int) -> int:
        """Read a 16-bit number of items of at least ``item_size`` bytes that must follow."""
        return self._count(self.int16(field), field, item_size, width=2)

    def count32(self, field: str, *, item_size: int) -> int:
        """Read a 32-bit number of items of at least ``item_size`` bytes that must follow."""
        return self._count(self.int32(field), field, item_size, width=4)

    def cstring(self, field: str) -> str:
        """Read UTF-8 text up to its terminating zero byte, which is consumed as well."""
        start = self.offset
        end = self._data.find(0, start)
        if end < 0:
            raise self.error("the text has no terminating zero byte", field)
        self.offset = end + 1
        return self._text(self._data[start:end], start, field)

    def take(self, size: int, field: str) -> bytes:
        """Read exactly ``size`` bytes."""
        return self._advance(size, field)

    def sized(self, field: str) -> bytes:
        """Read a 32-bit length and that many bytes."""
        return self._advance(self.int32(field), field)

    def sized_or_null(self, field: str) -> bytes | None:
        """Read a 32-bit length and that many bytes; the length -1 stands for NULL."""
        length = self.int32(field)
        return None if length == -1 else self._advance(length, field)

    def sized_text(self, field: str) -> str:
        """Read a 32-bit length and that many bytes of UTF-8 text."""
        data = self.sized(field)
        return self._text(data, self.offset - len(data), field)

    def sized_text_or_null(self, field: str) -> str | None:
        """Read a 32-bit length and that many bytes of UTF-8; the length -1 stands for NULL."""
        data = self.sized_or_null(field)
        return None if data is None else self._text(data, self.offset - len(data), field)

    def rest(self) -> bytes:
        """Read everything that is left, possibly nothing."""
        return self._advance(self.remaining, "")

    def expect_end(self) -> None:
        """Check that every byte was read."""
        if self.offset != self._end:
            raise self.error(f"{self.remaining} bytes are left over after the last field")

    def _advance(self, size: int, field: str) -> bytes:
        start = self.offset
        if size < 0:
            raise self.error(f"the length {size} is negative", field)
        # Checked before anything of that size exists: the length may be a lie.
        if size > self._end - start:
            raise self.error(f"{size} bytes expected, {self._end - start} left", field)
        self.offset = start + size
        return self._data[start : start + size]

    def _integer(self, layout: Struct, field: str) -> int:
        start = self.offset
        if layout.size > self._end - start:
            raise self.error(f"{layout.size} bytes expected, {self._end - start} left", field)
        self.offset = start + layout.size
        value: int = layout.unpack_from(self._data, start)[0]
        return value

    def _count(self, count: int, field: str, item_size: int, width: int) -> int:
        if count < 0 or count * item_size > self.remaining:
            raise self.error(
                f"{count} items cannot be in the {self.remaining} bytes that are left",
                field,
                offset=self.offset - width,
            )
        return count

    def _text(self, data: bytes, start: int, field: str) -> str:
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            # Without the cause: its message would quote the bytes of a value.
            raise self.error("not UTF-8 text", field, offset=start + error.start) from None
