"""Rows and keys as records, with columns that were not sent."""

from __future__ import annotations

import io
from typing import Any

import fastavro
import pytest

from bridge.core.events import ABSENT, Operation, PartialRow
from sinks.schema_registry.avro_rows import AvroKey, AvroRow
from sinks.schema_registry.json_schemas import json_key
from tests.fixtures.events import make_event, make_message, make_relation

UNAVAILABLE = "__debezium_unavailable_value"


@pytest.mark.parametrize(
    ("type_name", "out_of_range", "expected"),
    [
        ("text", "text", UNAVAILABLE),
        ("jsonb", "reject", UNAVAILABLE),
        ("numeric", "text", UNAVAILABLE),
        ("bytea", "text", UNAVAILABLE.encode()),
        ("_int4", "text", UNAVAILABLE),
        ("_int4", "reject", None),
        ("int8", "text", None),
    ],
)
def test_the_placeholder_stands_where_there_is_room_for_it(
    type_name: str, out_of_range: Any, expected: Any
) -> None:
    relation = make_relation({"id": "int8", "v": type_name}, key=["id"])
    row = AvroRow(relation, "Row", out_of_range)
    texts = PartialRow(("7", ABSENT))  # type: ignore[arg-type]
    schema: Any = ["null", {**row.schema, "namespace": "n"}]

    def read(data: bytes) -> Any:
        return fastavro.schemaless_reader(io.BytesIO(data), schema)

    assert read(row.encode(texts, placeholders=True)) == {"id": 7, "v": expected}
    assert read(row.encode(texts)) == {"id": 7, "v": None}
    assert read(row.encode(None)) is None
    assert (row.absent(texts), row.present(texts)) == (["v"], ["id"])


def test_a_key_that_is_toasted_comes_from_the_old_row() -> None:
    relation = make_relation({"id": "text", "v": "text"}, key=["id"])
    key = AvroKey(relation, "n", "text")
    event = make_event(
        operation=Operation.UPDATE,
        row=PartialRow((ABSENT, "new")),  # type: ignore[arg-type]
        old=PartialRow(("long", ABSENT)),  # type: ignore[arg-type]
        relation=relation,
    )
    encoded = key.encode(event)
    assert encoded is not None
    assert fastavro.schemaless_reader(io.BytesIO(encoded), key.schema) == {"id": "long"}
    assert json_key(relation)(event) == b'{"id":"long"}'


def test_the_key_of_a_logical_message_is_its_prefix() -> None:
    message = make_message()
    key = AvroKey(message.relation, "n", "text")
    assert fastavro.schemaless_reader(io.BytesIO(key.encode(message) or b""), "string") == "audit"
    assert json_key(message.relation)(message) == b'"audit"'
