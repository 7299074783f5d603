"""The format ``flat``: the row, beside what happened to it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from bridge.core.events import ABSENT, CdcEvent, Operation, PartialRow, TruncateEvent
from bridge.core.relation import ReplicaIdentity
from sinks.formats.flat import MEMBERS, FlatFormat
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

FLAT = FlatFormat()


def encoded(event: CdcEvent) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(FLAT.encode(event))
    return decoded


def test_an_insert_in_full() -> None:
    event = make_event(0x16B374D848, 3, row=("7", "Ada"))
    assert FLAT.encode(event) == (
        '{"__event_id":"00000016-b374-8d84-a381-992e00000003","__position":"16/B374D848:3",'
        '"__source_ts_ms":1700000000000,"__source_ts_us":1700000000000000,"__txId":767223,'
        '"__lsn":97500059712,"__op":"c","__schema":"public","__table":"users",'
        '"__deleted":"false","id":7,"name":"Ada"}'
    )


def test_a_delete_has_what_is_known_of_the_row_before() -> None:
    event = make_event(operation=Operation.DELETE, old=PartialRow(("7", ABSENT)))
    found = encoded(event)
    assert (found["__op"], found["__deleted"], found["id"]) == ("d", "true", 7)
    assert "name" not in found


@pytest.mark.parametrize(("old_id", "old_row_id"), [("7", None), ("6", "6")])
def test_an_update_names_the_old_key_only_if_it_changed(
    old_id: str, old_row_id: str | None
) -> None:
    relation = make_relation(
        {"id": "int8", "name": "text"}, key=["id"], replica_identity=ReplicaIdentity.FULL
    )
    event = make_event(
        operation=Operation.UPDATE, row=("7", "Ada"), old=(old_id, "Eva"), relation=relation
    )
    found = encoded(event)
    assert found.get("__old_row_id") == old_row_id
    assert (found["__op"], found["id"], found["name"]) == ("u", 7, "Ada")


def test_unchanged_toasted_columns_are_named_and_missing() -> None:
    event = make_event(operation=Operation.UPDATE, row=PartialRow(("7", ABSENT)))
    found = encoded(event)
    assert found["__unchanged"] == ["name"]
    assert "name" not in found


def test_a_truncate_names_its_options() -> None:
    event = TruncateEvent.of(make_transaction(0x1000), 1, 0xFF8, USERS, ("CASCADE",))
    found = encoded(event)
    assert (found["__op"], found["__table"]) == ("t", "users")
    assert found["__truncate_options"] == ["CASCADE"]


def test_a_message_has_prefix_and_content() -> None:
    found = encoded(make_message())
    assert (found["__op"], found["__schema"], found["__table"]) == ("m", None, None)
    assert (found["prefix"], found["content"], found["__position"]) == (
        "audit",
        "hello",
        "0/1000:-1",
    )
    assert FLAT.key(make_message()) == "audit"


def test_a_column_never_hides_a_member() -> None:
    names = ["__op", "___op", "____op", "_op", "__event_id", "__other", *MEMBERS[2:5]]
    relation = make_relation(dict.fromkeys(names, "text"))
    found = encoded(make_event(row=tuple(names), relation=relation))
    assert (found["__op"], found["____op"], found["_____op"]) == ("c", "__op", "___op")
    assert (found["______op"], found["_op"], found["__other"]) == ("____op", "_op", "__other")
    assert {found[name] for name in found.keys() - set(MEMBERS)} == set(names)


@given(events())
def test_what_a_reader_gets_is_the_row(drawn: tuple[CdcEvent, Row | None, Row | None]) -> None:
    event, new, old = drawn
    found = encoded(event)
    values = expected_values(event.relation, old if new is None else new)
    assert {name: value for name, value in found.items() if name not in MEMBERS} == values
    nulls = expected_nulls(event.relation, "", old if new is None else new)
    assert found.get("__json_nulls", []) == [name[1:] for name in nulls]
    assert found.get("__unchanged", []) == list(event.unchanged)


def test_a_table_without_columns_is_encoded() -> None:
    assert encoded(make_event(row=(), relation=make_relation({})))["__op"] == "c"
