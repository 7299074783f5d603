"""Columns of type json: the event holds the document letter for letter, but for line breaks."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest

from bridge.core.events import CdcEvent
from sinks.formats.native import encode_native
from tests.fixtures.databases import Database
from tests.fixtures.raw_json import members, parse_strictly
from tests.fixtures.recorded_changes import Mode, RecordedChanges

pytestmark = pytest.mark.postgres(ordinary="ends")

DOCUMENTS = (
    "null",
    " \n null\t",
    '"null"',
    "{}",
    "-0",
    "-0.0e-0",
    "1E+400",
    "1" * 5000,
    '{"a":1,"a":2, "A" : 3}',
    '\r\n{\n\t"a" :\r[ 1,\n2 ] }\n',
    '"\\n\\r\\u000a\\/\\u00e9 é"',
    '{"\\u0061\\"\\\\": "\u2028\u2029\u0085\x7f</script>"}',
    "[" * 400 + "]" * 400,
    '"' + "x" * 300_000 + '"',
)
REFUSED_BY_THE_SERVER = (
    '"\\u0000"',
    '{"a": ["\\u0000"]}',
    '"\\ud800"',
    '{"\\udc00": 1}',
)
"""Documents that the type holds, and in which the server's JSON functions find fault."""


@pytest.fixture
def connection(database: Database) -> psycopg.Connection[Any]:
    return database.connect()


def record(
    database: Database, connection: psycopg.Connection[Any], documents: tuple[str, ...]
) -> dict[str, list[CdcEvent]]:
    """Write the documents, change them, and return the events by where they come from."""
    modes: tuple[Mode, ...] = ("text",)
    if connection.info.server_version >= 140000:
        modes = ("text", "binary")
    changes = RecordedChanges(database, modes)
    connection.execute("CREATE TABLE docs (id int PRIMARY KEY, doc json, other int)")
    connection.execute("ALTER TABLE docs REPLICA IDENTITY FULL")
    changes.publish("docs")
    connection.cursor().executemany(
        "INSERT INTO docs VALUES (%s, %s)", list(enumerate([None, *documents]))
    )
    connection.execute("UPDATE docs SET other = id")
    changes.stop()
    return {**{mode: changes.events(mode) for mode in modes}, "snapshot": changes.reads()}


def rows_of(event: CdcEvent) -> dict[str, dict[str, str]]:
    """Return the rows of an event as they are written in JSON."""
    parts = members(encode_native(event))
    return {m: members(parts[m]) for m in ("new_values", "old_values") if parts[m] != "null"}


def one_line(document: str) -> str:
    return document.replace("\n", " ").replace("\r", " ")


@pytest.mark.parametrize(
    "documents", [DOCUMENTS, REFUSED_BY_THE_SERVER], ids=["readable", "refused"]
)
def test_a_document_is_in_the_event_letter_for_letter(
    database: Database, connection: psycopg.Connection[Any], documents: tuple[str, ...]
) -> None:
    written = [None, *documents]
    for origin, events in record(database, connection, documents).items():
        assert len(events) == len(written) * (1 if origin == "snapshot" else 2)
        for event in events:
            rows = rows_of(event)
            assert len(rows) == (2 if event.operation == "Update" else 1)
            for row in rows.values():
                document = written[int(row["id"])]
                assert row["doc"] == ("null" if document is None else one_line(document))
            assert event.new_values is not None
            assert event.new_values["doc"] == written[int(rows["new_values"]["id"])]


def test_the_server_reads_the_same_document_out_of_the_event(
    database: Database, connection: psycopg.Connection[Any]
) -> None:
    for events in record(database, connection, DOCUMENTS).values():
        wrong = connection.execute(
            """
            SELECT docs.id
            FROM unnest(%s::text[]) AS line
            CROSS JOIN json_populate_record(NULL::docs, line::json -> 'new_values') AS read
            LEFT JOIN docs USING (id)
            WHERE docs.doc::jsonb IS DISTINCT FROM coalesce(read.doc::jsonb,
                  CASE WHEN line::jsonb -> 'json_nulls' ? 'new_values.doc' THEN 'null'::jsonb END)
            """,
            [[encode_native(event) for event in events]],
        ).fetchall()
        assert wrong == []


def test_the_server_refuses_some_documents_of_its_own(connection: psycopg.Connection[Any]) -> None:
    for document in REFUSED_BY_THE_SERVER:
        row = json.dumps({"doc": "?"}).replace('"?"', document)
        with pytest.raises(psycopg.errors.DataError):
            connection.execute("SELECT (%s::json) -> 'doc'", [row])


def test_a_json_null_is_told_from_an_sql_null(
    database: Database, connection: psycopg.Connection[Any]
) -> None:
    nulls = {index for index, text in enumerate(DOCUMENTS, 1) if text.strip() == "null"}
    for events in record(database, connection, DOCUMENTS).values():
        for event in events:
            rows = rows_of(event)
            named = parse_strictly(encode_native(event)).get("json_nulls", [])
            is_null = int(rows["new_values"]["id"]) in nulls
            assert named == ([f"{member}.doc" for member in rows] if is_null else [])
