"""Every type through schemas in a real registry: a consumer gets the value that the server holds.

The judge is the text that the server sent: what the consumer read, written as text, is the same.
"""

from __future__ import annotations

import io
import json
import math
import struct
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import fastavro
import jsonschema
import pytest

from bridge.core.arrays import parse_array
from bridge.core.events import ABSENT, Texts
from bridge.core.relation import Column, Relation
from sinks.formats import FormatConfig
from sinks.schema_registry.config import SchemaRegistryConfig
from sinks.schema_registry.encoder import SchemaEncoder
from sinks.schema_registry.errors import Unencodable
from tests.fixtures.databases import fresh_database
from tests.fixtures.schema_registry.server import RegistryApi
from tests.fixtures.server_sources import PostgresServer
from tests.fixtures.written_types import WrittenTypes, write_types

FLOAT4 = (700, 1021)
"""The OIDs of ``float4`` and its array."""


@pytest.fixture(scope="module")
def written(newest_server: PostgresServer) -> Iterator[WrittenTypes]:
    with fresh_database(newest_server) as database:
        yield write_types(database, newest_server.major_version)


class Consumer:
    """Reads messages with the schemas that the registry has for them."""

    def __init__(self, registry: RegistryApi) -> None:
        self._registry = registry
        self._schemas: dict[int, Any] = {}

    def avro(self, message: bytes) -> Any:
        schema = self._schema(message, parse=True)
        return fastavro.schemaless_reader(io.BytesIO(message[5:]), schema)

    def check_json(self, message: bytes) -> None:
        self._schema(message, parse=False).validate(json.loads(message[5:]))

    def _schema(self, message: bytes, *, parse: bool) -> Any:
        number = int.from_bytes(message[1:5], "big")
        if number not in self._schemas:
            schema = json.loads(self._registry.schema(number))
            self._schemas[number] = (
                fastavro.parse_schema(schema) if parse else jsonschema.Draft7Validator(schema)
            )
        return self._schemas[number]


def encoder_for(
    registry: RegistryApi, server_name: str, format_name: Any = "native", **settings: Any
) -> SchemaEncoder:
    config = SchemaRegistryConfig(url=registry.url, subject_strategy="record_name", **settings)
    return SchemaEncoder(config, FormatConfig(format=format_name, server_name=server_name))


def is_same(value: Any, text: str, column: Column) -> bool:
    """Whether what a consumer read is what the server wrote as ``text``."""
    match value:
        case bool():
            return text == ("t" if value else "f")
        case float():
            form = "<f" if column.type_oid in FLOAT4 else "<d"
            same = struct.pack(form, value) == struct.pack(form, float(text))
            return same or (math.isnan(value) and text == "NaN")
        case Decimal():
            return f"{value:f}" == text
        case bytes():
            return f"\\x{value.hex()}" == text
        case datetime() | time() | date():
            return _printed(value) == text
        case str() | int() | UUID():
            return str(value) == text
        case list():
            items = parse_array(text, column.form.delimiter)
            assert items is not None
            return len(items) == len(value) and all(
                i is v if v is None else is_same(v, i, column)  # type: ignore[arg-type]
                for v, i in zip(value, items, strict=True)
            )
    return False


def _printed(value: datetime | time | date) -> str:
    """Print a date or time as the server does."""
    text = str(value).removesuffix("+00:00")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return f"{text}+00" if isinstance(value, datetime) and value.tzinfo else text


def differences(
    relation: Relation, row: Texts | None, record: Any, kinds: Counter[str]
) -> list[tuple[str, str | None, Any]]:
    """Return the columns in which a record is not the row: name, text, what was read.

    Args:
        relation: of the row.
        row: as the server sent it.
        record: as the consumer read it.
        kinds: counts the types of what was read.
    """
    if row is None or record is None:
        return [] if row is None and record is None else [("the row", str(row), record)]
    found = []
    for column, text, value in zip(relation.columns, row, record.values(), strict=True):
        kinds[type(value).__name__] += 1
        if text is None or text is ABSENT or value is None:
            same = value is None and (text is None or text is ABSENT)
        else:
            same = is_same(value, text, column)
        if not same:
            found.append((column.name, text, value))
    return found


@pytest.mark.parametrize("origin", ["text", "snapshot"])
@pytest.mark.parametrize("format_name", ["native", "debezium"])
def test_every_value_comes_back_from_avro(
    schema_registry: RegistryApi, written: WrittenTypes, format_name: str, origin: Any
) -> None:
    encoder = encoder_for(schema_registry, f"types-{format_name}-{origin}", format_name)
    consumer = Consumer(schema_registry)
    new, old = ("after", "before") if format_name == "debezium" else ("new_values", "old_values")
    kinds: Counter[str] = Counter()
    wrong = []
    for event in written.events(origin):
        record = consumer.avro(encoder.encode_value(event, "t"))
        for row, member in ((event.new, new), (event.old, old)):
            wrong += differences(event.relation, row, record[member], kinds)
    print(f"{format_name}, {origin}: {kinds.total()} values: {dict(kinds)}")
    assert wrong == []
    assert {"list", "Decimal", "datetime", "date", "time", "UUID", "bytes", "float"} <= set(kinds)


def test_with_reject_an_event_is_as_the_server_sent_it_or_refused_by_the_column(
    schema_registry: RegistryApi, written: WrittenTypes
) -> None:
    encoder = encoder_for(schema_registry, "types-reject", out_of_range="reject")
    consumer = Consumer(schema_registry)
    taken, refused = 0, []
    for event in written.events("text"):
        try:
            message = encoder.encode_value(event, "t")
        except Unencodable as error:
            refused.append(error.reason)
            continue
        taken += 1
        record = consumer.avro(message)
        assert differences(event.relation, event.new, record["new_values"], Counter()) == []
    print(f"{taken} events taken, {len(refused)} refused: {len(set(refused))} columns")
    assert taken > 0
    assert any("The column numeric(10,3) holds a value" in reason for reason in refused)


@pytest.mark.parametrize("format_name", ["native", "debezium"])
def test_every_event_in_json_fulfils_the_schema_in_the_registry(
    schema_registry: RegistryApi, written: WrittenTypes, format_name: str
) -> None:
    encoder = encoder_for(schema_registry, f"json-{format_name}", format_name, value="json_schema")
    consumer = Consumer(schema_registry)
    events = written.events("text")
    for event in events:
        consumer.check_json(encoder.encode_value(event, "t"))
    print(f"{format_name}: {len(events)} events")
    assert events
