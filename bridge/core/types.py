"""What we need to know of a data type: the built-in ones here, the others from the catalog.

The built-in types have the same OID on every server, which the catalog ``pg_type`` promises
(https://www.postgresql.org/docs/current/catalog-pg-type.html). Types that users and extensions
create have other OIDs in every database, and new ones after a drop and create.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

TypeKind: TypeAlias = Literal["base", "enum", "domain", "array", "range", "multirange", "composite"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CompositeAttribute:
    """One attribute of a composite type, in order; dropped ones are left out."""

    name: str
    type_oid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeInfo:
    """One row of ``pg_type`` with what belongs to it.

    ``kind`` is "array" for the array type of another type only (``pg_type.typarray`` of that
    type): ``int2vector`` and ``oidvector`` have elements, but are base types.
    """

    oid: int
    schema: str
    name: str
    kind: TypeKind = "base"
    base_oid: int | None = None
    """Of a domain: the type it restricts, possibly another domain."""
    element_oid: int | None = None
    """Of an array: the element type; of a range: the subtype; of a multirange: the range type."""
    delimiter: str = ","
    """What stands between array elements; for an array the delimiter of its elements."""
    attributes: tuple[CompositeAttribute, ...] = ()
    """Of a composite type."""

    @property
    def qualified_name(self) -> str:
        """``schema.name``, for people to read."""
        return f"{self.schema}.{self.name}"


# (OID, name, OID of the array type or None)
_BASE_TYPES: tuple[tuple[int, str, int | None], ...] = (
    (16, "bool", 1000), (17, "bytea", 1001), (18, "char", 1002), (19, "name", 1003),
    (20, "int8", 1016), (21, "int2", 1005), (22, "int2vector", 1006), (23, "int4", 1007),
    (24, "regproc", 1008), (25, "text", 1009), (26, "oid", 1028), (27, "tid", 1010),
    (28, "xid", 1011), (29, "cid", 1012), (30, "oidvector", 1013), (114, "json", 199),
    (142, "xml", 143), (194, "pg_node_tree", None), (600, "point", 1017), (601, "lseg", 1018),
    (602, "path", 1019), (603, "box", 1020), (604, "polygon", 1027), (628, "line", 629),
    (650, "cidr", 651), (700, "float4", 1021), (701, "float8", 1022), (718, "circle", 719),
    (774, "macaddr8", 775), (790, "money", 791), (829, "macaddr", 1040), (869, "inet", 1041),
    (1033, "aclitem", 1034), (1042, "bpchar", 1014), (1043, "varchar", 1015),
    (1082, "date", 1182), (1083, "time", 1183), (1114, "timestamp", 1115),
    (1184, "timestamptz", 1185), (1186, "interval", 1187), (1266, "timetz", 1270),
    (1560, "bit", 1561), (1562, "varbit", 1563), (1700, "numeric", 1231),
    (1790, "refcursor", 2201), (2202, "regprocedure", 2207), (2203, "regoper", 2208),
    (2204, "regoperator", 2209), (2205, "regclass", 2210), (2206, "regtype", 2211),
    (2950, "uuid", 2951), (2970, "txid_snapshot", 2949), (3220, "pg_lsn", 3221),
    (3614, "tsvector", 3643), (3615, "tsquery", 3645), (3642, "gtsvector", 3644),
    (3734, "regconfig", 3735), (3769, "regdictionary", 3770), (3802, "jsonb", 3807),
    (4072, "jsonpath", 4073), (4089, "regnamespace", 4090), (4096, "regrole", 4097),
    (4191, "regcollation", 4192), (5038, "pg_snapshot", 5039), (5069, "xid8", 271),
)  # fmt: skip

# (OID, name, OID of the array type, OID of the subtype or range type)
_RANGES = (
    (3904, "int4range", 3905, 23), (3906, "numrange", 3907, 1700), (3908, "tsrange", 3909, 1114),
    (3910, "tstzrange", 3911, 1184), (3912, "daterange", 3913, 1082), (3926, "int8range", 3927, 20),
)  # fmt: skip
_MULTIRANGES = (
    (4451, "int4multirange", 6150, 3904), (4532, "nummultirange", 6151, 3906),
    (4533, "tsmultirange", 6152, 3908), (4534, "tstzmultirange", 6153, 3910),
    (4535, "datemultirange", 6155, 3912), (4536, "int8multirange", 6157, 3926),
)  # fmt: skip

_DELIMITERS = {"box": ";"}


def _builtin_types() -> Iterator[TypeInfo]:
    for oid, name, array_oid in _BASE_TYPES:
        delimiter = _DELIMITERS.get(name, ",")
        yield TypeInfo(oid=oid, schema="pg_catalog", name=name, delimiter=delimiter)
        if array_oid is not None:
            yield _array_type(array_oid, name, oid, delimiter)
    kinds: tuple[tuple[Literal["range", "multirange"], tuple[tuple[int, str, int, int], ...]], ...]
    kinds = (("range", _RANGES), ("multirange", _MULTIRANGES))
    for kind, rows in kinds:
        for oid, name, array_oid, element_oid in rows:
            yield TypeInfo(
                oid=oid, schema="pg_catalog", name=name, kind=kind, element_oid=element_oid
            )
            yield _array_type(array_oid, name, oid, ",")


def _array_type(oid: int, element: str, element_oid: int, delimiter: str) -> TypeInfo:
    return TypeInfo(
        oid=oid,
        schema="pg_catalog",
        name=f"_{element}",
        kind="array",
        element_oid=element_oid,
        delimiter=delimiter,
    )


BUILTIN_TYPES: Final[Mapping[int, TypeInfo]] = MappingProxyType(
    {info.oid: info for info in _builtin_types()}
)
"""The types a table's column can have without any CREATE TYPE or CREATE EXTENSION, by OID."""


def type_text(type_oid: int, modifier: int, types: Mapping[int, TypeInfo]) -> str:
    """Return a type as people write it: ``numeric(10,2)``, ``varchar(20)[]``, ``sales.mood``.

    Args:
        type_oid: of the type.
        modifier: ``atttypmod`` of the column; -1 for none. What it means depends on the type
            (``format_type_with_typemod`` on the server); of types of extensions it is left out.
        types: what is known of types.
    """
    info = types.get(type_oid)
    if info is None:
        return f"type {type_oid}"
    if info.kind == "array" and info.element_oid is not None:
        return f"{type_text(info.element_oid, modifier, types)}[]"
    if info.schema != "pg_catalog":
        return info.qualified_name
    if modifier < 0:
        return info.name
    match info.name:
        case "varchar" | "bpchar":
            return f"{info.name}({modifier - 4})"
        case "numeric":
            packed = modifier - 4
            return f"numeric({(packed >> 16) & 0xFFFF},{((packed & 0x7FF) ^ 1024) - 1024})"
        case "bit" | "varbit" | "time" | "timetz" | "timestamp" | "timestamptz":
            return f"{info.name}({modifier})"
        case _:
            return info.name
