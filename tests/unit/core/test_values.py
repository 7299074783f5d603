"""Each type in JSON and in Python: the examples of docs/values.md."""

from __future__ import annotations

import json
import math
from decimal import Decimal

import pytest

from bridge.core.errors import DecodeError
from bridge.core.types import BUILTIN_TYPES, TypeInfo
from bridge.core.values import (
    ColumnForm,
    Form,
    Value,
    ValueStyle,
    column_form,
    document_json,
    timestamp_json,
    to_json,
    to_python,
)

OIDS = {info.name: info.oid for info in BUILTIN_TYPES.values()}
DEFAULT = ValueStyle()

USER_TYPES = {
    info.oid: info
    for info in (
        TypeInfo(oid=90001, schema="public", name="mood", kind="enum"),
        TypeInfo(oid=90002, schema="public", name="_mood", kind="array", element_oid=90001),
        TypeInfo(oid=90003, schema="public", name="positive", kind="domain", base_oid=OIDS["int8"]),
        TypeInfo(oid=90004, schema="public", name="small", kind="domain", base_oid=90003),
        TypeInfo(oid=90005, schema="public", name="_small", kind="array", element_oid=90004),
        TypeInfo(oid=90006, schema="public", name="tags", kind="domain", base_oid=OIDS["_text"]),
        TypeInfo(oid=90007, schema="public", name="_tags", kind="array", element_oid=90006),
        TypeInfo(oid=90008, schema="public", name="pair", kind="composite"),
        TypeInfo(oid=90009, schema="public", name="int4", kind="base"),
        TypeInfo(oid=90010, schema="public", name="loop", kind="domain", base_oid=90010),
        TypeInfo(oid=90011, schema="public", name="lost", kind="domain", base_oid=12345678),
        TypeInfo(oid=90012, schema="public", name="_lost", kind="array", element_oid=12345678),
    )
}
TYPES = {**BUILTIN_TYPES, **USER_TYPES}
ALL_OIDS = {**OIDS, **{f"public.{info.name}": oid for oid, info in USER_TYPES.items()}}


def form_of(name: str, style: ValueStyle = DEFAULT) -> ColumnForm:
    return column_form(ALL_OIDS[name], TYPES, style)


