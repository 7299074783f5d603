"""The JSON Schemas in ``docs/schemas`` and the events that they describe."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from jsonschema import Draft202012Validator

from bridge.core.events import ABSENT, CdcEvent, Operation, PartialRow, Transaction, TruncateEvent
from bridge.core.relation import Relation, ReplicaIdentity
from bridge.core.types import BUILTIN_TYPES
from decoders.logical_message import MESSAGE_RELATION
from sinks.formats import FormatConfig, make_format
from tests.fixtures.events import (
    SOURCE,
    USERS,
    make_event,
    make_message,
    make_relation,
    make_transaction,
)
from tests.unit.sinks.formats.event_strategies import Row, events

SCHEMAS = Path(__file__).parents[4] / "docs" / "schemas"
FORMATS = ("native", "debezium", "cloudevents", "flat")


def schema_of(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((SCHEMAS / f"{name}.schema.json").read_text("utf-8"))
    return schema


VALIDATORS = {name: Draft202012Validator(schema_of(name)) for name in FORMATS}


def encoded(name: str, event: CdcEvent) -> dict[str, Any]:
    line = make_format(FormatConfig(format=name)).encode(event)  # type: ignore[arg-type]
    decoded: dict[str, Any] = json.loads(line)
    return decoded


def problems(name: str, document: Any) -> list[str]:
    return [error.message for error in VALIDATORS[name].iter_errors(document)]


FULL = make_relation(
    {"id": "int8", "name": "text"}, key=["id"], replica_identity=ReplicaIdentity.FULL
)
KEYLESS = make_relation({"n": "int8", "doc": "jsonb"})
OPERATIONS: dict[str, CdcEvent] = {
    "insert": make_event(row=("1", "Ada")),
    "insert without a key": make_event(row=("1", "null"), relation=KEYLESS),
    "update": make_event(operation=Operation.UPDATE, row=("1", "Ada")),
    "update with TOAST": make_event(operation=Operation.UPDATE, row=PartialRow(("1", ABSENT))),
    "update of the key": make_event(
        operation=Operation.UPDATE, row=("2", "Ada"), old=PartialRow(("1", ABSENT))
    ),
    "update of a full row": make_event(
        operation=Operation.UPDATE, row=("2", "Ada"), old=("1", None), relation=FULL
    ),
    "delete": make_event(operation=Operation.DELETE, old=PartialRow(("1", ABSENT))),
    "delete of a full row": make_event(operation=Operation.DELETE, old=("1", "A"), relation=FULL),
    "truncate": TruncateEvent.of(make_transaction(0x1000), 1, 0xFF8, USERS, ()),
    "truncate with options": TruncateEvent.of(
        make_transaction(0x1000), 1, 0xFF8, USERS, ("CASCADE", "RESTART IDENTITY")
    ),
    "read": CdcEvent(
        Transaction(SOURCE, None, 0x1000, 1), 0, 0, Operation.READ, USERS, ("1", "Ada"), None
    ),
    "message": CdcEvent(
        make_transaction(0x1000), 0, 0xFF8, Operation.MESSAGE, MESSAGE_RELATION,
        ("p", "c", "utf8", "t"), None,
    ),
    "message outside transactions": make_message(),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMATS)
def test_a_schema_is_a_schema(name: str) -> None:
    Draft202012Validator.check_schema(schema_of(name))


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("what", OPERATIONS)
def test_every_operation_is_valid(name: str, what: str) -> None:
    assert problems(name, encoded(name, OPERATIONS[what])) == []


@pytest.mark.parametrize("name", FORMATS)
@given(events())
def test_events_of_many_types_are_valid(
    name: str, drawn: tuple[CdcEvent, Row | None, Row | None]
) -> None:
    assert problems(name, encoded(name, drawn[0])) == []


@pytest.mark.parametrize("name", FORMATS)
def test_a_null_of_every_type_is_valid(name: str) -> None:
    types = {info.name: info.name for info in BUILTIN_TYPES.values()}
    relation: Relation = make_relation(types)
    event = make_event(row=(None,) * len(types), relation=relation)
    assert problems(name, encoded(name, event)) == []


@pytest.mark.parametrize("name", FORMATS)
def test_an_event_that_lacks_a_member_is_not_valid(name: str) -> None:
    event = encoded(name, OPERATIONS["insert"])
    for member in VALIDATORS[name].schema["required"]:
        assert problems(name, {k: v for k, v in event.items() if k != member}), member


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("native", ("old_values",), {"id": 1}),
        ("native", ("schema",), None),
        ("native", ("event_id",), "7"),
        ("native", ("more",), 1),
        ("debezium", ("op",), "d"),
        ("debezium", ("message",), {"prefix": "a", "content": ""}),
        ("debezium", ("after", "name"), {"a": "document"}),
        ("debezium", ("source", "snapshot"), "true"),
        ("debezium", ("source", "more"), 1),
        ("cloudevents", ("id",), "7"),
        ("cloudevents", ("data", "after"), None),
        ("cloudevents", ("time",), "yesterday"),
        ("flat", ("__deleted",), "true"),
        ("flat", ("__op",), "x"),
    ],
)
def test_an_event_that_is_wrong_is_not_valid(name: str, path: tuple[str, ...], value: Any) -> None:
    event = deepcopy(encoded(name, OPERATIONS["insert"]))
    at = event
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    assert problems(name, event)


def documented() -> dict[str, Any]:
    """Return the events in docs/formats.md, by format."""
    page = (SCHEMAS.parent / "formats.md").read_text("utf-8")
    found = {}
    for section in page.split("\n## ")[1:]:
        name, _, text = section.partition("\n")
        for block in re.findall(r"^```json\n(.*?)^```$", text, re.M | re.S):
            found[name] = json.loads(block)
    return found


def test_the_documented_events_are_valid() -> None:
    events_by_format = documented()
    assert events_by_format.keys() == set(FORMATS) - {"native"}
    for name, event in events_by_format.items():
        assert problems(name, event) == [], name
