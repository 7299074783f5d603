"""Messages under schemas in a real registry: what a consumer reads, and what evolution allows."""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Callable
from typing import Any

import fastavro
import pytest

from bridge.core.errors import EnvironmentProblem, Transient
from bridge.core.events import ABSENT, Operation, PartialRow
from bridge.core.relation import Relation
from sinks.formats import FormatConfig
from sinks.schema_registry.config import SchemaRegistryConfig
from sinks.schema_registry.encoder import SchemaEncoder
from sinks.schema_registry.errors import Unencodable
from tests.fixtures.events import make_event, make_message, make_relation
from tests.fixtures.schema_registry.official_client import OfficialClient
from tests.fixtures.schema_registry.server import RegistryApi, SchemaRegistry

MakeEncoder = Callable[..., SchemaEncoder]


@pytest.fixture
def topic() -> str:
    return f"t-{uuid.uuid4().hex[:12]}"


def encoder_for(
    registry: RegistryApi, format_name: Any = "native", **settings: Any
) -> SchemaEncoder:
    config = SchemaRegistryConfig(url=registry.url, **settings)
    return SchemaEncoder(config, FormatConfig(format=format_name, server_name="shop"))


def read(registry: RegistryApi, message: bytes | None) -> Any:
    """Read an Avro message as any consumer does: by the id in front of it."""
    assert message is not None
    assert message[0] == 0
    schema = json.loads(registry.schema(int.from_bytes(message[1:5], "big")))
    return fastavro.schemaless_reader(io.BytesIO(message[5:]), schema)


def relation_of(*columns: tuple[str, str], table: str = "users") -> Relation:
    return make_relation(dict(columns), key=["id"], table=table)


def test_a_consumer_reads_the_event_by_the_id_in_the_message(
    schema_registry: RegistryApi, topic: str
) -> None:
    encoder = encoder_for(schema_registry, key="avro")
    event = make_event(row=("7", "Ada"))

    key = read(schema_registry, encoder.encode_key(event, topic))
    value = read(schema_registry, encoder.encode_value(event, topic))

    assert key == {"id": 7}
    assert value["new_values"] == {"id": 7, "name": "Ada"}
    assert value["old_values"] is None
    assert (str(value["event_id"]), value["ordinal"]) == (event.event_id, event.ordinal)
    assert (value["schema"], value["table"], value["row_id"]) == ("public", "users", "7")
    assert schema_registry.versions(f"{topic}-value") == [1]
    assert schema_registry.versions(f"{topic}-key") == [1]


def test_columns_that_were_not_sent_are_told_from_nulls(
    schema_registry: RegistryApi, topic: str
) -> None:
    encoder = encoder_for(schema_registry)
    event = make_event(
        operation=Operation.UPDATE,
        row=PartialRow(("7", ABSENT)),  # type: ignore[arg-type]
        old=PartialRow(("6", ABSENT)),  # type: ignore[arg-type]
    )

    value = read(schema_registry, encoder.encode_value(event, topic))

    assert value["new_values"] == {"id": 7, "name": None}
    assert value["unchanged"] == ["name"]
    assert value["old_values"] == {"id": 6, "name": None}
    assert value["old_columns"] == ["id"]


def test_the_envelope_of_debezium(schema_registry: RegistryApi, topic: str) -> None:
    encoder = encoder_for(schema_registry, "debezium")
    event = make_event(
        operation=Operation.UPDATE,
        row=PartialRow(("7", ABSENT)),  # type: ignore[arg-type]
        old=PartialRow(("6", ABSENT)),  # type: ignore[arg-type]
    )

    value = read(schema_registry, encoder.encode_value(event, topic))

    assert value["op"] == "u"
    assert value["before"] == {"id": 6, "name": None}
    assert value["after"] == {"id": 7, "name": "__debezium_unavailable_value"}
    assert value["unchanged"] == ["name"]
    source = value["source"]
    assert (source["name"], source["db"], source["schema"], source["table"]) == (
        "shop", "shop", "public", "users",
    )  # fmt: skip
    assert (source["lsn"], source["txId"]) == (event.lsn, int(event.transaction_id or 0))
    assert (source["snapshot"], source["ts_us"]) == ("false", event.timestamp)


