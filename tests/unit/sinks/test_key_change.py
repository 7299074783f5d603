"""An UPDATE that changes the key, for targets that file events by their key."""

from __future__ import annotations

import json

import pytest

from bridge.core.events import ABSENT, CdcEvent, Operation, PartialRow
from bridge.core.relation import ReplicaIdentity
from sinks.formats import FormatConfig, make_format
from sinks.key_change import split_key_change
from tests.fixtures.events import make_event, make_relation

FULL = make_relation(
    {"id": "int8", "name": "text"}, key=["id"], replica_identity=ReplicaIdentity.FULL
)
LONG_KEY = make_relation({"id": "text", "name": "text"}, key=["id"])
KEYLESS = make_relation({"name": "text"}, replica_identity=ReplicaIdentity.FULL)


def test_a_changed_key_is_a_delete_and_an_insert() -> None:
    event = make_event(
        0x1000, 3, operation=Operation.UPDATE, row=("2", "Ada"), old=PartialRow(("1", ABSENT))
    )
    parts = split_key_change(event)
    assert parts is not None
    delete, insert = parts
    assert (delete.operation, delete.row_id, delete.new) == (Operation.DELETE, "1", None)
    assert (insert.operation, insert.row_id, insert.old) == (Operation.INSERT, "2", None)
    assert insert.new == ("2", "Ada")
    assert {delete.event_id, insert.event_id} == {event.event_id}
    assert {delete.position, insert.position} == {event.position}


def test_the_parts_are_events_of_debezium_with_a_key_each() -> None:
    event = make_event(
        operation=Operation.UPDATE, row=("2", "Ada"), old=("1", "Ada"), relation=FULL
    )
    debezium = make_format(FormatConfig(format="debezium"))
    parts = split_key_change(event)
    assert parts is not None
    assert [debezium.key(part) for part in parts] == ['{"id":1}', '{"id":2}']
    delete, insert = (json.loads(debezium.encode(part)) for part in parts)
    assert (delete["op"], delete["after"]) == ("d", None)
    assert delete["before"] == {"id": 1, "name": "Ada"}
    assert (insert["op"], insert["before"]) == ("c", None)


@pytest.mark.parametrize(
    "event",
    [
        make_event(),
        make_event(operation=Operation.DELETE, old=("1", "x")),
        make_event(operation=Operation.UPDATE, row=("1", "x")),
        make_event(operation=Operation.UPDATE, row=("1", "x"), old=("1", "y"), relation=FULL),
        make_event(operation=Operation.UPDATE, row=("x",), old=("y",), relation=KEYLESS),
        make_event(
            operation=Operation.UPDATE,
            row=PartialRow((ABSENT, "x")),
            old=PartialRow(("long", ABSENT)),
            relation=LONG_KEY,
        ),
    ],
)
def test_every_other_event_stays_one(event: CdcEvent) -> None:
    assert split_key_change(event) is None
