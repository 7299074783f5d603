"""The format ``debezium``: field by field as Debezium documents its envelope and its keys."""

from __future__ import annotations

import base64
import json
from importlib.metadata import version
from typing import Any

import pytest
from hypothesis import given

from bridge.core.events import (
    ABSENT,
    CdcEvent,
    Operation,
    PartialRow,
    Texts,
    Transaction,
    TruncateEvent,
)
from bridge.core.relation import Relation, ReplicaIdentity
from decoders.logical_message import MESSAGE_RELATION
from sinks.formats.debezium import UNAVAILABLE, DebeziumFormat
from tests.fixtures.events import (
    SOURCE,
    USERS,
    make_event,
    make_message,
    make_relation,
    make_transaction,
)
from tests.unit.sinks.formats.event_strategies import Row, events

DEBEZIUM = DebeziumFormat("fulfillment")

SOURCE_FIELDS = {
    "version", "connector", "name", "ts_ms", "ts_us", "ts_ns", "snapshot", "db", "sequence",
    "schema", "table", "txId", "lsn", "xmin",
}  # fmt: skip
"""Those of ``io.debezium.connector.postgresql.Source``."""

ENVELOPE_FIELDS = {"before", "after", "source", "op", "ts_ms", "ts_us", "ts_ns", "transaction"}

CUSTOMERS = make_relation(
    {"id": "int4", "first_name": "text", "email": "text"},
    key=["id"],
    schema="inventory",
    table="customers",
)


def encoded(event: CdcEvent) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(DEBEZIUM.encode(event))
    return decoded


def change(
    operation: Operation,
    new: Texts | None,
    old: Texts | None = None,
    relation: Relation = CUSTOMERS,
) -> CdcEvent:
    return make_event(0x16B374D848, 3, operation=operation, row=new, old=old, relation=relation)


ANNE = ("1", "Anne", "anne@example.org")


def test_a_create_event_in_full() -> None:
    event = change(Operation.INSERT, ANNE)
    assert encoded(event) == {
        "before": None,
        "after": {"id": 1, "first_name": "Anne", "email": "anne@example.org"},
        "source": {
            "version": version("pgbridge"),
            "connector": "postgresql",
            "name": "fulfillment",
            "ts_ms": 1_700_000_000_000,
            "ts_us": 1_700_000_000_000_000,
            "ts_ns": 1_700_000_000_000_000_000,
            "snapshot": "false",
            "db": "shop",
            "sequence": '["97500059720","97500059712"]',
            "schema": "inventory",
            "table": "customers",
            "txId": 767223,
            "lsn": 97500059712,
            "xmin": None,
            "event_id": event.event_id,
        },
        "op": "c",
        "ts_ms": 1_700_000_000_000,
        "ts_us": 1_700_000_000_000_000,
        "ts_ns": 1_700_000_000_000_000_000,
        "transaction": None,
    }


@pytest.mark.parametrize("operation", ["Insert", "Update", "Delete", "Read"])
def test_the_envelope_has_the_documented_fields_and_one_more(operation: str) -> None:
    rows = (None, ANNE) if operation == "Delete" else (ANNE, None)
    envelope = encoded(change(Operation(operation), *rows))
    assert envelope.keys() == ENVELOPE_FIELDS
    assert envelope["source"].keys() == SOURCE_FIELDS | {"event_id"}


def test_an_update_has_no_before_when_the_key_stays() -> None:
    envelope = encoded(change(Operation.UPDATE, ANNE))
    assert (envelope["op"], envelope["before"]) == ("u", None)
    assert envelope["after"]["first_name"] == "Anne"


def test_an_update_under_replica_identity_full_has_the_whole_row_before() -> None:
    relation = make_relation(
        {"id": "int4", "first_name": "text", "email": "text"},
        key=["id"],
        replica_identity=ReplicaIdentity.FULL,
    )
    envelope = encoded(change(Operation.UPDATE, ANNE, ("1", "Ann", None), relation))
    assert envelope["before"] == {"id": 1, "first_name": "Ann", "email": None}


