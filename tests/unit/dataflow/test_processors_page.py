"""docs/processors.md: its reference is what the code says, and its processors compile."""

from __future__ import annotations

import re
import sys
from dataclasses import MISSING, Field, fields, is_dataclass
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any, get_args, get_type_hints

import pytest

from bridge.config import load_config
from bridge.config.docstrings import attribute_docs, setting_name
from bridge.config.processors import ProcessorConfig
from bridge.dataflow import make_dataflows
from bridge.processing.events import StreamEvent
from bridge.processing.patterns import PatternMatcher
from tests.unit.dataflow.shop import Shop

PAGE = Path(__file__).parents[3] / "docs/processors.md"
TEXT = PAGE.read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def default_of(setting: Field[Any]) -> str:
    if setting.default is MISSING:
        return "" if setting.default_factory is not MISSING else "required"
    return "" if setting.default in (None, "", ()) else f"`{setting.default}`"


def rows(shape: type, prefix: str) -> list[str]:
    docs, hints = attribute_docs(shape), get_type_hints(shape)
    found = []
    for setting in fields(shape):
        name = setting_name(setting)
        found.append(f"| `{prefix}{name}` | {default_of(setting)} | {docs[name]} |")
        kinds = [kind for kind in (*get_args(hints[setting.name]), None) if is_dataclass(kind)]
        if kinds and name in ("from", "window"):
            assert isinstance(kinds[0], type)
            found += rows(kinds[0], f"{prefix}{name}.")
    return found


def test_the_reference_lists_every_setting_with_its_default() -> None:
    page = [line for line in TEXT.splitlines() if line.startswith("| `processors[].")]
    assert page == rows(ProcessorConfig, "processors[].")


@pytest.mark.parametrize("example", blocks("yaml"))
def test_the_examples_compile(
    example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = ModuleType("shop_processors")
    for block in blocks("python"):
        exec(compile(block, str(PAGE), "exec"), module.__dict__)
    monkeypatch.setitem(sys.modules, "shop_processors", module)
    text = example
    if "source:" not in text:
        text += "\nsource: {dsn: host=localhost}\n"
    if "sinks:" not in text:
        text += "\nsinks: [{type: stdout}, {type: file, name: results, path: results.jsonl}]\n"
    file = tmp_path / "pgbridge.yaml"
    file.write_text(text)
    assert make_dataflows(load_config(file, {}, {}).processors)


def test_the_join_and_the_pattern_in_python_give_what_they_say() -> None:
    module: dict[str, Any] = {}
    exec(compile(blocks("python")[1], str(PAGE), "exec"), module)
    missing, small_then_large = module["missing_payment"], module["card_testing"]
    order = {"id": 7, "total": Decimal("10.00")}
    assert missing(order, None) == {"order": 7, "missing": Decimal("10.00")}
    assert missing(order, {"paid": Decimal("10.00")}) is None
    shop = Shop()
    assert small_then_large(shop.payment(0, 7, "1.50", id=3)) == {
        "id": 3,
        "amount": Decimal("1.50"),
    }
    matcher = PatternMatcher(small_then_large.definition.pattern)
    for i, amount in enumerate([1, 50, 501]):
        matcher.process_event(StreamEvent("visa", i, {"amount": Decimal(amount)}, 1, i))
    [match] = matcher.advance(9)
    assert [event.value["amount"] for event in match.events["large"]] == [501]
