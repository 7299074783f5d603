"""Names of PostgreSQL as Avro allows them, and subjects."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sinks.schema_registry.names import avro_name, namespace, subject
from tests.fixtures.events import make_message, make_relation

NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)
TRICKY = st.text(st.sampled_from("_u0aé 2f😀"), min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("id", "id"),
        ("Mixed_Case2", "Mixed_Case2"),
        ("two words", "two_u0020words"),
        ("1st", "_u0031st"),
        ("größe", "gr_u00f6_u00dfe"),
        ("😀", "_ud83d_ude00"),
        ("a_u0020b", "a_u005fu0020b"),
    ],
)
def test_names_that_avro_allows_stay_and_others_are_escaped(name: str, expected: str) -> None:
    assert avro_name(name) == expected


@given(NAMES | TRICKY, NAMES | TRICKY)
def test_names_are_allowed_and_different_ones_stay_different(one: str, other: str) -> None:
    assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", avro_name(one))
    assert (avro_name(one) == avro_name(other)) == (one == other)


def test_the_namespace_is_server_schema_and_table() -> None:
    relation = make_relation({"id": "int8"}, schema="my schema", table="a.b")
    assert namespace("shop.eu", relation) == "shop.eu.my_u0020schema.a_u002eb"
    assert namespace("shop", make_message().relation) == "shop.pg_logical.message"


def test_subjects() -> None:
    assert subject("topic_name", "users", "key", "shop.Key") == "users-key"
    assert subject("record_name", "users", "value", "shop.Event") == "shop.Event"
    assert subject("topic_record_name", "users", "value", "shop.Event") == "users-shop.Event"
