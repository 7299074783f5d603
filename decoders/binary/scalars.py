"""Types whose values have no parts: integers, text, bytes, identifiers, addresses of hardware.

The layouts are those of the types' send functions
(https://www.postgresql.org/docs/current/datatype.html lists the types).
"""

from __future__ import annotations

from struct import Struct
from struct import error as StructError

from bridge.core.lsn import format_lsn
from decoders.binary.converter import Converter, bad_value, decode_text, wrong_size
from decoders.wire import Reader

_INT64 = Struct(">q")
_BLOCK_AND_ITEM = Struct(">IH")


def integer(type_name: str, layout: str) -> Converter:
    """Return the converter of an integer type; ``layout`` is its ``struct`` format."""
    number = Struct(layout)

    def convert(data: bytes) -> str:
        try:
            return str(number.unpack(data)[0])
        except StructError:
            raise wrong_size(type_name, data, number.size) from None

    return convert


def text(type_name: str) -> Converter:
    """Return the converter of a type whose binary format is its text in UTF-8."""

    def convert(data: bytes) -> str:
        return decode_text(type_name, data)

    return convert


def versioned_text(type_name: str) -> Converter:
    """Return the converter of a type whose binary format is the byte 1 and its text."""

    def convert(data: bytes) -> str:
        if data[:1] != b"\x01":
            raise bad_value(type_name, "unknown format version")
        return decode_text(type_name, data[1:], offset=1)

    return convert


def boolean(data: bytes) -> str:
    """Type ``bool``."""
    if len(data) != 1:
        raise wrong_size("bool", data, 1)
    return "t" if data[0] else "f"


def char(data: bytes) -> str:
    r"""Type ``"char"``, one byte. Bytes beyond ASCII as servers from 15 print them: ``\377``."""
    if len(data) != 1:
        raise wrong_size('"char"', data, 1)
    code = data[0]
    if code >= 0x80:
        return f"\\{code:03o}"
    return chr(code) if code else ""


def bytea(data: bytes) -> str:
    """Type ``bytea``, in hex form."""
    return "\\x" + data.hex()


def uuid(data: bytes) -> str:
    """Type ``uuid``."""
    if len(data) != 16:
        raise wrong_size("uuid", data, 16)
    digits = data.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def tid(data: bytes) -> str:
    """Type ``tid``: uint32 block, uint16 item."""
    if len(data) != _BLOCK_AND_ITEM.size:
        raise wrong_size("tid", data, _BLOCK_AND_ITEM.size)
    block, item = _BLOCK_AND_ITEM.unpack(data)
    return f"({block},{item})"


def bit_string(type_name: str) -> Converter:
    """Return the converter of ``bit`` and ``varbit``: int32 number of bits, the bits."""

    def convert(data: bytes) -> str:
        reader = Reader(data, f"value of {type_name}")
        count = reader.int32("number of bits")
        bits = reader.rest()
        if (count + 7) // 8 != len(bits):
            raise bad_value(type_name, f"{count} bits are not in {len(bits)} bytes")
        return f"{int.from_bytes(bits, 'big'):0{8 * len(bits)}b}"[:count]

    return convert


def money(data: bytes) -> str:
    """Type ``money``: int64 hundredths; printed under ``lc_monetary`` C."""
    try:
        cents: int = _INT64.unpack(data)[0]
    except StructError:
        raise wrong_size("money", data, 8) from None
    whole, rest = divmod(abs(cents), 100)
    return f"{'-' if cents < 0 else ''}${whole:,}.{rest:02d}"


def hardware_address(type_name: str, size: int) -> Converter:
    """Return the converter of ``macaddr`` and ``macaddr8``."""

    def convert(data: bytes) -> str:
        if len(data) != size:
            raise wrong_size(type_name, data, size)
        return data.hex(":")

    return convert


def pg_lsn(data: bytes) -> str:
    """Type ``pg_lsn``: uint64."""
    if len(data) != 8:
        raise wrong_size("pg_lsn", data, 8)
    return format_lsn(int.from_bytes(data, "big"))


def snapshot(type_name: str) -> Converter:
    """Return the converter of ``pg_snapshot``: int32 count, int64 xmin, int64 xmax, int64 each."""

    def convert(data: bytes) -> str:
        reader = Reader(data, f"value of {type_name}")
        count = reader.count32("number of transactions", item_size=8)
        xmin, xmax = reader.uint64("xmin"), reader.uint64("xmax")
        running = ",".join([str(reader.uint64("transaction")) for _ in range(count)])
        reader.expect_end()
        return f"{xmin}:{xmax}:{running}"

    return convert
