"""The native format: generated encoders against the reference, and against the event itself."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from hypothesis import example, given

from bridge.core.events import CdcEvent, EventBatch, Operation, TruncateEvent
from bridge.core.values import ValueStyle
from sinks.formats import encode_batch
from sinks.formats.native import _any_encoder, encode_native
from sinks.formats.row_json import RowJson
from tests.fixtures.events import (
    USERS,
    make_event,
    make_message,
    make_relation,
    make_transaction,
    whole_transaction,
)
from tests.unit.sinks.formats.event_strategies import (
    NAMES,
    Row,
    events,
    expected_nulls,
    expected_values,
)

MEMBERS = [
    "type", "timestamp", "transaction_id", "commit_lsn", "event_id", "operation", "schema",
    "table", "ordinal", "lsn", "row_id", "new_values", "old_values", "unchanged",
]  # fmt: skip


def reference(event: CdcEvent) -> str:
    """Encode with the function that knows every kind of event."""
    return _any_encoder(event.relation, RowJson(event.relation))(event)


def check_against_event(line: str, event: CdcEvent) -> dict[str, Any]:
    """Check everything but the values, and return the parsed line."""
    assert "\n" not in line
    assert "\r" not in line
    decoded: dict[str, Any] = json.loads(line)
    assert list(decoded)[: len(MEMBERS)] == MEMBERS
    assert decoded["type"] == "cdc_event"
    for member in set(MEMBERS) - {"type", "new_values", "old_values", "unchanged"}:
        assert decoded[member] == getattr(event, member), member
    assert decoded["unchanged"] == list(event.unchanged)
    return decoded


@given(events())
def test_a_generated_encoder_does_what_the_reference_does(
    drawn: tuple[CdcEvent, Row | None, Row | None],
) -> None:
    event, _, _ = drawn
    assert encode_native(event) == reference(event)


@given(events())
def test_what_a_reader_gets_is_the_event(drawn: tuple[CdcEvent, Row | None, Row | None]) -> None:
    event, new, old = drawn
    decoded = check_against_event(encode_native(event), event)
    assert decoded["new_values"] == expected_values(event.relation, new)
    assert decoded["old_values"] == expected_values(event.relation, old)
    nulls = expected_nulls(event.relation, "new_values", new)
    nulls += expected_nulls(event.relation, "old_values", old)
    assert decoded.get("json_nulls", []) == nulls
    assert set(decoded) - set(MEMBERS) <= {"json_nulls"}


@given(NAMES)
@example("it's")
@example("\\N{DIGIT ONE}")
@example("'\"{x}\\")
def test_any_name_is_encoded(name: str) -> None:
    relation = make_relation(
        {"id": "int8", name + "_": "text"}, key=["id"], schema=name, table=name
    )
    event = make_event(row=("7", "x"), relation=relation)
    decoded = check_against_event(encode_native(event), event)
    assert decoded["new_values"] == {"id": 7, name + "_": "x"}


def test_an_insert_in_full() -> None:
    event = make_event(0x16B374D848, 3, row=("7", "Ada"))
    assert encode_native(event) == (
        '{"type":"cdc_event","timestamp":1700000000000000,"transaction_id":"767223",'
        '"commit_lsn":97500059720,"event_id":"00000016-b374-8d84-a381-992e00000003",'
        '"operation":"Insert","schema":"public","table":"users","ordinal":3,"lsn":97500059712,'
        '"row_id":"7","new_values":{"id":7,"name":"Ada"},"old_values":null,"unchanged":[]}'
    )


@pytest.mark.parametrize(
    ("document", "listed"),
    [("null", True), (" null\n", True), (None, False), ('"null"', False), ("{}", False)],
)
def test_a_json_null_is_told_from_an_sql_null(document: str | None, listed: bool) -> None:
    event = make_event(row=("7", document), relation=make_relation({"id": "int8", "doc": "json"}))
    line = encode_native(event)
    assert line == reference(event)
    assert json.loads(line).get("json_nulls", []) == (["new_values.doc"] if listed else [])


def test_json_nulls_are_named_in_both_rows() -> None:
    relation = make_relation({"a": "jsonb", "b": "jsonb"})
    event = make_event(
        row=("null", "{}"), old=("1", "null"), operation=Operation.UPDATE, relation=relation
    )
    assert json.loads(encode_native(event))["json_nulls"] == ["new_values.a", "old_values.b"]


def test_a_truncate_names_its_options() -> None:
    event = TruncateEvent.of(make_transaction(0x1000), 1, 0xFF8, USERS, ("CASCADE",))
    line = encode_native(event)
    decoded = check_against_event(line, event)
    assert line == reference(event)
    assert decoded["truncate_options"] == ["CASCADE"]
    assert decoded["new_values"] is decoded["old_values"] is decoded["row_id"] is None


def test_a_message_outside_transactions_has_a_valid_event_id() -> None:
    message = make_message(0x1000)
    line = encode_native(message)
    assert line == reference(message)
    decoded = check_against_event(line, message)
    assert uuid.UUID(decoded["event_id"]).version == 8
    assert (decoded["schema"], decoded["table"], decoded["row_id"]) == (None, None, None)
    assert decoded["transaction_id"] is None
    assert decoded["new_values"] == {
        "prefix": "audit",
        "content": "hello",
        "encoding": "utf8",
        "transactional": False,
    }


def test_a_table_without_columns_is_encoded() -> None:
    event = make_event(row=(), relation=make_relation({}))
    decoded = check_against_event(encode_native(event), event)
    assert decoded["new_values"] == {}


def test_the_widest_table_is_encoded() -> None:
    relation = make_relation({f"column {i}": "int4" for i in range(1600)}, key=["column 9"])
    event = make_event(row=tuple(map(str, range(1600))), relation=relation)
    line = encode_native(event)
    assert line == reference(event)
    assert json.loads(line)["new_values"] == {f"column {i}": i for i in range(1600)}


def test_numbers_follow_the_style() -> None:
    relation = make_relation(
        {"a": "int8", "b": "numeric"}, style=ValueStyle(int8="string", numeric="number")
    )
    line = encode_native(make_event(row=("9007199254740993", "1.10"), relation=relation))
    assert '"new_values":{"a":"9007199254740993","b":1.10}' in line


def test_a_row_of_another_width_is_a_fault_of_the_program() -> None:
    for row in (("1",), ("1", "x", "y")):
        with pytest.raises(ValueError):  # noqa: PT011  (the words are Python's)
            encode_native(make_event(row=row))


def test_a_batch_is_encoded_in_order_and_once() -> None:
    batch = whole_transaction(0x1000, 3)
    lines = encode_batch(batch)
    assert lines == [encode_native(event) for event in batch.events]
    assert encode_batch(batch) is lines
    assert encode_batch(EventBatch([])) == []
