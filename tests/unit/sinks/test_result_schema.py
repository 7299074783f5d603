"""The JSON Schema of results, the page that shows them, and what sinks write."""

from __future__ import annotations

import json
import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from bridge.core.result_event import RESULT_TYPES
from sinks.formats.native import encode_native
from tests.fixtures.events import make_event
from tests.fixtures.results import make_result

DOCS = Path(__file__).parents[3] / "docs"
SCHEMA = json.loads((DOCS / "schemas" / "results.schema.json").read_text("utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)


def documented() -> dict[str, dict[str, Any]]:
    """Return the results on the page, by type."""
    page = (DOCS / "results.md").read_text("utf-8")
    found = [json.loads(block) for block in re.findall(r"^```json\n(.*?)^```$", page, re.M | re.S)]
    return {result["type"]: result for result in found}


def test_it_is_a_schema_of_every_type() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    of_types = {SCHEMA["$defs"][name]["properties"]["type"]["const"] for name in RESULT_TYPES}
    assert of_types == set(RESULT_TYPES)
    assert [entry["$ref"] for entry in SCHEMA["oneOf"]] == [f"#/$defs/{n}" for n in RESULT_TYPES]


def test_the_documented_results_are_valid() -> None:
    results = documented()
    assert results.keys() == set(RESULT_TYPES) - {"pattern_timeout"}
    for result in results.values():
        VALIDATOR.validate(result)


@pytest.mark.parametrize("values", ["1.50", 7, None, True, ["a"], {"a": 1}])
def test_what_a_sink_writes_is_valid(values: Any) -> None:
    VALIDATOR.validate(json.loads(encode_native(make_result(values=values))))
    VALIDATOR.validate(json.loads(encode_native(make_result(key=None, values=values))))


@pytest.mark.parametrize("name", sorted(documented()))
def test_a_result_that_lacks_a_member_or_has_another_one_is_not_valid(name: str) -> None:
    result = documented()[name]
    for member in result:
        assert not VALIDATOR.is_valid({k: v for k, v in result.items() if k != member}), member
    assert not VALIDATOR.is_valid({**result, "more": 1})


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("window_result", ("type",), "join_result"),
        ("window_result", ("event_id",), "7"),
        ("window_result", ("delivery_id",), None),
        ("window_result", ("window", "start"), "today"),
        ("window_result", ("window", "size"), 60),
        ("window_result", ("revision",), -1),
        ("window_result", ("values",), 5),
        ("join_result", ("left",), 17),
        ("join_result", ("values",), {"total": 1}),
        ("pattern_match", ("events", "small"), []),
    ],
)
def test_a_result_that_is_wrong_is_not_valid(name: str, path: tuple[str, ...], value: Any) -> None:
    result = deepcopy(documented()[name])
    at = result
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    assert not VALIDATOR.is_valid(result)


def test_a_change_is_no_result() -> None:
    assert not VALIDATOR.is_valid(json.loads(encode_native(make_event())))