@pytest.mark.parametrize("operation", ["Update", "Delete"])
def test_what_is_not_logged_of_the_row_before_is_null(operation: str) -> None:
    new = ("2", "Anne", None) if operation == "Update" else None
    envelope = encoded(change(Operation(operation), new, PartialRow(("1", ABSENT, ABSENT))))
    assert envelope["before"] == {"id": 1, "first_name": None, "email": None}
    assert (envelope["after"] is None) == (operation == "Delete")
    assert envelope["op"] == operation[0].lower()


def test_a_row_of_the_snapshot_is_a_read() -> None:
    transaction = Transaction(SOURCE, None, 0x1000, 1_700_000_000_000_000)
    event = CdcEvent(transaction, 0, 0x1000, Operation.READ, CUSTOMERS, ANNE, None)
    envelope = encoded(event)
    assert (envelope["op"], envelope["source"]["snapshot"]) == ("r", "true")
    assert envelope["source"]["txId"] is None


def test_a_time_of_zero_is_a_number() -> None:
    transaction = Transaction(SOURCE, 7, 0x1000, 0)
    envelope = encoded(CdcEvent(transaction, 0, 0x1000, Operation.INSERT, CUSTOMERS, ANNE, None))
    assert (envelope["ts_ns"], envelope["source"]["ts_ns"]) == (0, 0)


def test_a_truncate_has_no_rows_and_no_key() -> None:
    event = TruncateEvent.of(make_transaction(0x1000), 1, 0xFF8, CUSTOMERS, ("CASCADE",))
    envelope = encoded(event)
    assert envelope.keys() == ENVELOPE_FIELDS - {"before", "after"}
    assert (envelope["op"], envelope["source"]["table"]) == ("t", "customers")
    assert DEBEZIUM.key(event) is None


@pytest.mark.parametrize(
    ("row", "content"),
    [
        (("foo", "bar", "utf8", "t"), b"bar"),
        (("foo", "", "utf8", "t"), b""),
        (("foo", "\\x00ff", "hex", "t"), b"\x00\xff"),
    ],
)
def test_a_message_has_its_bytes_in_base64(row: Texts, content: bytes) -> None:
    event = CdcEvent(
        make_transaction(0x1000), 2, 0xFF8, Operation.MESSAGE, MESSAGE_RELATION, row, None
    )
    envelope = encoded(event)
    assert envelope.keys() == ENVELOPE_FIELDS - {"before", "after"} | {"message"}
    assert envelope["message"] == {
        "prefix": "foo",
        "content": base64.b64encode(content).decode(),
    }
    assert envelope["source"].items() >= {"schema": "", "table": "", "txId": 4096}.items()
    assert DEBEZIUM.key(event) == '{"prefix":"foo"}'


def test_a_message_outside_transactions_has_no_transaction() -> None:
    assert encoded(make_message())["source"]["txId"] is None


def test_unchanged_toasted_columns_have_the_placeholder_of_debezium() -> None:
    relation = make_relation(
        {"id": "int8", "t": "text", "j": "jsonb", "b": "bytea", "a": "_int4", "n": "numeric"},
        key=["id"],
    )
    event = change(Operation.UPDATE, PartialRow(("1", *[ABSENT] * 5)), relation=relation)
    after = encoded(event)["after"]
    assert base64.b64decode(after.pop("b")).decode() == UNAVAILABLE
    assert after == {
        "id": 1, "t": UNAVAILABLE, "j": UNAVAILABLE, "a": [UNAVAILABLE], "n": UNAVAILABLE
    }  # fmt: skip


def test_values_that_look_different_from_native() -> None:
    relation = make_relation({"b": "bytea", "bs": "_bytea", "j": "jsonb", "n": "json"})
    row = ("\\x00ff", '{"\\\\x00ff",NULL}', '{"a": 1.10}', " null ")
    assert encoded(change(Operation.INSERT, row, relation=relation))["after"] == {
        "b": "AP8=",
        "bs": ["AP8=", None],
        "j": '{"a": 1.10}',
        "n": " null ",
    }


