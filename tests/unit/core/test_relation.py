"""A table and the key of its rows."""

from __future__ import annotations

import json

import pytest

from bridge.core.events import ABSENT, PartialRow
from bridge.core.relation import ReplicaIdentity, make_columns
from bridge.core.types import BUILTIN_TYPES, TypeInfo
from bridge.core.values import Form, ValueStyle
from tests.fixtures.events import make_relation

COLUMNS = {"a": "int8", "b": "text", "c": "text"}


@pytest.mark.parametrize("identity", [ReplicaIdentity.DEFAULT, ReplicaIdentity.INDEX])
def test_the_key_is_what_the_stream_marks(identity: ReplicaIdentity) -> None:
    relation = make_relation(COLUMNS, key=["b"], replica_identity=identity)
    assert relation.row_id(("1", "two", "3")) == "two"


@pytest.mark.parametrize("identity", [ReplicaIdentity.FULL, ReplicaIdentity.NOTHING])
def test_where_the_stream_marks_nothing_useful_the_primary_key_counts(
    identity: ReplicaIdentity,
) -> None:
    relation = make_relation(COLUMNS, key=["c", "a"], replica_identity=identity)
    assert relation.row_id(("1", "two", "3")) == '["3","1"]'


def test_a_primary_key_with_a_column_that_is_not_published_is_no_key() -> None:
    relation = make_relation(COLUMNS, key=["a", "x"], replica_identity=ReplicaIdentity.FULL)
    assert relation.key == ()


def test_a_table_without_a_key_has_no_row_id() -> None:
    assert make_relation(COLUMNS).row_id(("1", "two", "3")) is None


def test_a_composite_key_is_a_json_array_of_texts() -> None:
    relation = make_relation(COLUMNS, key=["a", "b", "c"])
    row = ("1", 'say "hi"\n', "Größe")
    assert json.loads(relation.row_id(row) or "") == list(row)


def test_a_key_with_a_column_that_was_not_sent_is_unknown() -> None:
    single, double = make_relation(COLUMNS, key=["b"]), make_relation(COLUMNS, key=["a", "b"])
    row = PartialRow(("1", ABSENT, "x"))
    assert single.row_id(row) is None
    assert double.row_id(row) is None


def test_values_follow_the_types_and_leave_out_what_was_not_sent() -> None:
    relation = make_relation({"a": "int8", "b": "bool", "c": "_int4", "d": "text", "e": "text"})
    assert relation.values(PartialRow(("1", "t", "{1,NULL}", None, ABSENT))) == {
        "a": 1,
        "b": True,
        "c": [1, None],
        "d": None,
    }


def test_a_row_of_another_width_is_a_fault_of_the_program() -> None:
    with pytest.raises(ValueError, match="shorter"):
        make_relation(COLUMNS).values(("1", "two"))


def test_its_name_is_unquoted_and_its_repr_shows_it() -> None:
    relation = make_relation(COLUMNS, schema="My Schema", table='a "b"')
    assert relation.qualified_name == 'My Schema.a "b"'
    assert repr(relation) == '<Relation My Schema.a "b">'


def test_columns_carry_what_the_stream_describes() -> None:
    types = {**BUILTIN_TYPES, 70000: TypeInfo(oid=70000, schema="public", name="mood", kind="enum")}
    described = [("id", 20, -1, True), ("price", 1700, 655366, False), ("m", 70000, -1, False)]
    columns = make_columns(described, types, ValueStyle())
    assert [(c.name, c.type_oid, c.type_modifier, c.in_identity) for c in columns] == described
    assert [c.form.form for c in columns] == [Form.INTEGER, Form.DECIMAL_TEXT, Form.TEXT]
