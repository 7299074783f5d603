"""The types of values inside an expression, and which converts to which without a cast.

How a value is held while an expression is evaluated:

====================  ================================================================
type                  Python value
====================  ================================================================
smallint to bigint    ``int``
numeric               ``Decimal``; NaN is ``numbers.NUMERIC_NAN``, which equals itself
real, double          ``float``; NaN is ``floats.FLOAT_NAN``
boolean               ``bool``
date                  days since 1970-01-01 as ``int``; ``float`` for the infinities
timestamp, -tz        microseconds since 1970-01-01 UTC, in the same way
interval              ``times.Interval``
pg_lsn                ``int``
array                 ``list``, nested for more dimensions
all others            ``str``, the server's text
====================  ================================================================

NULL is None for all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bridge.core.relation import Column
from bridge.core.types import BUILTIN_TYPES
from bridge.core.values import Form


@dataclass(frozen=True, slots=True)
class SqlType:
    """A type by its usual name; ``element`` is that of an array."""

    name: str
    element: SqlType | None = None

    def __str__(self) -> str:
        return self.name


def array_of(element: SqlType) -> SqlType:
    """Return the type of arrays of ``element``."""
    return SqlType(f"{element.name}[]", element)


INT2, INT4, INT8 = SqlType("smallint"), SqlType("integer"), SqlType("bigint")
NUMERIC = SqlType("numeric")
FLOAT4, FLOAT8 = SqlType("real"), SqlType("double precision")
BOOL = SqlType("boolean")
TEXT, BPCHAR = SqlType("text"), SqlType("character")
DATE, TIME = SqlType("date"), SqlType("time")
TIMESTAMP, TIMESTAMPTZ = SqlType("timestamp"), SqlType("timestamptz")
INTERVAL = SqlType("interval")
UUID, PG_LSN = SqlType("uuid"), SqlType("pg_lsn")
JSON, JSONB = SqlType("json"), SqlType("jsonb")
UNKNOWN = SqlType("unknown")
"""Of a quoted literal and of NULL: it becomes what its neighbour is."""
NAMED = SqlType("a type of the database")
"""An enum, a type of an extension, a domain: its name is not known here."""

INTEGERS: Final = (INT2, INT4, INT8)
NUMBERS: Final = (*INTEGERS, NUMERIC, FLOAT4, FLOAT8)
MOMENTS: Final = (DATE, TIMESTAMP, TIMESTAMPTZ)

_BY_NAME: Final[dict[str, SqlType]] = {
    **{t.name: t for t in (*NUMBERS, BOOL, TEXT, *MOMENTS, TIME, INTERVAL, UUID, PG_LSN)},
    **{t.name: t for t in (JSON, JSONB)},
    "int2": INT2, "int4": INT4, "int8": INT8, "int": INT4,
    "decimal": NUMERIC, "float4": FLOAT4, "float": FLOAT4, "float8": FLOAT8, "double": FLOAT8,
    "bool": BOOL, "varchar": TEXT, "name": TEXT, "bpchar": BPCHAR, "char": BPCHAR,
    "oid": INT8,
}  # fmt: skip

_BY_FORM: Final = {
    Form.INTEGER: INT8,
    Form.INTEGER_TEXT: INT8,
    Form.FLOAT: FLOAT8,
    Form.DECIMAL: NUMERIC,
    Form.DECIMAL_TEXT: NUMERIC,
    Form.BOOLEAN: BOOL,
    Form.JSON: JSON,
    Form.TIMESTAMP: TIMESTAMPTZ,
}


def type_named(name: str) -> SqlType | None:
    """Return the type that a cast names, in lower case; None for an unknown one."""
    if name.endswith("[]"):
        element = _BY_NAME.get(name[:-2])
        return None if element is None else array_of(element)
    return _BY_NAME.get(name)


def column_type(column: Column) -> SqlType:
    """Return the type of a column. A domain has that of its base as far as its form shows it."""
    info = BUILTIN_TYPES.get(column.type_oid)
    form = column.form
    if info is None:
        if form.form is Form.ARRAY and form.element is not None:
            return array_of(_BY_FORM.get(form.element, NAMED))
        return _BY_FORM.get(form.form, NAMED)
    if info.kind == "array" and info.element_oid is not None:
        element = BUILTIN_TYPES[info.element_oid].name
        return array_of(_BY_NAME.get(element) or SqlType(element))
    return _BY_NAME.get(info.name) or SqlType(info.name)


_IMPLICIT: Final[dict[SqlType, tuple[SqlType, ...]]] = {
    INT2: (INT4, INT8, NUMERIC, FLOAT8),
    INT4: (INT8, NUMERIC, FLOAT8),
    INT8: (NUMERIC, FLOAT8),
    NUMERIC: (FLOAT8,),
    FLOAT4: (FLOAT8,),
    BPCHAR: (TEXT,),
    NAMED: (TEXT,),
    DATE: (TIMESTAMP, TIMESTAMPTZ),
    TIMESTAMP: (TIMESTAMPTZ,),
}


def converts(source: SqlType, target: SqlType) -> bool:
    """Whether a value becomes one of the other type without a cast."""
    return source in (target, UNKNOWN) or target in _IMPLICIT.get(source, ())


def common_type(types: list[SqlType]) -> SqlType | None:
    """Return the type that all convert to: of the branches of CASE, of both sides of ``=``."""
    common = UNKNOWN
    for each in types:
        if common is UNKNOWN or (each is not UNKNOWN and converts(common, each)):
            common = each
        elif not converts(each, common):
            # real and numeric meet in double precision
            if {common, each} <= set(NUMBERS):
                common = FLOAT8
            else:
                return None
    return TEXT if common is UNKNOWN else common
