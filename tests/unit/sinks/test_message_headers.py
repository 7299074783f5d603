"""The headers of a message: what they hold, and when they change."""

from __future__ import annotations

import re

from bridge.core.events import Operation
from sinks.message_headers import MessageHeaders, schema_version
from tests.fixtures.events import make_event, make_message, make_relation

PERSONS = make_relation({"id": "int8", "name": "text"}, key=["id"], table="persons")


def test_an_event_has_all_of_them() -> None:
    event = make_event(0x16B374D848, 3)
    assert dict(MessageHeaders(for_routing=True)(event)) == {
        "event_id": event.event_id,
        "position": "16/B374D848:3",
        "traceparent": f"00-{event.event_id.replace('-', '')[:24]}00000000-0000000100000003-00",
        "transaction_id": event.transaction_id,
        "operation": "Insert",
        "schema": "public",
        "table": "users",
        "schema_version": schema_version(event.relation),
    }


def test_where_nobody_routes_by_them_the_table_is_left_to_the_body() -> None:
    headers = dict(MessageHeaders(for_routing=False)(make_event(0x1000)))
    names = {"event_id", "position", "traceparent", "transaction_id", "schema_version"}
    assert headers.keys() == names


def test_a_message_outside_transactions_has_those_that_apply() -> None:
    event = make_message(0x1000)
    headers = dict(MessageHeaders(for_routing=True)(event))
    assert headers.keys() == {"event_id", "position", "traceparent", "operation"}
    assert headers["position"] == "0/1000:-1"
    assert headers["event_id"] == event.event_id


def test_events_that_follow_each_other_do_not_mix() -> None:
    headers = MessageHeaders(for_routing=True)
    events = [
        make_event(0x1000, 0),
        make_event(0x1000, 1, old=("1", None), operation=Operation.DELETE),
        make_event(0x1000, 2, row=("1", "a"), relation=PERSONS),
        make_event(0x2000, 0),
        make_event(0x1000, 0),
    ]
    made = [dict(headers(event)) for event in events]
    assert [found["event_id"] for found in made] == [event.event_id for event in events]
    assert [found["operation"] for found in made] == [
        "Insert",
        "Delete",
        "Insert",
        "Insert",
        "Insert",
    ]
    assert [found["table"] for found in made] == ["users", "users", "persons", "users", "users"]
    assert made[0] == made[4]


def test_a_trace_is_a_transaction_and_its_parts_are_events() -> None:
    headers = MessageHeaders(for_routing=True)
    one, two, other = (
        dict(headers(make_event(*position)))["traceparent"].split("-")
        for position in ((0x1000, 0), (0x1000, 1), (0x2000, 0))
    )
    assert one[1] == two[1] != other[1]
    assert one[2] != two[2]
    form = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-00")
    assert all(form.fullmatch("-".join(trace)) for trace in (one, two, other))


def test_the_schema_version_changes_with_the_columns_alone() -> None:
    same = make_relation({"id": "int8", "name": "text"}, table="other", schema="sales")
    assert schema_version(same) == schema_version(PERSONS)
    for columns in ({"id": "int4", "name": "text"}, {"name": "text", "id": "int8"}, {"id": "int8"}):
        assert schema_version(make_relation(columns)) != schema_version(PERSONS)
