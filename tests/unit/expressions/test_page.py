"""``docs/expressions.md`` is held to the code: its examples load, its tables are complete."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bridge.expressions import compile_value
from bridge.expressions.functions import FUNCTIONS
from bridge.expressions.names import EVENT_NAMES

PAGE = (Path(__file__).parents[3] / "docs" / "expressions.md").read_text(encoding="utf-8")
EXAMPLES = [
    line
    for block in re.findall(r"^```sql\n(.*?)^```$", PAGE, re.M | re.S)
    for line in block.splitlines()
]


@pytest.mark.parametrize("text", EXAMPLES)
def test_examples_load(text: str) -> None:
    assert compile_value(text).columns


def test_every_function_is_listed() -> None:
    rows = re.findall(r"^\| (`\w+\(.*?) \|", PAGE, re.M)
    listed = {name for row in rows for name in re.findall(r"`(\w+)\(", row)}

    # `position` is syntax for strpos, and `array[...]` is listed with the lists.
    assert listed - {"position"} == set(FUNCTIONS) - {"array"}


def test_every_name_is_listed() -> None:
    table = PAGE.partition("## Names")[2].partition("\n\nNames fold")[0]
    listed = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (.*?) \|", table, re.M))))

    assert listed - {"column"} == set(EVENT_NAMES)