@pytest.mark.parametrize(
    ("columns", "key"),
    [
        (["id"], '{"id":1}'),
        (["id", "first_name"], '{"id":1,"first_name":"Anne"}'),
        ([], None),
    ],
)
def test_the_key_is_an_object_of_the_key_columns(columns: list[str], key: str | None) -> None:
    relation = make_relation({"id": "int4", "first_name": "text", "email": "text"}, key=columns)
    assert DEBEZIUM.key(change(Operation.INSERT, ANNE, relation=relation)) == key


def test_the_key_of_a_delete_is_that_of_the_old_row() -> None:
    event = change(Operation.DELETE, None, PartialRow(("1", ABSENT, ABSENT)))
    assert DEBEZIUM.key(event) == '{"id":1}'


def test_the_key_can_be_made_of_other_columns() -> None:
    event = change(Operation.INSERT, ("1", "Anne", None))
    assert DEBEZIUM.key(event, ("email", "id")) == '{"email":null,"id":1}'
    assert DEBEZIUM.key(event, ("missing",)) is None
    delete = change(Operation.DELETE, None, PartialRow(("1", ABSENT, ABSENT)))
    assert DEBEZIUM.key(delete, ("email",)) is None


def test_a_toasted_key_that_did_not_change_comes_from_the_old_row() -> None:
    relation = make_relation({"id": "text", "note": "text"}, key=["id"])
    event = change(
        Operation.UPDATE, PartialRow((ABSENT, "x")), PartialRow(("long", ABSENT)), relation
    )
    assert DEBEZIUM.key(event) == '{"id":"long"}'


def test_formats_of_different_names_do_not_share_encoders() -> None:
    event = make_event(row=("7", "Ada"))
    assert encoded(event)["source"]["name"] == "fulfillment"
    other = DebeziumFormat('"other"')
    assert json.loads(other.encode(event))["source"]["name"] == '"other"'
    assert other.name != DEBEZIUM.name


def test_events_of_other_transactions_do_not_share_what_transactions_have_in_common() -> None:
    first, second = make_event(0x1000), make_event(0x2000)
    ids = [encoded(event)["source"]["event_id"] for event in (first, second, first)]
    assert ids == [first.event_id, second.event_id, first.event_id]


@given(events())
def test_what_a_reader_gets_is_the_row(drawn: tuple[CdcEvent, Row | None, Row | None]) -> None:
    event, new, old = drawn
    envelope = encoded(event)
    assert envelope["after"] == values(event.relation, new, UNAVAILABLE)
    assert envelope["before"] == values(event.relation, old, None)


def values(relation: Relation, row: Row | None, absent: str | None) -> dict[str, Any] | None:
    if row is None:
        return None
    return {
        column.name: value(column.form.form.name, sample, absent)
        for column, sample in zip(relation.columns, row, strict=True)
    }


def value(form: str, sample: Any, absent: str | None) -> Any:
    if sample is None:
        return None
    if sample is ABSENT:
        if form == "BYTES" and absent is not None:
            return base64.b64encode(absent.encode()).decode()
        return [absent] if form == "ARRAY" and absent is not None else absent
    text, plain = sample
    if form == "BYTES":
        return base64.b64encode(bytes.fromhex(text[2:])).decode()
    return text if form == "JSON" else plain


def test_a_table_without_columns_is_encoded() -> None:
    assert encoded(make_event(row=(), relation=make_relation({})))["after"] == {}


def test_names_are_quoted() -> None:
    relation = make_relation({'a"b': "text"}, schema="it's", table="{x}\\")
    envelope = encoded(make_event(row=("v",), relation=relation))
    assert envelope["after"] == {'a"b': "v"}
    assert (envelope["source"]["schema"], envelope["source"]["table"]) == ("it's", "{x}\\")


def test_a_text_as_a_key_is_json_too() -> None:
    assert json.loads(DEBEZIUM.text_key('a"b')) == 'a"b'
    assert DEBEZIUM.key(make_event(row=("7", "Ada"), relation=USERS)) == '{"id":7}'
