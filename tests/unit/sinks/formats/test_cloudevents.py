"""The format ``cloudevents``: CloudEvents 1.0 in structured JSON."""

from __future__ import annotations

import json
import re
from typing import Any

from hypothesis import given

from bridge.core.events import (
    ABSENT,
    CdcEvent,
    Operation,
    PartialRow,
    Source,
    Transaction,
    TruncateEvent,
)
from sinks.formats.cloudevents import CloudEventsFormat
from tests.fixtures.events import (
    USERS,
    make_event,
    make_message,
    make_relation,
    make_transaction,
)
from tests.unit.sinks.formats.event_strategies import (
    Row,
    events,
    expected_nulls,
    expected_values,
)

CLOUDEVENTS = CloudEventsFormat("orders db")


def encoded(event: CdcEvent) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(CLOUDEVENTS.encode(event))
    return decoded


def test_an_insert_in_full() -> None:
    event = make_event(0x16B374D848, 3, row=("7", "Ada"))
    assert CLOUDEVENTS.encode(event) == (
        '{"specversion":"1.0","id":"00000016-b374-8d84-a381-992e00000003",'
        '"source":"/orders%20db/shop","datacontenttype":"application/json",'
        '"time":"2023-11-14T22:13:20.000000Z","transactionid":"767223",'
        '"position":"16/B374D848:3","lsn":"97500059712","partitionkey":"7",'
        '"type":"pgbridge.insert","operation":"Insert","subject":"public.users",'
        '"dbschema":"public","dbtable":"users",'
        '"data":{"before":null,"after":{"id":7,"name":"Ada"}}}'
    )
    assert CLOUDEVENTS.content_type == "application/cloudevents+json"


def test_attributes_are_texts_with_names_that_the_specification_allows() -> None:
    for event in (make_event(), make_message()):
        attributes = encoded(event)
        del attributes["data"]
        assert all(re.fullmatch("[a-z0-9]{1,20}", name) for name in attributes)
        assert all(isinstance(value, str) and value for value in attributes.values())


def test_the_time_has_microseconds() -> None:
    for microseconds, text in [
        (0, "1970-01-01T00:00:00.000000Z"),
        (1_709_209_496_000_007, "2024-02-29T12:24:56.000007Z"),
        (1_709_209_496_999_999, "2024-02-29T12:24:56.999999Z"),
    ]:
        transaction = Transaction(Source("7", "d"), 1, 0x1000, microseconds)
        event = CdcEvent(transaction, 0, 1, Operation.INSERT, USERS, ("1", "x"), None)
        assert encoded(event)["time"] == text


def test_a_delete_has_the_key_before_and_nothing_after() -> None:
    found = encoded(make_event(operation=Operation.DELETE, old=PartialRow(("7", ABSENT))))
    assert found["data"] == {"before": {"id": 7}, "after": None}
    assert (found["type"], found["partitionkey"]) == ("pgbridge.delete", "7")


def test_a_truncate_names_its_options_and_has_no_key() -> None:
    event = TruncateEvent.of(make_transaction(0x1000), 1, 0xFF8, USERS, ("RESTART IDENTITY",))
    found = encoded(event)
    assert found["data"] == {
        "before": None, "after": None, "truncate_options": ["RESTART IDENTITY"]
    }  # fmt: skip
    assert "partitionkey" not in found


def test_a_message_has_a_subject_but_no_table() -> None:
    found = encoded(make_message())
    assert (found["subject"], found["partitionkey"]) == ("pg_logical.message", "audit")
    assert found.keys().isdisjoint({"dbschema", "dbtable", "transactionid"})
    assert found["data"]["after"]["content"] == "hello"


def test_the_key_is_left_out_where_there_is_none_to_tell() -> None:
    without = make_event(row=("7",), relation=make_relation({"n": "int8"}))
    empty = make_event(row=("",), relation=make_relation({"n": "text"}, key=["n"]))
    null = make_event(row=(None,), relation=make_relation({"n": "text"}, key=["n"]))
    assert all("partitionkey" not in encoded(event) for event in (without, empty, null))


@given(events())
def test_what_a_reader_gets_is_the_event(drawn: tuple[CdcEvent, Row | None, Row | None]) -> None:
    event, new, old = drawn
    found = encoded(event)
    data = found["data"]
    assert data["after"] == expected_values(event.relation, new)
    assert data["before"] == expected_values(event.relation, old)
    nulls = expected_nulls(event.relation, "after", new)
    nulls += expected_nulls(event.relation, "before", old)
    assert data.get("json_nulls", []) == nulls
    assert data.get("unchanged", []) == list(event.unchanged)
    assert found.get("partitionkey", "") == (event.row_id or "")
    assert found["position"] == str(event.position)
