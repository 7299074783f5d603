"""The native format: generated encoders against the reference, and against the event itself."""

from __future__ import annotations

import json
import uuid

import pytest

from sinks.encode import _encode_any, encode_native
from tests.fixtures.events import make_event, make_message, make_relation


@pytest.mark.parametrize(
    "name",
    ["it's", '"', "\\", "{x}", "{{", "}", "\\N{DIGIT ONE}", "'\"", "Größe 世界", "a b", "%s"],
)
def test_any_column_name_is_encoded(name: str) -> None:
    event = make_event(row=("7", "x"), relation=make_relation({"id": "int8", name: "text"}))
    assert encode_native(event) == _encode_any(event)
    assert json.loads(encode_native(event))["new_values"] == {"id": 7, name: "x"}


@pytest.mark.parametrize(
    ("document", "listed"),
    [("null", True), (" null\n", True), (None, False), ('"null"', False), ("{}", False)],
)
def test_a_json_null_is_told_from_an_sql_null(document: str | None, listed: bool) -> None:
    event = make_event(row=("7", document), relation=make_relation({"id": "int8", "doc": "json"}))
    line = encode_native(event)
    assert line == _encode_any(event)
    assert json.loads(line).get("json_nulls", []) == (["new_values.doc"] if listed else [])


def test_a_message_outside_transactions_has_a_valid_event_id() -> None:
    message = make_message(0x1000)
    line = encode_native(message)
    assert line == _encode_any(message)
    decoded = json.loads(line)
    assert decoded["event_id"] == message.event_id
    assert uuid.UUID(decoded["event_id"]).version == 8
    assert (decoded["schema"], decoded["table"], decoded["row_id"]) == (None, None, None)
    assert decoded["new_values"]["content"] == "hello"