EXAMPLES: list[tuple[str, str, str, Value]] = [
    ("int2", "-32768", "-32768", -32768),
    ("int4", "7", "7", 7),
    ("int8", "9223372036854775807", "9223372036854775807", 9223372036854775807),
    ("oid", "4294967295", "4294967295", 4294967295),
    ("numeric", "1.10", '"1.10"', Decimal("1.10")),
    ("numeric", "Infinity", '"Infinity"', Decimal("Infinity")),
    ("float8", "0.1", "0.1", 0.1),
    ("float8", "1e+20", "1e+20", 1e20),
    ("float8", "-0", "-0", -0.0),
    ("float4", "-Infinity", '"-Infinity"', -math.inf),
    ("bool", "t", "true", True),
    ("bool", "f", "false", False),
    ("text", 'say "hi"\n', '"say \\"hi\\"\\n"', 'say "hi"\n'),
    ("bpchar", "ab   ", '"ab   "', "ab   "),
    ("bytea", "\\x00ff", '"\\\\x00ff"', "\\x00ff"),
    ("jsonb", '{"n": 1.10}', '{"n": 1.10}', '{"n": 1.10}'),
    ("json", "[1,\r\n 2]", "[1,   2]", "[1,\r\n 2]"),
    ("xml", "<a b='c'/>", "\"<a b='c'/>\"", "<a b='c'/>"),
    ("uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
     '"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"', "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ("date", "0044-03-15 BC", '"0044-03-15 BC"', "0044-03-15 BC"),
    ("time", "24:00:00", '"24:00:00"', "24:00:00"),
    ("timetz", "12:30:00-05:30", '"12:30:00-05:30"', "12:30:00-05:30"),
    ("timestamp", "2024-02-29 12:34:56.78", '"2024-02-29T12:34:56.78"', "2024-02-29T12:34:56.78"),
    ("timestamptz", "2024-02-29 12:34:56+00", '"2024-02-29T12:34:56Z"', "2024-02-29T12:34:56Z"),
    ("timestamptz", "infinity", '"infinity"', "infinity"),
    ("interval", "1 year -2 days 04:05:06", '"1 year -2 days 04:05:06"', "1 year -2 days 04:05:06"),
    ("bit", "0101", '"0101"', "0101"),
    ("inet", "192.168.1.5/24", '"192.168.1.5/24"', "192.168.1.5/24"),
    ("money", "-$1,234.50", '"-$1,234.50"', "-$1,234.50"),
    ("point", "(1,2.5)", '"(1,2.5)"', "(1,2.5)"),
    ("int4range", "[1,5)", '"[1,5)"', "[1,5)"),
    ("tsrange", '["2020-01-01 00:00:00",)', '"[\\"2020-01-01 00:00:00\\",)"',
     '["2020-01-01 00:00:00",)'),
    ("int4multirange", "{[1,3),[5,7)}", '"{[1,3),[5,7)}"', "{[1,3),[5,7)}"),
    ("pg_lsn", "16/B374D848", '"16/B374D848"', "16/B374D848"),
    ("int2vector", "1 2", '"1 2"', "1 2"),
    ("_int4", "{1,NULL,3}", "[1,null,3]", [1, None, 3]),
    ("_int4", "{}", "[]", []),
    ("_int4", "{{1,2},{3,4}}", "[[1,2],[3,4]]", [[1, 2], [3, 4]]),
    ("_int4", "[0:1]={7,8}", '"[0:1]={7,8}"', "[0:1]={7,8}"),
    ("_numeric", "{1.10,NaN}", '["1.10","NaN"]', None),
    ("_float8", "{0.5,NULL,Infinity}", '[0.5,null,"Infinity"]', [0.5, None, math.inf]),
    ("_bool", "{t,f}", "[true,false]", [True, False]),
    ("_text", '{"a,b",NULL,"NULL",""}', '["a,b",null,"NULL",""]', ["a,b", None, "NULL", ""]),
    ("_timestamptz", '{"2024-02-29 12:34:56+00"}', '["2024-02-29T12:34:56Z"]',
     ["2024-02-29T12:34:56Z"]),
    ("_box", "{(3,4),(1,2);(1,1),(0,0)}", '["(3,4),(1,2)","(1,1),(0,0)"]',
     ["(3,4),(1,2)", "(1,1),(0,0)"]),
    ("_jsonb", '{"[null]",NULL,"null"}', '"{\\"[null]\\",NULL,\\"null\\"}"',
     '{"[null]",NULL,"null"}'),
    ("public.mood", 'so "so"', '"so \\"so\\""', 'so "so"'),
    ("public._mood", "{happy,NULL}", '["happy",null]', ["happy", None]),
    ("public.positive", "5", "5", 5),
    ("public.small", "5", "5", 5),
    ("public._small", "{5,NULL}", "[5,null]", [5, None]),
    ("public.tags", "{a,b}", '["a","b"]', ["a", "b"]),
    ("public._tags", '{"{a,b}",NULL}', '"{\\"{a,b}\\",NULL}"', '{"{a,b}",NULL}'),
    ("public.pair", "(1,)", '"(1,)"', "(1,)"),
    ("public.int4", "seven", '"seven"', "seven"),
    ("public.loop", "x", '"x"', "x"),
    ("public.lost", "x", '"x"', "x"),
    ("public._lost", "{1,2}", '["1","2"]', ["1", "2"]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "in_json", "in_python"), EXAMPLES)
def test_a_value_in_json_and_in_python(
    name: str, text: str, in_json: str, in_python: Value
) -> None:
    form = form_of(name)
    assert to_json(form)(text) == in_json
    json.loads(in_json)
    value = to_python(form)(text)
    if name == "_numeric":  # NaN equals nothing, itself included
        assert str(value) == "[Decimal('1.10'), Decimal('NaN')]"
    else:
        assert value == in_python
        assert type(value) is type(in_python)


def test_an_unknown_type_is_its_text() -> None:
    form = column_form(4_000_000_000, TYPES, DEFAULT)
    assert form.form is Form.TEXT
    assert to_json(form)("a\tb") == '"a\\tb"'
    assert to_python(form)("a\tb") == "a\tb"


def test_every_built_in_type_has_a_form() -> None:
    for oid in BUILTIN_TYPES:
        form = column_form(oid, BUILTIN_TYPES, DEFAULT)
        assert (form.element is not None) == (form.form is Form.ARRAY)


# The settings for numbers


@pytest.mark.parametrize(
    ("style", "name", "text", "expected"),
    [
        (ValueStyle(int8="string"), "int8", "9007199254740993", '"9007199254740993"'),
        (ValueStyle(int8="string"), "_int8", "{1,NULL}", '["1",null]'),
        (ValueStyle(int8="string"), "public.small", "5", '"5"'),
        (ValueStyle(int8="string"), "int4", "5", "5"),
        (ValueStyle(numeric="number"), "numeric", "0.10", "0.10"),
        (ValueStyle(numeric="number"), "numeric", "NaN", '"NaN"'),
        (ValueStyle(numeric="number"), "_numeric", "{1.0,-Infinity}", '[1.0,"-Infinity"]'),
    ],
)
def test_numbers_are_written_as_asked_for(
    style: ValueStyle, name: str, text: str, expected: str
) -> None:
    assert to_json(form_of(name, style))(text) == expected


@pytest.mark.parametrize("style", [ValueStyle(), ValueStyle(int8="string", numeric="number")])
def test_the_settings_change_nothing_in_python(style: ValueStyle) -> None:
    assert to_python(form_of("int8", style))("9007199254740993") == 9007199254740993
    assert to_python(form_of("numeric", style))("0.10") == Decimal("0.10")


def test_a_numeric_keeps_every_digit_in_python() -> None:
    text = "9" * 100 + "." + "1" * 100
    assert str(to_python(form_of("numeric"))(text)) == text


@pytest.mark.parametrize("name", ["int4", "int8", "float8", "numeric", "_int4"])
def test_a_text_that_is_no_number_is_refused_without_being_quoted(name: str) -> None:
    text = "{secret}" if name.startswith("_") else "secret"
    with pytest.raises(DecodeError) as caught:
        to_python(form_of(name))(text)
    assert "secret" not in str(caught.value)
    assert caught.value.__suppress_context__


# Timestamps and documents


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-02-29 12:34:56", "2024-02-29T12:34:56"),
        ("2024-02-29 12:34:56.000001+00", "2024-02-29T12:34:56.000001Z"),
        ("2024-02-29 12:34:56+05:45", "2024-02-29T12:34:56+05:45"),
        ("0001-01-01 00:00:00", "0001-01-01T00:00:00"),
        ("9999-12-31 23:59:59.999999+00", "9999-12-31T23:59:59.999999Z"),
        ("10000-01-01 00:00:00+00", "10000-01-01 00:00:00+00"),
        ("294276-12-31 23:59:59.999999", "294276-12-31 23:59:59.999999"),
        ("0044-03-15 12:00:00 BC", "0044-03-15 12:00:00 BC"),
        ("0044-03-15 12:00:00+00 BC", "0044-03-15 12:00:00+00 BC"),
        ("infinity", "infinity"),
        ("-infinity", "-infinity"),
    ],
)
def test_a_timestamp_is_iso_8601_where_that_reaches(text: str, expected: str) -> None:
    assert timestamp_json(text) == f'"{expected}"'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": 1}', '{"a": 1}'),
        ('{"a":\n1}\r\n', '{"a": 1}  '),
        ("12345678901234567890.10", "12345678901234567890.10"),
        ('"\\u0000\\n"', '"\\u0000\\n"'),
    ],
)
def test_a_document_is_one_line_and_otherwise_untouched(text: str, expected: str) -> None:
    assert document_json(text) == expected
