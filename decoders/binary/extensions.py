"""Types of widespread extensions. They have other OIDs in every database and are known by name.

hstore, citext, ltree and cube come with PostgreSQL
(https://www.postgresql.org/docs/current/contrib.html); geometry and geography are PostGIS's
(https://postgis.net/docs/using_postgis_dbmanagement.html#EWKB_EWKT); vector, halfvec and sparsevec
are pgvector's (https://github.com/pgvector/pgvector#reference).
"""

from __future__ import annotations

from struct import pack, unpack

from decoders.binary.floats import float4_text, float8_text
from decoders.wire import Reader

_CUBE_IS_POINT = 1 << 31


def hstore(data: bytes) -> str:
    """Type ``hstore``: int32 number of pairs; each: int32 length and key, the same for the value
    with -1 for NULL.
    """
    reader = Reader(data, "value of hstore")
    count = reader.count32("number of pairs", item_size=8)
    pairs = []
    for _ in range(count):
        key = _quote(reader.sized_text("key"))
        value = reader.sized_text_or_null("value")
        pairs.append(f"{key}=>{'NULL' if value is None else _quote(value)}")
    reader.expect_end()
    return ", ".join(pairs)


def geometry(data: bytes) -> str:
    """Types ``geometry`` and ``geography``: EWKB, printed in hex."""
    return data.hex().upper()


def vector(data: bytes) -> str:
    """Type ``vector``: int16 dimensions, int16 unused, float4 each."""
    reader = Reader(data, "value of vector")
    count = _dimensions(reader, item_size=4)
    values = unpack(f">{count}I", reader.take(4 * count, "values"))
    reader.expect_end()
    return f"[{','.join(map(float4_text, values))}]"


def halfvec(data: bytes) -> str:
    """Type ``halfvec``: int16 dimensions, int16 unused, half-precision numbers."""
    reader = Reader(data, "value of halfvec")
    count = _dimensions(reader, item_size=2)
    halves = unpack(f">{count}e", reader.take(2 * count, "values"))
    reader.expect_end()
    # Printed as the single-precision numbers that they are as well.
    values = unpack(f">{count}I", pack(f">{count}f", *halves))
    return f"[{','.join(map(float4_text, values))}]"


def sparsevec(data: bytes) -> str:
    """Type ``sparsevec``: int32 dimensions, int32 count, int32 unused, int32 index each, float4
    each. Indexes count from 0 here, and from 1 in the text.
    """
    reader = Reader(data, "value of sparsevec")
    dimensions = reader.int32("dimensions")
    count = reader.int32("number of elements")
    reader.int32("unused")
    if not 0 <= 8 * count <= reader.remaining:
        raise reader.error(f"{count} elements cannot be in the {reader.remaining} bytes left")
    indexes = unpack(f">{count}i", reader.take(4 * count, "indexes"))
    values = unpack(f">{count}I", reader.take(4 * count, "values"))
    reader.expect_end()
    elements = [
        f"{index + 1}:{float4_text(bits)}" for index, bits in zip(indexes, values, strict=True)
    ]
    return f"{{{','.join(elements)}}}/{dimensions}"


def cube(data: bytes) -> str:
    """Type ``cube``: int32 dimensions with the uppermost bit set for a point; float8 each, for
    the first corner and, unless it is a point, for the second.
    """
    reader = Reader(data, "value of cube")
    header = reader.uint32("dimensions")
    dimensions = header & ~_CUBE_IS_POINT
    corners = 1 if header & _CUBE_IS_POINT else 2
    if reader.remaining != 8 * dimensions * corners:
        raise reader.error(f"{corners} corners of {dimensions} dimensions expected")
    texts = [float8_text(x) for x in unpack(f">{corners * dimensions}d", reader.rest())]
    first = f"({', '.join(texts[:dimensions])})"
    return first if corners == 1 else f"{first},({', '.join(texts[dimensions:])})"


def _dimensions(reader: Reader, item_size: int) -> int:
    count = reader.int16("dimensions")
    reader.int16("unused")
    if count < 0 or item_size * count != reader.remaining:
        raise reader.error(f"{count} values expected", "dimensions", offset=0)
    return count


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
