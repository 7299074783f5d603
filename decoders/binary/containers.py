"""Values made of values: arrays, ranges, multiranges and composites.

Each output function quotes the texts of its parts by rules of its own:
https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
https://www.postgresql.org/docs/current/rangetypes.html#RANGETYPES-IO
https://www.postgresql.org/docs/current/rowtypes.html#ROWTYPES-IO-SYNTAX
"""

from __future__ import annotations

import re
from collections.abc import Callable

from decoders.binary.converter import Converter
from decoders.wire import Reader

_MAX_DIMENSIONS = 6
_SPACE = r" \t\n\r\v\f"

_EMPTY, _LOWER_INCLUSIVE, _UPPER_INCLUSIVE, _LOWER_INFINITE, _UPPER_INFINITE = 1, 2, 4, 8, 16
_KNOWN_RANGE_FLAGS = 31

_needs_quotes_in_range = re.compile(rf'["\\()\[\],{_SPACE}]').search
_needs_quotes_in_composite = re.compile(rf'["\\(),{_SPACE}]').search


def array(type_name: str, element_oid: int, element: Converter, delimiter: str) -> Converter:
    """Return the converter of an array type.

    Layout: int32 number of dimensions, int32 1 if there are NULLs, oid of the element type; per
    dimension int32 size and int32 lower bound; per element int32 length (-1: NULL) and bytes.
    """
    context = f"value of {type_name}"
    needs_quotes = re.compile(rf'["\\{{}}{re.escape(delimiter)}{_SPACE}]').search

    def item(data: bytes | None) -> str:
        if data is None:
            return "NULL"
        text = element(data)
        if not text or needs_quotes(text) or text.upper() == "NULL":
            escaped = text.replace("\\", "\\\\").replace('"', '\\"')
            return f'"{escaped}"'
        return text

    def convert(data: bytes) -> str:
        reader = Reader(data, context)
        dimensions = reader.int32("number of dimensions")
        if not 0 <= dimensions <= _MAX_DIMENSIONS:
            raise reader.error(f"{dimensions} dimensions", "number of dimensions", offset=0)
        if reader.int32("flags") not in (0, 1):
            raise reader.error("unknown flags", "flags", offset=4)
        found_oid = reader.uint32("element type")
        if found_oid != element_oid:
            raise reader.error(
                f"elements of the type with OID {element_oid} expected, {found_oid} found",
                "element type",
                offset=8,
            )
        sizes, bounds, count = [], "", 1
        shifted = False
        for _ in range(dimensions):
            size, lower = reader.int32("size"), reader.int32("lower bound")
            if size < 0:
                raise reader.error("the size of a dimension is negative", "size")
            count *= size
            sizes.append(size)
            bounds += f"[{lower}:{lower + size - 1}]"
            shifted = shifted or lower != 1
        if not dimensions or not count:
            reader.expect_end()
            return "{}"
        if 4 * count > reader.remaining:
            raise reader.error(f"{count} elements cannot be in the {reader.remaining} bytes left")
        texts = [item(reader.sized_or_null("element")) for _ in range(count)]
        reader.expect_end()
        for size in reversed(sizes):
            texts = [
                f"{{{delimiter.join(texts[i : i + size])}}}" for i in range(0, len(texts), size)
            ]
        return f"{bounds}={texts[0]}" if shifted else texts[0]

    return convert


def vector(type_name: str, element: Converter) -> Converter:
    """Return the converter of ``int2vector`` and ``oidvector``: an array with a text of its own."""

    def convert(data: bytes) -> str:
        reader = Reader(data, f"value of {type_name}")
        dimensions = reader.int32("number of dimensions")
        reader.take(8, "flags and element type")
        if dimensions not in (0, 1):
            raise reader.error(f"{dimensions} dimensions", "number of dimensions", offset=0)
        count = 0
        if dimensions:
            count = reader.int32("size")
            reader.take(4, "lower bound")
        if not 0 <= 4 * count <= reader.remaining:
            raise reader.error(f"{count} elements cannot be in the {reader.remaining} bytes left")
        texts = [element(reader.sized("element")) for _ in range(count)]
        reader.expect_end()
        return " ".join(texts)

    return convert


def range_of(type_name: str, subtype: Converter) -> Converter:
    """Return the converter of a range type.

    Layout: byte flags; then per bound that is there int32 length and bytes.
    """
    context = f"value of {type_name}"

    def bound(reader: Reader, field: str) -> str:
        text = subtype(reader.sized(field))
        return text if text and not _needs_quotes_in_range(text) else _double_quoted(text)

    def convert(data: bytes) -> str:
        reader = Reader(data, context)
        flags = reader.byte("flags")
        if flags & ~_KNOWN_RANGE_FLAGS:
            raise reader.error(f"unknown flags {flags:#x}", "flags", offset=0)
        if flags & _EMPTY:
            reader.expect_end()
            return "empty"
        lower = "" if flags & _LOWER_INFINITE else bound(reader, "lower bound")
        upper = "" if flags & _UPPER_INFINITE else bound(reader, "upper bound")
        reader.expect_end()
        opening = "[" if flags & _LOWER_INCLUSIVE else "("
        closing = "]" if flags & _UPPER_INCLUSIVE else ")"
        return f"{opening}{lower},{upper}{closing}"

    return convert


def multirange_of(type_name: str, of_range: Converter) -> Converter:
    """Return the converter of a multirange type: int32 count; per range int32 length and bytes."""
    context = f"value of {type_name}"

    def convert(data: bytes) -> str:
        reader = Reader(data, context)
        count = reader.count32("number of ranges", item_size=5)
        ranges = ",".join([of_range(reader.sized("range")) for _ in range(count)])
        reader.expect_end()
        return f"{{{ranges}}}"

    return convert


def composite(type_name: str, attribute: Callable[[int], Converter]) -> Converter:
    """Return the converter of a composite type.

    Layout: int32 number of attributes; each: oid of the type, int32 length (-1: NULL), bytes. The
    value says itself which types it holds, so an attribute added later does no harm.

    Args:
        type_name: for errors.
        attribute: returns the converter of an attribute's type; called for each value.
    """
    context = f"value of {type_name}"

    def convert(data: bytes) -> str:
        reader = Reader(data, context)
        count = reader.count32("number of attributes", item_size=8)
        texts = []
        for _ in range(count):
            convert_attribute = attribute(reader.uint32("attribute type"))
            value = reader.sized_or_null("attribute")
            if value is None:
                texts.append("")
                continue
            text = convert_attribute(value)
            quote = not text or _needs_quotes_in_composite(text)
            texts.append(_double_quoted(text) if quote else text)
        reader.expect_end()
        return f"({','.join(texts)})"

    return convert


def _double_quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '""')
    return f'"{escaped}"'
