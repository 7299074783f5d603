"""What changes of a table mean for its readers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.core.table_schema import (
    ColumnSchema,
    Compatibility,
    TableSchema,
    changes,
    compatibility,
    widens,
)
from bridge.core.types import BUILTIN_TYPES, TypeInfo, type_text

USERS = TableSchema(
    oid=1,
    name="public.users",
    columns=(ColumnSchema("id", "int4"), ColumnSchema("name", "text")),
    key=("id",),
    replica_identity="d",
)
NONE, BACKWARD, FORWARD, FULL = Compatibility


def with_columns(**columns: str) -> TableSchema:
    return replace(USERS, columns=tuple(ColumnSchema(*column) for column in columns.items()))


@pytest.mark.parametrize(
    ("new", "texts", "expected"),
    [
        (with_columns(id="int4", name="text", age="int2"), ["added age int2"], FULL),
        (with_columns(id="int4"), ["dropped name text"], BACKWARD),
        (with_columns(id="int8", name="text"), ["id from int4 to int8"], BACKWARD),
        (with_columns(id="int2", name="text"), ["id from int4 to int2"], FORWARD),
        (with_columns(id="int4", name="jsonb"), ["name from text to jsonb"], NONE),
        (with_columns(id="int4", full="text"), ["renamed name to full"], NONE),
        (
            with_columns(id="int4", full="text", age="int2"),
            ["renamed name to full", "added age int2"],
            NONE,
        ),
        (
            with_columns(id="int8", name="text", age="int2"),
            ["id from int4 to int8", "added age int2"],
            BACKWARD,
        ),
        (with_columns(name="text", id="int4"), ["columns in another order"], FULL),
        (replace(USERS, key=("name",)), ["key is now name"], NONE),
        (replace(USERS, key=()), ["key is now nothing"], NONE),
        (replace(USERS, replica_identity="f"), ["replica identity is now FULL"], FULL),
        (replace(USERS, oid=2), ["table created again"], FULL),
        (replace(USERS, name="public.people"), ["table renamed from public.users"], NONE),
    ],
)
def test_a_change_is_named_and_judged(
    new: TableSchema, texts: list[str], expected: Compatibility
) -> None:
    found = changes(USERS, new)

    assert [change.text for change in found] == texts
    assert compatibility(found) is expected


def test_the_key_of_a_renamed_column_is_the_same_key() -> None:
    new = replace(with_columns(uid="int4", name="text"), key=("uid",))

    assert [change.text for change in changes(USERS, new)] == ["renamed id to uid"]


def test_the_same_form_is_no_change() -> None:
    assert changes(USERS, replace(USERS)) == ()
    assert compatibility(()) is FULL


@pytest.mark.parametrize(
    ("old", "new", "wider"),
    [
        ("int2", "int8", True),
        ("int8", "int4", False),
        ("int4", "text", False),
        ("int8", "numeric", True),
        ("numeric(10,2)", "numeric(12,2)", True),
        ("numeric(10,2)", "numeric(10,3)", False),
        ("numeric(10,2)", "numeric", True),
        ("numeric", "numeric(10,2)", False),
        ("varchar(10)", "varchar(20)", True),
        ("varchar(20)", "varchar(10)", False),
        ("varchar(20)", "varchar", True),
        ("varchar", "varchar(20)", False),
        ("varchar(20)", "text", True),
        ("text", "varchar", False),
        ("sales.mood", "text", False),
    ],
)
def test_a_type_is_wider_if_it_has_every_value(old: str, new: str, wider: bool) -> None:
    assert widens(old, new) is wider


@pytest.mark.parametrize("required", list(Compatibility))
def test_what_covers_a_requirement(required: Compatibility) -> None:
    covering = {found for found in Compatibility if found.covers(required)}

    assert covering == (set(Compatibility) if required is NONE else {required, FULL})


@pytest.mark.parametrize(
    ("oid", "modifier", "text"),
    [
        (23, -1, "int4"),
        (1043, 24, "varchar(20)"),
        (1042, 5, "bpchar(1)"),
        (1700, -1, "numeric"),
        (1700, 655366, "numeric(10,2)"),
        (1700, 198657, "numeric(3,-3)"),
        (1015, 24, "varchar(20)[]"),
        (1184, 3, "timestamptz(3)"),
        (99_999, -1, "sales.mood"),
        (88_888, -1, "type 88888"),
    ],
)
def test_a_type_is_written_as_people_do(oid: int, modifier: int, text: str) -> None:
    types = {**BUILTIN_TYPES, 99_999: TypeInfo(oid=99_999, schema="sales", name="mood")}

    assert type_text(oid, modifier, types) == text
