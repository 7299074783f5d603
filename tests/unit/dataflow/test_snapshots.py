"""A dataflow that is stored and restored anywhere gives what one that never stopped gives."""

from __future__ import annotations

import json
import random
from itertools import pairwise
from typing import Any

import pytest

from bridge.config.processors import ProcessorConfig, WindowConfig
from bridge.core.events import CdcEvent, Texts
from bridge.dataflow import make_dataflows
from bridge.processing.state.codec import decode, encode
from bridge.processing.state.results import Result
from tests.unit.dataflow.orders import Stream, at, changelog, config, order

EVERY_AGGREGATE = {
    "n": "count()", "total": "sum(amount)", "mean": "avg(weight)", "least": "min(at)",
    "most": "max(amount)", "kinds": "count(distinct status)", "top": "top_k(weight, 2)",
    "first": "first(status)", "last": "last(at)", "all": "collect(amount)",
    "median": "quantile(amount, 0.5)",
}  # fmt: skip
APPENDING = [
    config(window=window, aggregates=EVERY_AGGREGATE, **settings)
    for window in (
        WindowConfig(type="tumbling", size="20s"),
        WindowConfig(type="sliding", size="30s", slide="10s"),
        WindowConfig(type="session", gap="5s"),
        WindowConfig(type="count", count=4, slide=3),
    )
    for settings in (
        {"emit": "final"},
        {"emit": "updates", "time": "processing"},
        {"emit": "updates", "time": "at", "late_to": ("late",)},
    )
]
CHANGING = [
    changelog(aggregates=EVERY_AGGREGATE),
    changelog(
        aggregates=EVERY_AGGREGATE,
        window=WindowConfig(type="tumbling", size="20s"),
        time="at",
        allowed_lateness="30s",
        late_to=("late",),
    ),
]


def some_events(rng: random.Random, *, changing: bool) -> list[CdcEvent]:
    stream = Stream()
    rows: list[Texts] = []
    events: list[CdcEvent] = []
    for second in range(rng.randrange(60)):
        row = order(
            id=second,
            customer=rng.choice([None, 1, 2]),
            status=rng.choice(["a", "b", None]),
            amount=rng.choice([None, "NaN", "1.0", "2.25", "1E+3"]),
            weight=rng.choice([None, "NaN", "-0", "0.5", "Infinity"]),
            at=rng.choice([None, at(second), at(max(0, second - rng.randrange(4)))]),
        )
        if rng.random() < 0.1:
            events.append(stream.other(second))
        if changing and rows and rng.random() < 0.3:
            events.append(stream.update(second, rows.pop(rng.randrange(len(rows))), row))
        elif changing and rows and rng.random() < 0.2:
            events.append(stream.delete(second, rows.pop(rng.randrange(len(rows)))))
            continue
        else:
            events.append(stream.insert(second, row))
        rows.append(row)
    return events


def in_pieces(rng: random.Random, events: list[CdcEvent]) -> list[list[CdcEvent]]:
    cuts = sorted(rng.randrange(len(events) + 1) for _ in range(rng.randrange(5)))
    return [events[a:b] for a, b in pairwise([0, *cuts, len(events)])]


def run(definition: ProcessorConfig, pieces: list[list[CdcEvent]], *, stop: bool) -> Any:
    [flow] = make_dataflows([definition])
    results: list[Result] = []
    rejected: list[tuple[CdcEvent, str]] = []
    for piece in pieces:
        results += flow.process(piece)
        rejected += flow.take_rejected()
        if stop:
            state = decode(encode(flow.snapshot(), flow.state_name), flow.state_name)
            [flow] = make_dataflows([definition])
            flow.restore(state)
    results += flow.advance(2_000_000_000_000_000)
    return results, rejected, dict(flow.stats())


def check(definition: ProcessorConfig, seed: int) -> None:
    print(f"seed {seed}")
    rng = random.Random(seed)
    events = some_events(rng, changing=definition.mode == "changelog")
    whole = run(definition, [events], stop=False)
    assert run(definition, in_pieces(rng, events), stop=False) == whole
    assert run(definition, in_pieces(rng, events), stop=True) == whole
    for result in whole[0]:
        json.loads(f"{{{result.members}}}")


@pytest.mark.parametrize("definition", [*APPENDING, *CHANGING])
def test_neither_stops_nor_cuts_can_be_told_from_the_results(definition: ProcessorConfig) -> None:
    for seed in range(10):
        check(definition, seed)


@pytest.mark.nightly
@pytest.mark.parametrize("definition", [*APPENDING, *CHANGING])
def test_neither_stops_nor_cuts_can_be_told_in_many_runs(definition: ProcessorConfig) -> None:
    first = random.SystemRandom().randrange(2**32)
    for seed in range(first, first + 500):
        check(definition, seed)
