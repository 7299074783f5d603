"""Outbox tables and logical messages: events that the application has written itself."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bridge.config.projections import OutboxConfig
from bridge.core.errors import ConfigError
from bridge.core.events import CdcEvent, Operation, Texts
from bridge.core.relation import Relation
from bridge.eventsourcing import DomainEvent, InvalidInput
from bridge.eventsourcing.emitted import PREFIX, decode_emitted, encode_emitted
from bridge.eventsourcing.expected_version import ANY
from decoders.logical_message import MESSAGE_RELATION
from tests.fixtures.events import TIMESTAMP, make_event, make_relation
from tests.unit.projecting.accounts import events_of, of_table, project_with

COLUMNS = {
    "id": "uuid",
    "aggregatetype": "text",
    "aggregateid": "text",
    "type": "text",
    "payload": "jsonb",
}
OUTBOX = make_relation(COLUMNS, key=["id"], table="outbox")
ID = "0191d7e0-5f3a-7c4e-9a55-1c1f3b2a9d10"
ROW = (ID, "Order", "42", "OrderPlaced", '{"total": 10.50, "id": 1}')
EVENT = DomainEvent(
    ID, "42", "Order", "OrderPlaced", 2, TIMESTAMP + 5, {"total": "10.50"}, metadata={"user": "Ada"}
)


def with_outbox(**settings: Any) -> Any:
    return project_with(outbox=(OutboxConfig(table="public.outbox", **settings),))


def written(
    row: Texts | None, operation: Operation = Operation.INSERT, relation: Relation = OUTBOX
) -> CdcEvent:
    old = ROW if row is None else None
    return make_event(row=row, old=old, operation=operation, relation=relation)


def message(content: str, *, prefix: str = PREFIX, encoding: str = "utf8") -> CdcEvent:
    return make_event(
        row=(prefix, content, encoding, "t"),
        operation=Operation.MESSAGE,
        relation=MESSAGE_RELATION,
    )


def test_an_insert_into_the_outbox_is_an_event_and_its_delete_is_nothing() -> None:
    projection = with_outbox()
    [write] = projection.project([written(ROW), written(None, Operation.DELETE)])
    assert (write.aggregate_type, write.aggregate_id, write.expected) == ("Order", "42", ANY)
    [event] = write.events
    assert (event.event_id, event.event_type, event.version) == (ID, "OrderPlaced", 1)
    assert event.data == '{"total": 10.50, "id": 1}'  # digit for digit
    assert json.loads(event.metadata)["table"] == "public.outbox"
    assert projection.take_rejected() == []


def test_columns_of_the_outbox_may_have_other_names() -> None:
    texts = dict.fromkeys(("kind", "key", "what", "body"), "text")
    renamed = make_relation({"event": "uuid", **texts, "v": "int4"}, table="outbox")
    projection = with_outbox(
        id="event",
        aggregate_type="kind",
        aggregate_id="key",
        event_type="what",
        payload="body",
        version="v",
    )
    [event] = events_of(projection.project([written((*ROW, "3"), relation=renamed)]))
    assert event.version == 3


@pytest.mark.parametrize(
    ("column", "text", "words"),
    [
        ("id", "seven", "no UUID"),
        ("aggregateid", None, "aggregateid is empty"),
        ("aggregateid", "x" * 401, "401 characters"),
        ("aggregatetype", "x" * 201, "201 characters"),
        ("type", "", "type is empty"),
        ("payload", "[1]", "no JSON object"),
        ("payload", '{"a": NaN}', "no JSON"),
        ("payload", "[" * 100_000, "no JSON"),
    ],
)
def test_a_row_that_is_no_event_is_rejected_without_its_values(
    column: str, text: str | None, words: str
) -> None:
    projection = with_outbox()
    row = tuple(text if name == column else was for name, was in zip(COLUMNS, ROW, strict=True))
    assert projection.project([written(row)]) == []
    [(_, reason)] = projection.take_rejected()
    assert words in reason
    assert "seven" not in reason


def test_an_outbox_without_a_column_stops_it_with_its_place() -> None:
    with pytest.raises(ConfigError, match=r"projections\[0\]\.outbox\[0\]\.payload.*no column"):
        with_outbox(payload="content").project([written(ROW)])


def test_a_message_is_an_event_as_it_was_emitted() -> None:
    projection = project_with(messages=True)
    [write] = projection.project([message(encode_emitted(EVENT))])
    assert (write.aggregate_type, write.aggregate_id) == ("Order", "42")
    [event] = write.events
    assert (event.event_id, event.event_type) == (ID, "OrderPlaced")
    assert (event.version, event.timestamp) == (2, TIMESTAMP + 5)
    assert json.loads(event.data) == {"total": "10.50"}
    metadata = json.loads(event.metadata)
    assert metadata["user"] == "Ada"
    assert metadata["position"] == "0/1000:0"
    assert decode_emitted(encode_emitted(EVENT)) == EVENT


def test_other_messages_and_messages_that_nobody_asked_for_are_left_alone() -> None:
    projection = project_with(messages=True)
    assert projection.project([message("hello", prefix="audit")]) == []
    assert of_table().project([message(encode_emitted(EVENT))]) == []
    assert projection.take_rejected() == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("hello", "no JSON"),
        ("[]", "no JSON object"),
        ('{"event_id": "x"}', "has no aggregate_id"),
        (encode_emitted(EVENT).replace(ID, "seven"), "not a UUID"),
        (encode_emitted(EVENT).replace('"version":2', '"version":0'), "version"),
        (encode_emitted(EVENT).replace('{"total":"10.50"}', "7"), "JSON object"),
    ],
)
def test_a_message_that_is_no_event_is_rejected(content: str, words: str) -> None:
    projection = project_with(messages=True)
    assert projection.project([message(content)]) == []
    [(_, reason)] = projection.take_rejected()
    assert words in reason
    assert projection.project([message("00ff", encoding="hex")]) == []
    assert len(projection.take_rejected()) == 1


def test_an_event_that_no_store_takes_is_not_emitted() -> None:
    with pytest.raises(InvalidInput, match="data of OrderPlaced"):
        encode_emitted(DomainEvent.new("Order", "42", "OrderPlaced", {"total": float("nan")}))
