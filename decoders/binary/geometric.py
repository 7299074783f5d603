"""The geometric types: double-precision coordinates between brackets.

https://www.postgresql.org/docs/current/datatype-geometric.html
"""

from __future__ import annotations

from struct import Struct
from struct import error as StructError

from decoders.binary.converter import Converter, wrong_size
from decoders.binary.floats import float8_text
from decoders.wire import Reader

_POINT_SIZE = 16


def _fixed(type_name: str, template: str) -> Converter:
    """Return the converter of a type that is a fixed number of coordinates."""
    coordinates = Struct(f">{template.count('{}')}d")

    def convert(data: bytes) -> str:
        try:
            return template.format(*map(float8_text, coordinates.unpack(data)))
        except StructError:
            raise wrong_size(type_name, data, coordinates.size) from None

    return convert


point = _fixed("point", "({},{})")
lseg = _fixed("lseg", "[({},{}),({},{})]")
box = _fixed("box", "({},{}),({},{})")
line = _fixed("line", "{{{},{},{}}}")
circle = _fixed("circle", "<({},{}),{}>")


def path(data: bytes) -> str:
    """Type ``path``: byte 1 if closed, int32 number of points, points."""
    reader = Reader(data, "value of path")
    closed = reader.byte("closed")
    points = _points(reader)
    return f"({points})" if closed else f"[{points}]"


def polygon(data: bytes) -> str:
    """Type ``polygon``: int32 number of points, points."""
    return f"({_points(Reader(data, 'value of polygon'))})"


def _points(reader: Reader) -> str:
    count = reader.count32("number of points", item_size=_POINT_SIZE)
    points = ",".join([point(reader.take(_POINT_SIZE, "point")) for _ in range(count)])
    reader.expect_end()
    return points
