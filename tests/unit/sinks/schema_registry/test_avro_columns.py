"""How columns look in Avro, and what happens where a type has no place for a value."""

from __future__ import annotations

import io
from typing import Any

import fastavro
import pytest

from bridge.core.relation import Column, make_columns
from bridge.core.types import BUILTIN_TYPES, TypeInfo
from bridge.core.values import ValueStyle
from sinks.schema_registry.avro_columns import nullable_column, required_column
from sinks.schema_registry.errors import Unencodable

OIDS = {info.name: oid for oid, info in BUILTIN_TYPES.items()}
MICROS = {"type": "long", "logicalType": "timestamp-micros"}
TYPES = {
    **BUILTIN_TYPES,
    20000: TypeInfo(oid=20000, schema="public", name="small", kind="domain", base_oid=23),
    20001: TypeInfo(oid=20001, schema="public", name="price", kind="domain", base_oid=1700),
    20002: TypeInfo(oid=20002, schema="public", name="mood", kind="enum"),
    20003: TypeInfo(oid=20003, schema="public", name="_small", kind="array", element_oid=20000),
}


def column(type_name: str | int, modifier: int = -1, style: ValueStyle | None = None) -> Column:
    oid = OIDS[type_name] if isinstance(type_name, str) else type_name
    (found,) = make_columns([("c", oid, modifier, False)], TYPES, style or ValueStyle())
    return found


def numeric(precision: int, scale: int) -> Column:
    return column("numeric", ((precision << 16) | (scale & 0x7FF)) + 4)


def decimal(precision: int, scale: int) -> dict[str, Any]:
    return {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        (column("int4"), ["null", "int"]),
        (column("int8"), ["null", "long"]),
        (column("int8", style=ValueStyle(int8="string")), ["null", "long"]),
        (column("oid"), ["null", "long"]),
        (column("numeric"), ["null", "string"]),
        (numeric(10, 3), ["null", decimal(10, 3), "string"]),
        (numeric(5, 0), ["null", decimal(5, 0), "string"]),
        (numeric(1000, 1000), ["null", decimal(1000, 1000), "string"]),
        (numeric(5, -2), ["null", "string"]),
        (numeric(2, 5), ["null", "string"]),
        (column("timestamptz"), ["null", MICROS, "string"]),
        (column("jsonb"), ["null", "string"]),
        (column("bytea"), ["null", "bytes"]),
        (column("_int4"), ["null", {"type": "array", "items": ["null", "int"]}, "string"]),
        (column(20000), ["null", "long"]),
        (column(20001), ["null", "string"]),
        (column(20001, style=ValueStyle(numeric="number")), ["null", "string"]),
        (column(20002), ["null", "string"]),
        (column(20003), ["null", {"type": "array", "items": ["null", "long"]}, "string"]),
        (column(99999), ["null", "string"]),
    ],
)
def test_schemas(of: Column, expected: Any) -> None:
    assert nullable_column(of, "text").schema == expected
    fastavro.parse_schema(expected)


def test_with_reject_a_column_has_one_branch_beside_null() -> None:
    assert nullable_column(column("timestamptz"), "reject").schema == ["null", MICROS]
    assert required_column(column("timestamptz"), "reject").schema == MICROS
    assert required_column(column("timestamptz"), "text").schema == [MICROS, "string"]
    assert required_column(column("int8"), "text").schema == "long"


GAPS = [
    (column("timestamptz"), "infinity"),
    (column("timestamptz"), "0044-03-15 12:00:00+00 BC"),
    (column("timestamp"), "10000-01-01 00:00:00"),
    (column("date"), "-infinity"),
    (column("time"), "24:00:00"),
    (numeric(10, 3), "NaN"),
    (column("_int4"), "[0:1]={7,8}"),
    (column("_int4"), "{{1,2},{3,4}}"),
]


@pytest.mark.parametrize(("of", "text"), GAPS)
def test_what_has_no_place_in_its_type_is_a_text_or_refused(of: Column, text: str) -> None:
    for make in (nullable_column, required_column):
        lossless = make(of, "text")
        read = fastavro.schemaless_reader(io.BytesIO(lossless.encode(text)), lossless.schema)
        assert read == text
        with pytest.raises(Unencodable, match="The column c holds a value") as refused:
            make(of, "reject").encode(text)
        assert text not in refused.value.reason
