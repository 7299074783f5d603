"""Every type through the formats ``debezium``, ``cloudevents`` and ``flat``: the row that the
server reads out of an event is the row that it stores, as far as docs/formats.md says so.

What differs from ``native`` is put back by what that page says of it, and nothing else: documents
are strings and ``bytea`` is in base64 in ``debezium``.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any, Literal

import pytest
from jsonschema import Draft202012Validator

from bridge.core.events import CdcEvent
from bridge.core.relation import Column
from bridge.core.values import Form
from sinks.formats import FormatConfig, make_format
from sinks.formats.flat import MEMBERS
from tests.fixtures.databases import fresh_database
from tests.fixtures.raw_json import members
from tests.fixtures.row_judge import Difference, differences
from tests.fixtures.server_sources import PostgresServer
from tests.fixtures.written_types import WrittenTypes, write_types
from tests.unit.sinks.formats.test_schemas import schema_of

pytestmark = pytest.mark.postgres(ordinary="ends")

FormatName = Literal["debezium", "cloudevents", "flat"]
Rows = dict[str, str]
"""The rows of an event as they are written, by ``new`` and ``old``."""


@pytest.fixture(scope="module")
def written(server: PostgresServer, postgres_major: int) -> Iterator[WrittenTypes]:
    with fresh_database(server) as database:
        yield write_types(database, postgres_major)


def of_debezium(event: CdcEvent, line: str) -> Rows:
    envelope = members(line)
    rows = {"new": envelope["after"], "old": envelope["before"]}
    return {
        which: as_native(event.relation.columns, row)
        for which, row in rows.items()
        if row != "null"
    }


def as_native(columns: tuple[Column, ...], row: str) -> str:
    """Put back what ``debezium`` writes in another way, and leave the rest as it is written."""
    values = members(row)
    for column in columns:
        text = values[column.name]
        if text != "null":
            values[column.name] = native_value(column, text)
    return "{" + ",".join(f"{json.dumps(name)}:{text}" for name, text in values.items()) + "}"


def native_value(column: Column, text: str) -> str:
    form = column.form.form
    if form is Form.JSON:
        return str(json.loads(text))
    if form is Form.BYTES:
        return bytea(json.loads(text))
    if form is Form.ARRAY and column.form.element is Form.BYTES and text.startswith("["):
        return json.dumps(elements(json.loads(text)))
    return text


def elements(items: list[Any]) -> list[Any]:
    return [
        elements(item) if isinstance(item, list) else item and json.loads(bytea(item))
        for item in items
    ]


def bytea(text: str) -> str:
    return json.dumps("\\x" + base64.b64decode(text, validate=True).hex())


def of_cloudevents(event: CdcEvent, line: str) -> Rows:
    data = members(members(line)["data"])
    rows = {"new": data["after"], "old": data["before"]}
    return {which: row for which, row in rows.items() if row != "null"}


def of_flat(event: CdcEvent, line: str) -> Rows:
    values = {name: text for name, text in members(line).items() if name not in MEMBERS}
    row = "{" + ",".join(f"{json.dumps(name)}:{text}" for name, text in values.items()) + "}"
    return {"old" if event.new is None else "new": row}


READERS: dict[FormatName, Callable[[CdcEvent, str], Rows]] = {
    "debezium": of_debezium,
    "cloudevents": of_cloudevents,
    "flat": of_flat,
}


@pytest.mark.parametrize("name", READERS)
def test_the_server_reads_every_row_as_it_stores_it(
    written: WrittenTypes, name: FormatName
) -> None:
    fmt, validator = make_format(FormatConfig(format=name)), Draft202012Validator(schema_of(name))
    groups: dict[tuple[str, str, str], list[tuple[CdcEvent, str]]] = {}
    for origin in ("text", "snapshot"):
        for event in written.events(origin):  # type: ignore[arg-type]
            line = fmt.encode(event)
            parsed = json.loads(line, parse_int=float)
            assert [error.message for error in validator.iter_errors(parsed)] == []
            for which, row in READERS[name](event, line).items():
                group = (str(event.table), str(event.operation), which)
                groups.setdefault(group, []).append((event, row))
    unexplained = []
    values = 0
    for (table, operation, which), rows in groups.items():
        names = list(written.tables[table].types)
        lines = [f'{{"row":{row}}}' for _, row in rows]
        values += len(lines) * len(names)
        for difference in differences(written.judge, table, names, lines, "row"):
            event, row = rows[difference.line]
            if not is_explained(difference, event, row):
                unexplained.append((table, operation, which, difference))
    print(f"PostgreSQL {written.major}, {name}: {values} values in {len(groups)} groups")
    assert unexplained == []
    assert {group[1:] for group in groups} >= {
        ("Insert", "new"), ("Update", "new"), ("Delete", "old"), ("Read", "new")
    }  # fmt: skip


def is_explained(difference: Difference, event: CdcEvent, row: str) -> bool:
    """Whether it is one of the differences that ``json_populate_record`` makes for ``native`` too.

    tests/integration/test_types.py looks at them closely; here it is enough that a document stands
    in the row as it is stored.
    """
    name, stored = difference.column, difference.stored
    column = next(column for column in event.relation.columns if column.name == name)
    if column.form.form is Form.JSON and stored is not None:
        one_line = stored.replace("\n", " ").replace("\r", " ")
        return members(row)[name] in (stored, one_line)
    return "xml" in name and stored == difference.read