@pytest.mark.parametrize("format_name", ["native", "debezium"])
@pytest.mark.parametrize("value", ["avro", "json_schema"])
def test_a_message_and_a_truncate_have_values_and_no_keys(
    schema_registry: RegistryApi, topic: str, format_name: str, value: Any
) -> None:
    encoder = encoder_for(schema_registry, format_name, key=value, value=value)
    truncate = make_event(operation=Operation.TRUNCATE, row=())
    truncate.new = None

    assert encoder.encode_value(truncate, f"{topic}-users")
    assert encoder.encode_key(truncate, f"{topic}-users") is None
    assert encoder.encode_value(make_message(), f"{topic}-messages")


def test_a_table_without_a_key_has_its_name_as_key(
    schema_registry: RegistryApi, topic: str
) -> None:
    encoder = encoder_for(schema_registry, key="avro")
    relation = make_relation({"id": "int8"}, table="log")

    key = encoder.encode_key(make_event(row=("1",), relation=relation), topic)

    assert read(schema_registry, key) == "public.log"


@pytest.mark.parametrize(
    ("strategy", "subject"),
    [
        ("topic_name", "{topic}-value"),
        ("record_name", "shop.public.{table}.Event"),
        ("topic_record_name", "{topic}-shop.public.{table}.Event"),
    ],
)
def test_subjects(schema_registry: RegistryApi, topic: str, strategy: Any, subject: str) -> None:
    table = topic.replace("-", "_")
    encoder = encoder_for(schema_registry, subject_strategy=strategy)
    relation = make_relation({"id": "int8"}, key=["id"], table=table)

    encoder.encode_value(make_event(row=("1",), relation=relation), topic)

    assert schema_registry.versions(subject.format(topic=topic, table=table)) == [1]


def test_two_tables_on_one_topic_need_another_strategy(
    schema_registry: RegistryApi, topic: str
) -> None:
    users = make_event(row=("1", "Ada"))
    orders = make_event(row=("1", "x"), relation=relation_of(*FIRST, table="orders"))
    encoder = encoder_for(schema_registry)
    encoder.encode_value(users, topic)
    with pytest.raises(EnvironmentProblem, match="set subject_strategy: topic_record_name"):
        encoder.encode_value(orders, topic)

    encoder = encoder_for(schema_registry, subject_strategy="topic_record_name")
    tables = [
        read(schema_registry, encoder.encode_value(event, topic))["table"]
        for event in (users, orders)
    ]
    assert tables == ["users", "orders"]


FIRST = (("id", "int4"), ("name", "text"))
EVOLUTIONS = {
    "add": ((*FIRST, ("age", "int4")), ("1", "Ada", "36")),
    "drop": ((("id", "int4"),), ("1",)),
    "widen": ((("id", "int8"), ("name", "text")), ("1", "Ada")),
    "rename": ((("id", "int4"), ("title", "text")), ("1", "Ada")),
}


@pytest.mark.parametrize("format_name", ["native", "debezium"])
@pytest.mark.parametrize("change", EVOLUTIONS)
def test_a_changed_table_goes_on_under_backward_in_avro(
    schema_registry: RegistryApi, topic: str, format_name: str, change: str
) -> None:
    columns, row = EVOLUTIONS[change]
    encoder = encoder_for(schema_registry, format_name)
    before = encoder.encode_value(make_event(row=("1", "Ada"), relation=relation_of(*FIRST)), topic)
    after = encoder.encode_value(make_event(row=row, relation=relation_of(*columns)), topic)

    assert schema_registry.versions(f"{topic}-value") == [1, 2]
    # Who knows the new schema reads the old message.
    old, new = (
        json.loads(schema_registry.schema(int.from_bytes(message[1:5], "big")))
        for message in (before, after)
    )
    value = fastavro.schemaless_reader(io.BytesIO(before[5:]), old, new)
    member = "after" if format_name == "debezium" else "new_values"
    expected = {"id": 1, "name": "Ada"}
    assert value[member] == {name: expected.get(name) for name, _ in columns}


@pytest.mark.parametrize("format_name", ["native", "debezium"])
def test_a_new_column_is_compatible_in_json_schema(
    schema_registry: RegistryApi, topic: str, format_name: str
) -> None:
    encoder = encoder_for(schema_registry, format_name, value="json_schema")
    encoder.encode_value(make_event(row=("1", "Ada"), relation=relation_of(*FIRST)), topic)
    columns, row = EVOLUTIONS["add"]
    encoder.encode_value(make_event(row=row, relation=relation_of(*columns)), topic)

    assert schema_registry.versions(f"{topic}-value") == [1, 2]


