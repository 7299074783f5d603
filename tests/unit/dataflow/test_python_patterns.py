"""Patterns in Python give what the same patterns in YAML give, and say what is wrong with them."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.core.errors import BridgeError, ConfigError
from bridge.core.events import CdcEvent
from bridge.dataflow.python import processor
from bridge.processing import AggregationFunction, WindowType
from bridge.processing.patterns import AfterMatchSkip, Pattern
from tests.unit.dataflow.shop import Shop, make, run, run_in_pieces

BURST_SQL = """
name: burst
from: {tables: [public.payments]}
where: new.amount <> 4
key: [card]
pattern:
  within: 20s
  skip: past_last_event
  steps:
    - {begin: small, where: new.amount < 4, times_or_more: 2, greedy: true}
    - {not_followed_by: reset, where: new.amount = 5}
    - {followed_by: large, where: new.amount > 2 * last(small.amount) + 4}
out_of_orderness: 0s
to: [results]
late_to: [late]
timed_out_to: [lost]
"""
BURST_PATTERN = (
    Pattern.begin("small", AfterMatchSkip.skip_past_last_event())
    .where(lambda event: event.value["amount"] < 4)
    .times_or_more(2)
    .greedy()
    .not_followed_by("reset")
    .where(lambda event: event.value["amount"] == 5)
    .followed_by("large")
    .where(lambda event, taken: event.value["amount"] > 2 * taken["small"][-1].value["amount"] + 4)
    .within(timedelta(seconds=20))
)


def row(event: CdcEvent) -> Any:
    values = event.new_values or {}
    return None if values["amount"] == 4 else values


def over(pattern: Pattern, function: Any = row, **settings: Any) -> Any:
    given: dict[str, Any] = {
        "name": "burst", "tables": ["public.payments"], "key": ["card"], "out_of_orderness": 0,
    }  # fmt: skip
    make_it: Any = processor
    return make_it(pattern=pattern, **(given | settings))(function)


BURST = over(BURST_PATTERN)


def text(name: str, more: str = "") -> str:
    """Return the section of a definition in this module."""
    return f"python: {__name__}:{name}\nto: [results]\n{more}"


EVENTS = st.lists(
    st.tuples(st.integers(0, 9), st.sampled_from("ab"), st.integers(-3, 12)), max_size=40
)


@settings(max_examples=50, deadline=None)
@given(EVENTS, st.integers(0, 2**32))
def test_a_pattern_gives_what_it_gives_in_yaml_wherever_it_is_cut(
    drawn: list[tuple[int, str, int]], seed: int
) -> None:
    shop, events, now = Shop(), list[CdcEvent](), 100.0
    for i, (amount, card, step) in enumerate(drawn):
        now += step
        events.append(shop.payment(now, i, str(amount), id=i, card=card))
    events.append(shop.other_table(now + 100))
    sinks = "late_to: [late]\ntimed_out_to: [lost]"
    _, results = run_in_pieces(text("BURST", sinks), events, seed)
    assert results == run(make(BURST_SQL), events)


BY_TWO = Pattern.begin("one").next("two")
RAISING = over(BY_TWO.where(lambda event: event.value["amount"] < 1 / 0))
FOREIGN = over(BY_TWO, lambda event: object())
SHARES = over(BY_TWO, lambda event: {"half": Decimal(event.new_values["amount"]) / 2, "at": [1]})
CHANGED = over(BY_TWO, version=2)
ENDLESS = over(BY_TWO)
UNBOUNDED = over(Pattern.begin("one").not_followed_by("two"))
LATE = over(BY_TWO, time="new.nothing +")
COUNTED = processor(
    tables=["public.payments"],
    window=WindowType.Count(3),
    aggregates={"n": AggregationFunction.Count()},
)(row)


def test_results_show_what_the_function_returned() -> None:
    shop = Shop()
    events = [shop.payment(0, 1, "3"), shop.payment(1, 2, "5"), shop.other_table(9)]
    [match] = run(make(text("SHARES")), events)
    shown = '"events":{"one":[{"half":"1.5","at":[1]}],"two":[{"half":"2.5","at":[1]}]}'
    assert match.members.endswith(shown)


def test_a_condition_that_fails_stops_and_names_the_step() -> None:
    shop = Shop()
    events = [shop.payment(0, 1, "3"), shop.payment(1, 2, "5"), shop.other_table(9)]
    with pytest.raises(BridgeError, match="condition of the step 'two' raised ZeroDivisionError"):
        run(make(text("RAISING")), events)


def test_a_function_that_fails_makes_a_dead_letter() -> None:
    shop, flow = Shop(), make(text("FOREIGN"))
    event = shop.payment(0, 1)
    assert run(flow, [event]) == []
    assert flow.take_rejected() == [(event, "burst gave a object, which is no plain data")]
    assert flow.stats()["rejected"] == 1


def test_a_state_belongs_to_a_definition() -> None:
    others = [
        ENDLESS,
        CHANGED,
        BURST,
        over(BY_TWO.within(5)),
        over(Pattern.begin("one").followed_by("two")),
        over(BY_TWO.where(lambda event: True)),
        over(BY_TWO, key=["id"]),
        over(BY_TWO, operations=["update"]),
    ]
    assert len({other.state_name for other in others}) == len(others)
    assert over(BY_TWO).state_name == ENDLESS.state_name


@pytest.mark.parametrize(
    ("name", "more", "message"),
    [
        ("ENDLESS", "timed_out_to: [lost]", r"timed_out_to: without within"),
        ("UNBOUNDED", "", r"python .*not_followed_by\('two'\)"),
        ("LATE", "", r"python .*time: the expression cannot be read"),
        ("COUNTED", "late_to: [late]", r"late_to: no event .*COUNTED is ever late"),
        ("COUNTED", "timed_out_to: [late]", r"timed_out_to: .*COUNTED is no pattern"),
    ],
)
def test_a_definition_that_cannot_be_names_its_place(name: str, more: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        make(text(name, more))
    assert str(caught.value).startswith("processors[0].")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "neither window nor join nor pattern"),
        ({"pattern": BY_TWO}, "needs tables"),
        ({"pattern": BY_TWO, "tables": ["a.b"], "emit": "updates"}, "emit does not belong"),
        ({"pattern": BY_TWO, "window": WindowType.Count(2)}, "has window and pattern"),
    ],
)
def test_arguments_of_several_kinds_are_refused(settings: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        processor(**settings)
