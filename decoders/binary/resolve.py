"""From a type to its converter, once per column."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from bridge.core.errors import DecodeError, EnvironmentProblem
from bridge.core.types import TypeInfo
from decoders.binary import (
    containers,
    extensions,
    floats,
    geometric,
    network,
    numeric,
    scalars,
    temporal,
    textsearch,
)
from decoders.binary.converter import Converter

_BUILTIN: Mapping[str, Converter] = MappingProxyType(
    {
        "bool": scalars.boolean,
        "bytea": scalars.bytea,
        "char": scalars.char,
        "uuid": scalars.uuid,
        "tid": scalars.tid,
        "money": scalars.money,
        "pg_lsn": scalars.pg_lsn,
        "macaddr": scalars.hardware_address("macaddr", 6),
        "macaddr8": scalars.hardware_address("macaddr8", 8),
        "numeric": numeric.numeric,
        "float4": floats.float4,
        "float8": floats.float8,
        "date": temporal.date,
        "time": temporal.time,
        "timetz": temporal.timetz,
        "timestamp": temporal.timestamp,
        "timestamptz": temporal.timestamptz,
        "interval": temporal.interval,
        "point": geometric.point,
        "lseg": geometric.lseg,
        "box": geometric.box,
        "line": geometric.line,
        "circle": geometric.circle,
        "path": geometric.path,
        "polygon": geometric.polygon,
        "tsvector": textsearch.tsvector,
        "tsquery": textsearch.tsquery,
        "int2vector": containers.vector("int2vector", scalars.integer("int2", ">h")),
        "oidvector": containers.vector("oidvector", scalars.integer("oid", ">I")),
        **{
            name: scalars.integer(name, layout)
            for name, layout in (
                ("int2", ">h"), ("int4", ">i"), ("int8", ">q"),
                ("oid", ">I"), ("xid", ">I"), ("cid", ">I"), ("xid8", ">Q"),
            )
        },
        **{
            name: scalars.text(name)
            for name in ("text", "varchar", "bpchar", "name", "json", "xml", "refcursor")
        },
        **{name: scalars.versioned_text(name) for name in ("jsonb", "jsonpath")},
        **{name: scalars.bit_string(name) for name in ("bit", "varbit")},
        **{name: scalars.snapshot(name) for name in ("pg_snapshot", "txid_snapshot")},
        **{name: network.network(name) for name in ("inet", "cidr")},
    }
)  # fmt: skip

_EXTENSION: Mapping[str, Converter] = MappingProxyType(
    {
        "citext": scalars.text("citext"),
        "hstore": extensions.hstore,
        "cube": extensions.cube,
        "geometry": extensions.geometry,
        "geography": extensions.geometry,
        "vector": extensions.vector,
        "halfvec": extensions.halfvec,
        "sparsevec": extensions.sparsevec,
        **{name: scalars.versioned_text(name) for name in ("ltree", "lquery", "ltxtquery")},
    }
)


def binary_to_text(type_oid: int, types: Mapping[int, TypeInfo]) -> Converter:
    """Return the function from the binary format of a type to its text.

    Ask for it when the first binary value of a column arrives, not before: even with
    ``binary 'true'`` the server sends text for types that have no binary format.

    Args:
        type_oid: of the column; for a domain that of the domain.
        types: ``BUILTIN_TYPES`` and what the database's own catalog adds. The mapping is kept, so
            that attributes which a composite type gets later are found.

    Raises:
        EnvironmentProblem: the type, or a part of it, is unknown or has a binary format that
            cannot be read without the server; the message names it.
    """
    return _converter(type_oid, types, ())


def _converter(oid: int, types: Mapping[int, TypeInfo], enclosing: tuple[int, ...]) -> Converter:
    info = types.get(oid)
    if info is None:
        raise _unsupported(f"the type with OID {oid}")
    if oid in enclosing:
        # PostgreSQL forbids it. Without this check damaged bytes could nest values at will.
        raise DecodeError(
            "a type contains itself", offset=0, context=f"value of {info.qualified_name}"
        )
    name = info.qualified_name
    inner = (*enclosing, oid)
    match info:
        case TypeInfo(kind="base", schema="pg_catalog") if info.name in _BUILTIN:
            return _BUILTIN[info.name]
        case TypeInfo(kind="base") if info.schema != "pg_catalog" and info.name in _EXTENSION:
            return _EXTENSION[info.name]
        case TypeInfo(kind="enum"):
            return scalars.text(name)
        case TypeInfo(kind="domain", base_oid=int(base)):
            return _converter(base, types, inner)
        case TypeInfo(kind="array", element_oid=int(element)):
            convert = _converter(element, types, inner)
            return containers.array(name, element, convert, info.delimiter)
        case TypeInfo(kind="range", element_oid=int(element)):
            return containers.range_of(name, _converter(element, types, inner))
        case TypeInfo(kind="multirange", element_oid=int(element)):
            return containers.multirange_of(name, _converter(element, types, inner))
        case TypeInfo(kind="composite"):
            return _composite(info, types, inner)
    raise _unsupported(f"the type {name} (OID {oid})")


def _composite(
    info: TypeInfo, types: Mapping[int, TypeInfo], enclosing: tuple[int, ...]
) -> Converter:
    converters = {
        attribute.type_oid: _converter(attribute.type_oid, types, enclosing)
        for attribute in info.attributes
    }

    def attribute(oid: int) -> Converter:
        convert = converters.get(oid)
        if convert is None:
            convert = converters[oid] = _converter(oid, types, enclosing)
        return convert

    return containers.composite(info.qualified_name, attribute)


def _unsupported(what: str) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"The binary format of {what} is not known.",
        remedy="Set `binary: false`, so that the server sends text.",
    )
