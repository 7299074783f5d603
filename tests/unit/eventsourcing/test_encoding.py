"""JSON of data: what is read is what was given, on the quick way and on the careful one."""

from __future__ import annotations

import json
import math
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.eventsourcing.encoding import decode, encode_exact, exact_object, usual_objects
from bridge.eventsourcing.errors import InvalidInput


class Text(str):
    pass


class Count(IntEnum):
    ONE = 1


class Name(StrEnum):
    ADA = "ada"


class Colour(Enum):
    RED = "red"


@dataclass
class Point:
    x: int = 1


class Record(msgspec.Struct):
    x: int = 1


_TEXTS = st.text(st.characters(codec=None), max_size=20)  # halves of surrogate pairs, too
_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**70), 2**70),
    st.sampled_from([13_999, 14_000, 14_001]).map(lambda bits: -(1 << bits)),
    st.floats(),
    _TEXTS,
    _TEXTS.map(Text),
    st.decimals(allow_nan=False),
    st.datetimes(),
    st.uuids(),
    st.binary(max_size=3),
    st.sampled_from([Count.ONE, Name.ADA, Colour.RED, Point(), Record()]),
)
_KEYS = st.one_of(_TEXTS, _TEXTS.map(Text), st.integers(0, 3), st.none(), st.booleans())
_VALUES = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(st.one_of(_TEXTS, _KEYS), inner, max_size=4),
        st.dictionaries(_TEXTS, inner, max_size=4).map(OrderedDict),
    ),
    max_leaves=12,
)


def careful(value: Any) -> Any:
    """Return the text of an object, and what is read of it, without the quick way."""
    text = encode_exact(exact_object(value, "The data"))
    return text, decode(text)


def shape(value: Any) -> Any:
    """Return a value with the types of everything in it, and the signs of zeros."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value]
    return type(value), value, isinstance(value, float) and math.copysign(1, value)


@given(st.lists(st.dictionaries(_KEYS, _VALUES, max_size=4), min_size=1, max_size=3))
def test_both_ways_agree(values: list[Any]) -> None:
    usual = usual_objects(values)

    if usual is not None:
        texts, read = usual
        assert [(text, shape(one)) for text, one in zip(texts, read, strict=True)] == [
            (text, shape(one)) for text, one in map(careful, values)
        ]
        assert [shape(json.loads(text)) for text in texts] == list(map(shape, read))


@given(st.dictionaries(_TEXTS, _VALUES, max_size=4))
def test_what_is_read_of_a_text_is_what_json_reads(value: Any) -> None:
    try:
        text = encode_exact(exact_object(value, "The data"))
    except InvalidInput:
        return
    assert shape(decode(text)) == shape(json.loads(text))
    text.encode()


@pytest.mark.parametrize(
    "value",
    [
        {"amount": 1, "by": "Ada", "at": [1.5, -0.0, True, None, {"deep": {}}], "": "\n\u2028\0é"},
        {"floats": [1e22, 5e-324, 1e16, 1.7976931348623157e308], "integers": [2**64, -(2**200)]},
        {"ordered": OrderedDict(a=1), "default": defaultdict(int, a=1), Text("key"): Name.ADA},
    ],
)
def test_usual_data_take_the_quick_way(value: dict[str, Any]) -> None:
    usual = usual_objects([value, {}])

    assert usual is not None
    assert usual[1] == [value, {}]
    assert usual[0][0] == careful(value)[0]
    assert usual[1][0] is not value


@pytest.mark.parametrize(
    "value",
    [
        *(Decimal("1.50"), Text("a"), Colour.RED, Point(), Record(), b"a", {1, 2}, (1, 2)),
        *(math.nan, math.inf, UUID(int=1), date(2026, 1, 1), datetime(2026, 1, 1, tzinfo=UTC)),
        *(timedelta(1), "\ud800", {"\udfff": 1}, {1: 2}, {None: 1}, {1: 1, "1": 2}, object()),
        *(msgspec.UNSET, msgspec.Raw(b"[1]"), [10**4299], [-(10**4400)]),
    ],
)
def test_whatever_is_not_read_back_as_it_was_takes_the_careful_way(value: Any) -> None:
    assert usual_objects([{"fine": 1}, {"value": value}]) is None


@pytest.mark.parametrize("wrap", [lambda inner: [inner], lambda inner: {"a": inner}])
def test_the_depth_has_the_same_limit_on_both_ways(wrap: Callable[[Any], Any]) -> None:
    deep: Any = 1
    for _ in range(100):
        deep = wrap(deep)

    assert usual_objects([{"a": deep}]) == ([careful({"a": deep})[0]], [{"a": deep}])
    assert usual_objects([{"a": wrap(deep)}]) is None
    with pytest.raises(InvalidInput, match="nested deeper"):
        exact_object({"a": wrap(deep)}, "The data")


@pytest.mark.parametrize("values", [[[1]], [1], [None], [OrderedDict(a=1)], [{"a": 1}, [1]], []])
def test_only_objects_are_usual(values: list[Any]) -> None:
    assert usual_objects(values) is None


def test_a_value_that_refuses_to_be_compared_is_not_usual() -> None:
    class Odd(dict[str, int]):
        def __eq__(self, other: object) -> bool:
            raise RuntimeError("not with me")

        __hash__ = None  # type: ignore[assignment]

    assert usual_objects([{"a": Odd(b=1)}]) is None
    assert careful({"a": Odd(b=1)}) == ('{"a":{"b":1}}', {"a": {"b": 1}})


@pytest.mark.parametrize("text", ["", "{", '{"a":1}x', '{"a":1', "{'a':1}", '{"a":"\t"}'])
def test_a_text_that_is_no_json_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decode(text)


def test_halves_of_a_pair_become_the_character_that_every_reader_sees() -> None:
    text, read = careful({"pair": "\ud83d" + "\ude00", "half": "\ud83d"})

    assert text.isascii()
    assert read == {"pair": "\N{GRINNING FACE}", "half": "\ud83d"}
