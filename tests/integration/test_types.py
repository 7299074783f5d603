"""Every type through the real thing: the row that the server reads out of an event is the row
that it stores, whatever the operation, the mode of the stream and the style of numbers.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator

import pytest

from bridge.core.values import ValueStyle
from tests.fixtures.databases import fresh_database
from tests.fixtures.raw_json import members, parse_strictly, same_document
from tests.fixtures.row_judge import Difference, differences
from tests.fixtures.server_sources import PostgresServer
from tests.fixtures.type_samples import TYPE_SAMPLES
from tests.fixtures.written_types import DEFAULT_STYLE, Group, Origin, WrittenTypes, write_types

pytestmark = pytest.mark.postgres(ordinary="all")

EXTENSIONS = sorted({sample.extension for sample in TYPE_SAMPLES if sample.extension})
OTHER_NUMBERS = ValueStyle(int8="string", numeric="number")

STREAMED = [
    ("Insert", "new_values"),
    ("Update", "new_values"),
    ("Update", "old_values"),
    ("Delete", "old_values"),
]


@pytest.fixture(scope="module")
def written(server: PostgresServer, postgres_major: int) -> Iterator[WrittenTypes]:
    with fresh_database(server) as database:
        yield write_types(database, postgres_major)


def unexplained(
    written: WrittenTypes, origin: Origin, style: ValueStyle = DEFAULT_STYLE
) -> list[tuple[Group, Difference]]:
    """Let the server judge all events; return what it reads differently for no good reason."""
    found = []
    values = 0
    for group, lines in written.lines(origin, style).items():
        table, _, member = group
        names = list(written.tables[table].types)
        for difference in differences(written.judge, table, names, lines, member):
            if not is_explained(difference, lines[difference.line], member):
                found.append((group, difference))
        values += sum(value != "null" for line in lines for value in row(line, member).values())
    print(f"PostgreSQL {written.major}, {origin}: {values} values")
    return found


def row(line: str, member: str) -> dict[str, str]:
    """Return a row of an event: column to value, as it is written."""
    return members(members(line)[member])


def is_explained(difference: Difference, line: str, member: str) -> bool:
    """Whether this is one of the three differences that docs/values.md tells of.

    A JSON ``null`` reads as SQL's, and the event names it. A ``json`` loses the spaces around it
    and the escapes of a lone string when ``json_populate_record`` reads it; the event has both,
    and a space in the place of each line break. An ``xml`` is stored with its declaration, which
    the server does not print unless it says more than the version and the encoding.
    """
    name, stored = difference.column, difference.stored
    if f"{member}.{name}" in parse_strictly(line).get("json_nulls", ()):
        return stored.strip() == "null" and row(line, member)[name].strip() == "null"
    if name in ("json", "domain over json"):
        as_written = row(line, member)[name]
        return as_written == one_line(stored) and same_document(stored, difference.read)
    return "xml" in name and stored == difference.read


def one_line(document: str) -> str:
    return document.replace("\n", " ").replace("\r", " ")


def test_the_server_reads_every_row_out_of_the_stream_as_it_stores_it(
    written: WrittenTypes,
) -> None:
    assert unexplained(written, "text") == []
    assert written.lines("text").keys() == {(t, *way) for t in written.tables for way in STREAMED}


@pytest.mark.postgres(min=14)
def test_the_server_reads_every_row_out_of_the_binary_stream_as_it_stores_it(
    written: WrittenTypes,
) -> None:
    assert unexplained(written, "binary") == []


def test_the_server_reads_every_row_out_of_the_snapshot_as_it_stores_it(
    written: WrittenTypes,
) -> None:
    assert unexplained(written, "snapshot") == []
    assert written.lines("snapshot").keys() == {(t, "Read", "new_values") for t in written.tables}


@pytest.mark.parametrize("origin", ["text", "snapshot"])
def test_the_server_reads_every_row_with_numbers_in_the_other_style_as_it_stores_it(
    written: WrittenTypes, origin: Origin
) -> None:
    assert unexplained(written, origin, OTHER_NUMBERS) == []
    default, other = (
        row(written.lines("text", style)["scalars", "Insert", "new_values"][2], "new_values")
        for style in (DEFAULT_STYLE, OTHER_NUMBERS)
    )
    changed = {name for name in default if default[name] != other[name]}
    assert changed == {"int8", "numeric", "numeric(10,3)"} & default.keys()


@pytest.mark.postgres(min=14)
def test_binary_mode_gives_the_same_bytes(written: WrittenTypes) -> None:
    text, binary = written.lines("text"), written.lines("binary")
    assert len(binary) == len(STREAMED) * sum(t.has_binary_format for t in written.tables.values())
    for group, lines in binary.items():
        assert lines == text[group], group


def test_a_snapshot_gives_the_same_bytes_as_the_stream(written: WrittenTypes) -> None:
    for table in written.tables:
        inserted = written.lines("text")[table, "Insert", "new_values"]
        read = written.lines("snapshot")[table, "Read", "new_values"]
        assert [members(line)["new_values"] for line in read] == [
            members(line)["new_values"] for line in inserted
        ]


def test_an_update_under_default_and_full_identity_gives_the_same_bytes_as_an_insert(
    written: WrittenTypes,
) -> None:
    def rows(table: str, operation: str, member: str) -> list[dict[str, str]]:
        found = [row(line, member) for line in written.lines("text")[table, operation, member]]
        found.sort(key=lambda values: int(values["id"]))
        return [{n: v for n, v in values.items() if n != "id"} for values in found]

    for table in written.tables:
        inserted = rows(table, "Insert", "new_values")
        assert rows(table, "Update", "new_values") == inserted * 2
        assert rows(table, "Update", "old_values") == inserted
        assert rows(table, "Delete", "old_values") == inserted


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_the_types_of_an_extension_are_among_them(written: WrittenTypes, extension: str) -> None:
    if extension not in written.extensions:
        pytest.skip(f"PostgreSQL {written.major} has no extension {extension} here")
    types = {sample.type for sample in TYPE_SAMPLES if sample.extension == extension}
    assert types & written.tables["scalars"].types.keys()


@pytest.mark.parametrize("origin", ["text", "snapshot"])
def test_no_value_makes_the_json_anything_but_strict(written: WrittenTypes, origin: Origin) -> None:
    lines = [line for group in written.lines(origin).values() for line in group]
    for line in lines:
        assert len(line.splitlines()) >= 1
        assert "\n" not in line
        assert "\r" not in line
        assert parse_strictly(line)["type"] == "cdc_event"
    node = shutil.which("node")
    if node is not None:
        program = (
            "const lines = require('fs').readFileSync(0, 'utf8').split('\\n');"
            "console.log(lines.filter(line => JSON.parse(line).type === 'cdc_event').length)"
        )
        answer = subprocess.run(
            [node, "-e", program], input="\n".join(lines), capture_output=True, text=True
        )
        assert (answer.stdout.strip(), answer.stderr) == (str(len(lines)), "")