def test_a_dropped_column_is_refused_in_json_schema(
    schema_registry: RegistryApi, topic: str
) -> None:
    encoder = encoder_for(schema_registry, value="json_schema", on_incompatible="dead_letter")
    encoder.encode_value(make_event(row=("1", "Ada"), relation=relation_of(*FIRST)), topic)
    columns, row = EVOLUTIONS["drop"]
    with pytest.raises(Unencodable, match=r"public\.users"):
        encoder.encode_value(make_event(row=row, relation=relation_of(*columns)), topic)


RETYPED = relation_of(("id", "int4"), ("name", "bool"))


@pytest.mark.parametrize("value", ["avro", "json_schema"])
def test_a_retyped_column_stops_the_sink_with_the_name_of_the_table(
    schema_registry: RegistryApi, topic: str, value: Any
) -> None:
    encoder = encoder_for(schema_registry, value=value)
    encoder.encode_value(make_event(row=("1", "Ada"), relation=relation_of(*FIRST)), topic)

    with pytest.raises(EnvironmentProblem) as stopped:
        encoder.encode_value(make_event(row=("1", "t"), relation=RETYPED), topic)

    assert "public.users" in str(stopped.value)
    assert f"{topic}-value" in str(stopped.value)


def test_a_retyped_column_dead_letters_this_table_until_the_registry_allows_it(
    schema_registry: RegistryApi, topic: str
) -> None:
    clock = [1000.0]
    config = SchemaRegistryConfig(url=schema_registry.url, on_incompatible="dead_letter")
    encoder = SchemaEncoder(config, FormatConfig(), monotonic=lambda: clock[0])
    retyped = make_event(row=("1", "t"), relation=RETYPED)
    encoder.encode_value(make_event(row=("1", "Ada"), relation=relation_of(*FIRST)), topic)

    for _ in range(3):
        with pytest.raises(Unencodable, match=r"public\.users"):
            encoder.encode_value(retyped, topic)
        other = make_event(row=("1", "x"), relation=relation_of(*FIRST, table="orders"))
        encoder.encode_value(other, f"{topic}-orders")

    schema_registry.delete(f"{topic}-value")
    clock[0] += 59
    with pytest.raises(Unencodable):
        encoder.encode_value(retyped, topic)
    clock[0] += 1
    assert read(schema_registry, encoder.encode_value(retyped, topic))["new_values"]["name"] is True


def test_without_auto_register_only_what_is_there_is_used(
    schema_registry: RegistryApi, topic: str
) -> None:
    event = make_event()
    encoder = encoder_for(schema_registry, auto_register=False)
    with pytest.raises(EnvironmentProblem, match="not registered"):
        encoder.encode_value(event, topic)

    registered = encoder_for(schema_registry).encode_value(event, topic)

    assert encoder.encode_value(event, topic) == registered
    with pytest.raises(EnvironmentProblem, match="not registered"):
        encoder.encode_value(make_event(row=("1", "t"), relation=RETYPED), topic)


def test_a_registry_that_is_down_is_waited_for(private_registry: SchemaRegistry) -> None:
    encoder = encoder_for(private_registry)
    users = make_event(row=("1", "Ada"))
    orders = make_event(row=("1", "x"), relation=relation_of(*FIRST, table="orders"))
    first = encoder.encode_value(users, "users")

    private_registry.stop()

    assert encoder.encode_value(users, "users") == first  # known schemas need no registry
    for _ in range(3):
        with pytest.raises(Transient, match="does not answer"):
            encoder.encode_value(orders, "orders")
    private_registry.start()
    assert read(private_registry, encoder.encode_value(orders, "orders"))["table"] == "orders"
    assert read(private_registry, first)["new_values"]["name"] == "Ada"


@pytest.mark.parametrize("format_name", ["native", "debezium"])
@pytest.mark.parametrize("kind", ["avro", "json_schema"])
def test_confluents_own_client_reads_our_messages(
    schema_registry: RegistryApi,
    confluent_client: OfficialClient,
    topic: str,
    format_name: str,
    kind: Any,
) -> None:
    encoder = encoder_for(schema_registry, format_name, key=kind, value=kind)
    events = [make_event(ordinal=i, row=(str(i), f"user {i}")) for i in range(3)]
    keys = [encoder.encode_key(event, topic) or b"" for event in events]
    values = [encoder.encode_value(event, topic) for event in events]

    url = schema_registry.url
    read_keys = confluent_client.read(url, keys, topic=topic, kind=kind, part="key")
    read_values = confluent_client.read(url, values, topic=topic, kind=kind)

    assert read_keys == [{"id": i} for i in range(3)]
    member = "after" if format_name == "debezium" else "new_values"
    assert [v[member] for v in read_values] == [{"id": i, "name": f"user {i}"} for i in range(3)]
