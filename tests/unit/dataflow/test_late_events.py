"""Late events as results: which come, what they say, and where they go."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from bridge.core.events import CdcEvent
from bridge.core.result_event import ResultEvent
from bridge.dataflow import Dataflow
from bridge.processing.state.results import Result
from sinks.formats.native import encode_native
from tests.fixtures.results import STORE
from tests.unit.dataflow.orders import SECOND, START, at, changelog, dataflow, documents, order
from tests.unit.dataflow.orders import Stream as OrderStream
from tests.unit.dataflow.shop import Shop, make, run, run_in_pieces

WINDOW = """
name: per_minute
from: {tables: [public.payments]}
key: [card]
window: {type: tumbling, size: 10s}
aggregates: {payments: count()}
out_of_orderness: 0s
to: [results]
late_to: [late]
"""
JOIN = """
name: paid
join: {type: interval, after: 10s}
left: {tables: [public.orders], key: [id]}
right: {tables: [public.payments], key: [order_id]}
out_of_orderness: 0s
to: [results]
late_to: [late]
"""
AS_OF = JOIN.replace("type: interval, after: 10s", "type: as_of")
BOTH_SIDES = """
name: pairs
join: {type: interval, after: 10s}
left: {tables: [public.payments], key: [card]}
right: {tables: [public.payments], key: [card]}
out_of_orderness: 0s
to: [results]
late_to: [late]
"""
PATTERN = """
name: doubled
from: {tables: [public.payments]}
key: [card]
pattern: {within: 1m, steps: [{begin: one}, {next: two}]}
out_of_orderness: 0s
to: [results]
late_to: [late]
"""


def late(results: list[Result]) -> list[Result]:
    return [result for result in results if result.type == "late_event"]


@pytest.mark.parametrize(
    ("text", "side"), [(WINDOW, None), (JOIN, "right"), (AS_OF, "right"), (PATTERN, None)]
)
def test_a_late_event_goes_to_its_sink_with_the_whole_change(text: str, side: str | None) -> None:
    shop = Shop()
    event = shop.payment(60, 7, id=3)
    results = run(make(text), [shop.payment(100, 1), shop.order(100, 1), event])
    [result] = late(results)
    assert result.sinks == ("late",)
    assert result.timestamp == START + 60 * SECOND
    [told] = documents([result])
    assert told.pop("change") == json.loads(encode_native(event))
    assert told == {
        "processor": make(text).name,
        "key": {"id": 7} if side else {"card": "visa"},
        "timestamp": START + 60 * SECOND,
        **({"side": side} if side else {}),
        "weight": 1,
    }
    assert all(other.sinks == ("results",) for other in results if other is not result)


def test_without_a_sink_it_is_counted_alone() -> None:
    shop, flow = Shop(), make(WINDOW.replace("late_to: [late]", ""))
    results = run(flow, [shop.payment(100, 1), shop.payment(60, 7)])
    assert late(results) == []
    assert flow.stats()["late"] == 1


def test_both_sides_of_a_join_tell_the_same_change_under_two_identifiers() -> None:
    shop, flow = Shop(), make(BOTH_SIDES)
    events = [shop.payment(100, 1), shop.payment(60, 1)]
    told = late(run(flow, events))
    assert [document["side"] for document in documents(told)] == ["left", "right"]
    assert told[0].id != told[1].id
    assert [result.id for result in late(run(make(BOTH_SIDES), events))] == [r.id for r in told]


def test_in_changelog_mode_the_weight_says_which_row_came_too_late() -> None:
    stream = OrderStream()
    flow = make_changelog(late_to=("late",))
    events = [
        stream.insert(0, order(at=at(0))),
        stream.insert(1, order(id=2, at=at(500))),
        stream.update(2, order(at=at(0)), order(at=at(501))),
        stream.delete(3, order(id=9, at=at(0))),
    ]
    told = documents(late(flow.process(events)))
    assert [document["weight"] for document in told] == [-1, -1]
    assert [document["change"]["operation"] for document in told] == ["Update", "Delete"]


def make_changelog(**more: Any) -> Dataflow:
    from bridge.config.processors import WindowConfig
    from bridge.dataflow import make_dataflows

    window = WindowConfig(type="tumbling", size="1m")
    return make_dataflows([changelog(window=window, time="at", **more)])[0]


def test_the_sinks_do_not_belong_to_the_definition() -> None:
    with_sinks = dataflow(late_to=("late",))
    assert with_sinks.state_name == dataflow().state_name


EVENTS = st.lists(st.tuples(st.integers(0, 3), st.integers(-30, 40)), max_size=30)


@pytest.mark.parametrize(
    "text", [WINDOW, JOIN, BOTH_SIDES, PATTERN], ids=["window", "join", "self", "pattern"]
)
@settings(max_examples=25, deadline=None)
@given(EVENTS, st.integers(0, 2**32))
def test_results_do_not_depend_on_where_the_stream_is_cut(
    text: str, drawn: list[tuple[int, int]], seed: int
) -> None:
    shop, events, now = Shop(), list[CdcEvent](), 100.0
    for i, (kind, step) in enumerate(drawn):
        now += step
        if kind == 0:
            events.append(shop.other_table(now))
        elif kind == 1:
            events.append(shop.order(now, i % 4))
        else:
            events.append(shop.payment(now, i % 4, id=i, card="ab"[kind - 2]))
    whole = make(text)
    expected = whole.process(events)
    flow, results = run_in_pieces(text, events, seed)
    assert results == expected
    assert flow.stats() == whole.stats()
    assert len({result.id for result in expected}) == len(expected)


def test_what_it_writes_is_what_the_schema_describes() -> None:
    path = Path(__file__).parents[3] / "docs/schemas/results.schema.json"
    validator = Draft202012Validator(json.loads(path.read_text(encoding="utf-8")))
    shop = Shop()
    for text in (WINDOW, BOTH_SIDES):
        for result in late(run(make(text), [shop.payment(100, 1), shop.payment(60, 1)])):
            event = ResultEvent.of(
                STORE,
                1,
                id=result.id,
                type=result.type,
                processor=result.processor,
                timestamp=result.timestamp,
                row_id=result.row_id,
                members=result.members,
            )
            validator.validate(json.loads(encode_native(event)))
