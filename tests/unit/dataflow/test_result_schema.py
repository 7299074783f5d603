"""What processors tell is what docs/schemas/results.schema.json describes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from bridge.config.inputs import FromConfig, InputConfig
from bridge.config.joins import JoinConfig
from bridge.config.patterns import PatternConfig, StepConfig
from bridge.config.processors import ProcessorConfig, WindowConfig
from bridge.core.result_event import ResultEvent
from bridge.dataflow import make_dataflows
from bridge.processing.state.results import Result
from sinks.formats.native import encode_native
from tests.fixtures.results import STORE
from tests.unit.dataflow.orders import Stream, changelog, config, order

_SCHEMAS = Path(__file__).parents[3] / "docs" / "schemas"
VALIDATOR = Draft202012Validator(
    json.loads((_SCHEMAS / "results.schema.json").read_text(encoding="utf-8"))
)

ORDERS = InputConfig(tables=("public.orders",), key=("customer_id",))
SMALL = "new.amount < 10"


def join(**settings: Any) -> ProcessorConfig:
    """Return a join of small orders with the large ones after them."""
    return ProcessorConfig(
        name="pairs",
        join=JoinConfig(type="interval", how="full", after="10s"),
        left=InputConfig(tables=ORDERS.tables, key=ORDERS.key, where=SMALL),
        right=InputConfig(tables=ORDERS.tables, key=ORDERS.key, where="new.amount >= 10"),
        to=("results",),
        **settings,
    )


def pattern(*steps: StepConfig, **settings: Any) -> ProcessorConfig:
    """Return a pattern over the orders of a customer."""
    return ProcessorConfig(
        name="series",
        from_=FromConfig(tables=("public.orders",)),
        key=("customer_id",),
        pattern=PatternConfig(steps=steps, within="1m"),
        to=("results",),
        **settings,
    )


EVERY_AGGREGATE = {
    "n": "count()",
    "sum": "sum(new.amount)",
    "mean": "avg(new.weight)",
    "first": "min(new.at)",
    "all": "collect(new.status)",
}
BEGIN, LARGE = StepConfig(begin="small", where=SMALL), StepConfig(followed_by="large")
DEFINITIONS = {
    "tumbling": config(aggregates=EVERY_AGGREGATE),
    "without a key": config(key=()),
    "sliding": config(window=WindowConfig(type="sliding", size="1m", slide="20s")),
    "session": config(window=WindowConfig(type="session", gap="5s"), emit="updates"),
    "count": config(window=WindowConfig(type="count", count=2)),
    "global": changelog(),
    "join": join(),
    "join with select": join(select={"l": "left.id", "r": "right.amount", "w": "left.weight"}),
    "pattern": pattern(BEGIN, LARGE),
    "late events": config(
        time="case when new.id = 90 then timestamp '2000-01-01' else timestamp '2023-11-14' end",
        late_to=("late",),
    ),
    "pattern with timeouts": pattern(
        BEGIN, StepConfig(followed_by="huge", where="new.amount > 9000"), timed_out_to=("results",)
    ),
}


def results_of(definition: ProcessorConfig) -> Sequence[Result]:
    """Return what a processor tells of orders of all sizes, with NULLs among them."""
    stream = Stream()
    [flow] = make_dataflows([definition])
    events = [
        stream.insert(second, order(id=second, amount=amount, weight=weight, status=status))
        for second, amount, weight, status in (
            (0, "1.50", "NaN", "a"),
            (3, "100", "Infinity", None),
            (4, "2", None, 'quo"te\n'),
            (30, "NaN", "1e+20", "ü"),
            (90, None, "0.5", "\u2028"),
            (200, "5", "-0", "z"),
            (400, "5", "7", "z"),
        )
    ]
    return [*flow.process(events), *flow.advance(1_700_010_000_000_000)]


@pytest.mark.parametrize("definition", DEFINITIONS.values(), ids=DEFINITIONS)
def test_every_result_is_valid(definition: ProcessorConfig) -> None:
    results = results_of(definition)
    assert results
    for number, result in enumerate(results, 1):
        event = ResultEvent.of(
            STORE,
            number,
            id=result.id,
            type=result.type,
            processor=result.processor,
            timestamp=result.timestamp,
            row_id=result.row_id,
            members=result.members,
        )
        VALIDATOR.validate(json.loads(encode_native(event)))


def test_the_definitions_give_results_of_every_type() -> None:
    kinds = {result.type for made in DEFINITIONS.values() for result in results_of(made)}
    described = {entry["$ref"].rpartition("/")[2] for entry in VALIDATOR.schema["oneOf"]}
    assert kinds == described
