"""Names of tables in the configuration."""

from __future__ import annotations

import pytest

from bridge.core.errors import ConfigError
from bridge.core.table_patterns import TablePattern


def parse(text: str) -> TablePattern:
    return TablePattern.parse(text, setting="source.tables")


@pytest.mark.parametrize(
    ("pattern", "schema", "table", "matches"),
    [
        ("public.users", "public", "users", True),
        (" public.users ", "public", "users", True),
        ("public.users", "public", "users2", False),
        ("public.users", "publicxusers", "users", False),
        ("public.Users", "public", "users", False),
        ("sales.*", "sales", "orders", True),
        ("sales.*", "sales", 'odd\n"name"', True),
        ("sales.*", "sales2", "orders", False),
        ("*.orders", "sales", "orders", True),
        ("tenant_*.log_*", "tenant_7", "log_2024", True),
        ("tenant_*.log_*", "tenant_7", "catalog_2024", False),
        ("*", "any", "thing", True),
        ('"a.b"."c*d"', "a.b", "c*d", True),
        ('"a.b"."c*d"', "a.b", "cxd", False),
        ('public."say ""hi"""', "public", 'say "hi"', True),
        ("public.a[1]?", "public", "a[1]?", True),
        ("public.a?", "public", "ab", False),
    ],
)
def test_a_pattern_covers_a_table(pattern: str, schema: str, table: str, matches: bool) -> None:
    assert parse(pattern).matches(schema, table) is matches


@pytest.mark.parametrize("pattern", ["users", "", ".users", "public.", "a.b.c", '"a.b', 'a"b.c'])
def test_what_names_no_table_is_refused(pattern: str) -> None:
    with pytest.raises(ConfigError, match=r"source\.tables"):
        parse(pattern)


def test_a_name_without_a_schema_is_answered_with_one() -> None:
    with pytest.raises(ConfigError) as caught:
        parse("users")

    assert "public.users" in caught.value.remedy


def test_a_star_makes_a_pattern_of_many() -> None:
    assert parse('public."a*"').names_one
    assert not parse("public.a*").names_one
