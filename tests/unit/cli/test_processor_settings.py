"""Wrong settings of processors: named at their place by every verb that reads them."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from bridge.commands.processors import processor_states
from bridge.config import load_config
from bridge.dataflow.python import ProcessorInput, processor
from bridge.processing.joins import JoinType
from bridge.processing.patterns import Pattern
from tests.unit.cli.conftest import CONFIG, Run

WINDOW = "name: p, from: {tables: [public.t]}, aggregates: {n: count()}"
PATTERN = "name: p, from: {tables: [public.t]}"
JOIN = "name: p, left: {tables: [public.t], key: [id]}, right: {tables: [public.u], key: [id]}"


@pytest.fixture(autouse=True)
def module(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module with processors that are not right, though it can be imported."""
    found = ModuleType("shop_module")
    side = ProcessorInput(tables=["public.t"], key=["id"])
    two = ProcessorInput(tables=["public.u"], key=["id", "name"])
    found.__dict__["join"] = processor(name="j", join=JoinType.AsOf(), left=side, right=two)(
        lambda left, right: {}
    )
    pattern = Pattern.begin("a").not_followed_by("b")
    found.__dict__["pattern"] = processor(name="p", tables=["public.t"], pattern=pattern)(
        lambda event: 1
    )
    found.__dict__["nameless"] = processor(tables=["public.t"], pattern=pattern)(lambda event: 1)
    monkeypatch.setitem(sys.modules, "shop_module", found)


@pytest.mark.parametrize(
    ("definition", "place"),
    [
        (f"{WINDOW}, window: {{type: sliding, size: 1m}}", "processors[0].window (line "),
        (f"{WINDOW}, window: {{type: session, gap: 0s}}", "processors[0].window (line "),
        (f"{WINDOW}, window: {{type: global}}", "processors[0]: "),
        (f"{WINDOW}, window: {{type: session, gap: 1m}}, mode: changelog", "processors[0]: "),
        (f"{JOIN}, join: {{type: interval}}", "processors[0].join (line "),
        (f"{JOIN}, join: {{type: as_of}}, select: {{x: left.a + right.b}}",
         "processors[0].select.x: "),
        (f"{PATTERN}, pattern: {{steps: [{{begin: a}}, {{not_followed_by: b}}]}}",
         "processors[0].pattern: "),
        (f"{PATTERN}, pattern: {{within: 0s, steps: [{{begin: a}}]}}",
         "processors[0].pattern.within: "),
        (f"{PATTERN}, pattern: {{steps: [{{begin: a, times: [3, 2]}}]}}",
         "processors[0].pattern.steps[0]: "),
        ('python: "shop_module:join"', "processors[0].python (shop_module:join): j.right.key"),
        ('python: "shop_module:pattern"', "processors[0].python (shop_module:pattern): "),
        ('python: "shop_module:pattern", timed_out_to: [results]', "processors[0].timed_out_to: "),
        ('python: "shop_module:nothing"', "processors[0].python: "),
        ('python: "shop_module:nameless"', "the name '<lambda>' has to be at most 63 letters"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("verb", [("config", "validate"), ("doctor",), ("run",)])
def test_it_is_named_before_anything_is_done(
    run: Run, directory: Path, verb: tuple[str, ...], definition: str, place: str
) -> None:
    results = "  - {name: results, type: file, path: results.jsonl}\nstate:"
    text = CONFIG.replace("state:", results)
    (directory / "pgbridge.yaml").write_text(
        f"{text}processors:\n  - {{{definition}, to: [results]}}\n"
    )
    outcome = run(*verb)
    assert outcome.code == 2
    assert place in outcome.err
    assert not (directory / "state").exists()


def test_the_status_calls_a_processor_in_python_by_its_name(run: Run, directory: Path) -> None:
    results = "  - {name: results, type: file, path: results.jsonl}\nstate:"
    processors = "".join(
        f'  - {{python: "shop_module:{name}", to: [results]}}\n' for name in ("join", "nothing")
    )
    (directory / "pgbridge.yaml").write_text(
        f"{CONFIG.replace('state:', results)}processors:\n{processors}"
    )
    config = load_config(directory / "pgbridge.yaml")
    names = [state["name"] for state in processor_states(config, None)]
    assert names == ["j", "shop_module:nothing"]
