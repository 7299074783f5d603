"""Array literals against a model of the server's ``array_out``."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.core.arrays import ArrayItems, parse_array

SPECIAL = "\"\\{},; \t\n\r\v\f'NULLnul\u00a0é漢"
TEXTS = st.one_of(
    st.text(st.sampled_from(SPECIAL), max_size=8),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8),
    st.sampled_from(["NULL", "null", "Null", "", " ", "\\", '"', "{}", "[0:1]={7}"]),
)
DELIMITERS = st.sampled_from([",", ";"])


def array_out(items: ArrayItems, delimiter: str) -> str:
    """Print nested lists as the server does."""
    return "{" + delimiter.join(item_out(item, delimiter) for item in items) + "}"


def item_out(item: str | ArrayItems | None, delimiter: str) -> str:
    if item is None:
        return "NULL"
    if isinstance(item, list):
        return array_out(item, delimiter)
    special = not item or item.upper() == "NULL" or any(c in f'"\\{{}}{delimiter} \t\n\r\v\f'
                                                        for c in item)  # fmt: skip
    if not special:
        return item
    escaped = item.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


@st.composite
def arrays(draw: st.DrawFn) -> ArrayItems:
    """Draw an array of 1 to 6 dimensions; all sub-arrays of a dimension have one length."""
    lengths = draw(st.lists(st.integers(1, 3), min_size=1, max_size=6))

    def build(depth: int) -> ArrayItems:
        if depth == len(lengths) - 1:
            return [draw(st.none() | TEXTS) for _ in range(lengths[depth])]
        return [build(depth + 1) for _ in range(lengths[depth])]

    return build(0)


@given(arrays(), DELIMITERS)
def test_what_the_server_prints_is_read_back(items: ArrayItems, delimiter: str) -> None:
    assert parse_array(array_out(items, delimiter), delimiter) == items


@given(st.lists(st.none() | TEXTS, min_size=1, max_size=20), DELIMITERS)
def test_arrays_of_one_dimension_are_read_back(items: ArrayItems, delimiter: str) -> None:
    assert parse_array(array_out(items, delimiter), delimiter) == items


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("{}", []),
        ("{1,2,3}", ["1", "2", "3"]),
        ("{NULL}", [None]),
        ('{"NULL",NULL}', ["NULL", None]),
        ('{"null"}', ["null"]),
        ('{""}', [""]),
        ('{"a,b","c\\"d","e\\\\f"}', ["a,b", 'c"d', "e\\f"]),
        ('{"line\nfeed"}', ["line\nfeed"]),
        ("{{1,2},{NULL,4}}", [["1", "2"], [None, "4"]]),
        ('{{{"a b"}},{{c}}}', [[["a b"]], [["c"]]]),
        ("{2024-01-01 00:00:00}", ["2024-01-01 00:00:00"]),
    ],
)
def test_literals(text: str, items: ArrayItems) -> None:
    assert parse_array(text) == items


def test_boxes_are_separated_by_semicolons() -> None:
    assert parse_array("{(3,4),(1,2);(1,1),(0,0)}", ";") == ["(3,4),(1,2)", "(1,1),(0,0)"]


@pytest.mark.parametrize("text", ["[0:1]={7,8}", "[1:1][-2:-1]={{1,2}}", "[5:5]={NULL}"])
def test_other_lower_bounds_stay_text(text: str) -> None:
    assert parse_array(text) is None


@pytest.mark.parametrize(
    "text",
    ["", "x", "1,2", "{", "{1", "{1,", '{"', '{"a', '{"a\\', '{"a\\"', '{"a"b}', "{1}x", "}{",
     "{{1}", "{{1}}}", "{1,{2}", "{{{{{{{1}}}}}}}", "{" * 100_000],
)  # fmt: skip
def test_what_is_no_array_literal_is_none(text: str) -> None:
    assert parse_array(text) is None


@given(st.text(st.sampled_from('{}",\\;N 1[]:='), max_size=30), DELIMITERS)
@example('{"\\', ",")
def test_any_text_is_read_or_refused_without_an_error(text: str, delimiter: str) -> None:
    result = parse_array(text, delimiter)
    assert result is None or isinstance(result, list)


@pytest.mark.parametrize("item", ["\\" * 300_000, '"' * 300_000, "x" * 300_000, "{," * 150_000])
def test_long_items_take_time_in_proportion(item: str) -> None:
    literal = array_out([item, "1"], ",")
    begin = time.process_time()
    assert parse_array(literal) == [item, "1"]
    assert time.process_time() - begin < 5  # tenths of a second; minutes if it were quadratic
