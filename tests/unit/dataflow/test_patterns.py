"""Patterns as processors: conditions in SQL, matches as results, and partial matches in time."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.core.errors import ConfigError
from bridge.core.events import CdcEvent, Operation
from bridge.processing.state.results import Result
from tests.fixtures.events import make_relation
from tests.unit.dataflow.orders import SECOND, START, documents
from tests.unit.dataflow.shop import LIMITS, PAYMENTS, Shop, make, run, run_in_pieces

CARD_TESTING = """
name: card_testing
from: {tables: [public.payments]}
key: [card]
pattern:
  within: 10m
  skip: past_last_event
  steps:
    - {begin: small, where: new.amount < 5, times: 2}
    - {followed_by: large, where: new.amount > 500}
to: [results]
"""
RISING = """
name: rising
from: {tables: [public.payments]}
key: [card]
pattern:
  steps:
    - {begin: first}
    - {next: more, where: new.amount > last(first.amount), times: 2}
out_of_orderness: 0s
"""
UNPAID = """
name: unpaid
from: {tables: [public.orders, public.payments]}
key: {"order": "case when table = 'orders' then id else id end"}
timed_out_to: [results]
pattern:
  within: 1h
  steps:
    - {begin: placed, tables: [public.orders]}
    - {not_followed_by: paid, tables: [public.payments]}
"""


def amounts(flow_text: str, *texts: str | None) -> list[dict[str, list[str]]]:
    """Return the amounts by step of the matches among payments, one each second."""
    shop, flow = Shop(), make(flow_text)
    events = [shop.payment(i, i, text, id=i) for i, text in enumerate(texts)]
    found = documents([*run(flow, events), *flow.advance(START + 9000 * SECOND)])
    return [
        {step: [row["amount"] for row in rows] for step, rows in match["events"].items()}
        for match in found
    ]


def test_a_match_is_what_the_page_shows() -> None:
    shop = Shop()
    events = [
        shop.payment(0, 1, "1", id=1),
        shop.payment(9, 1, "2", id=2),
        shop.payment(9, 1, "3", id=3, card="other"),
        shop.payment(20, 1, "501", id=4),
        shop.other_table(21.5),
    ]
    [result] = run(make(CARD_TESTING), events)
    assert result.type == "pattern_match"
    assert result.processor == "card_testing"
    assert result.timestamp == START + 20 * SECOND
    assert result.row_id == "visa"
    assert result.sinks == ("results",)
    row = '{{"id":{},"order_id":1,"amount":"{}","card":"visa"}}'.format
    assert result.members == (
        '"processor":"card_testing","key":{"card":"visa"},'
        f'"start":{START},"end":{START + 20 * SECOND},'
        f'"events":{{"small":[{row(1, 1)},{row(2, 2)}],"large":[{row(4, 501)}]}}'
    )


def test_the_same_match_has_the_same_identifier_in_every_run() -> None:
    shop = Shop()
    events = [shop.payment(i, 1, text) for i, text in enumerate(["1", "2", "600"])]
    events.append(shop.other_table(100))
    [first] = run(make(CARD_TESTING), events)
    [second] = run(make(CARD_TESTING), events)
    assert first.id == second.id


def test_a_condition_can_look_at_earlier_events() -> None:
    assert amounts(RISING, "1", "2", "3", "1") == [{"first": ["1"], "more": ["2", "3"]}]
    assert amounts(RISING, "3", "2", "3", "1") == []


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("new.amount > first(many.amount) + 5", ["2", "3", "8"]),
        ("new.amount >= 2 * last(many.amount)", ["2", "3", "8"]),
        ("new.amount > sum(many.amount)", ["2", "3", "8"]),
        ("count(many) = 2 and new.amount = 8", ["2", "3", "8"]),
        ("count(many) = 3", None),
        ("new.amount > sum(many.amount) + 3", None),
        ("last(many.card) = 'visa' and card = first(many.card)", ["2", "3", "8"]),
        ("new.order_id - last(many.order_id) = 1", ["2", "3", "8"]),
        ("old.amount is null and last(many.amount) = 3", ["2", "3", "8"]),
    ],
)
def test_what_a_condition_can_ask_earlier_events(
    condition: str, expected: list[str] | None
) -> None:
    text = f"""
    name: ask
    from: {{tables: [public.payments]}}
    key: [card]
    pattern:
      skip: past_last_event
      steps:
        - {{begin: many, where: new.amount < 5, times: 2}}
        - {{next: then, where: "{condition}"}}
    """
    found = amounts(text, "2", "3", "8")
    assert [match["many"] + match["then"] for match in found] == ([expected] if expected else [])


def test_a_loop_can_look_at_its_own_last_event() -> None:
    text = """
    name: growing
    from: {tables: [public.payments]}
    key: [card]
    pattern:
      skip: past_last_event
      steps:
        - begin: growing
          where: count(growing) = 0 or new.amount > last(growing.amount)
          one_or_more: true
          greedy: true
          consecutive: true
        - {next: drop}
    """
    assert amounts(text, "1", "2", "5", "4") == [{"growing": ["1", "2", "5"], "drop": ["4"]}]


def test_an_unknown_sum_or_last_is_no() -> None:
    """There is nothing that it could be of; NULL is unknown, as in SQL."""
    text = RISING.replace("last(first.amount)", "last(more.amount)")
    assert amounts(text, "1", "2", "3") == []


def test_values_that_are_null_do_not_count_in_a_sum() -> None:
    text = RISING.replace("begin: first", "begin: first, times: 2").replace(
        "last(first.amount), times: 2", "sum(first.amount)"
    )
    assert amounts(text, "3", None, "4") == [{"first": ["3", None], "more": ["4"]}]


def test_all_conditions_of_a_list_have_to_hold_and_or_where_is_enough() -> None:
    text = """
    name: lists
    from: {tables: [public.payments]}
    key: [card]
    pattern:
      steps:
        - begin: one
          where: [new.amount > 1, new.amount < 5]
          or_where: [new.amount = 100, new.amount = 200]
    """
    found = amounts(text, "1", "2", "5", "100", "200", "300")
    assert [match["one"] for match in found] == [["2"], ["100"], ["200"]]


def test_until_ends_a_loop() -> None:
    text = """
    name: until
    from: {tables: [public.payments]}
    key: [card]
    pattern:
      steps:
        - {begin: small, where: new.amount < 5, one_or_more: true, until: new.amount = 4}
    """
    found = amounts(text, "1", "2", "4", "3")
    assert [match["small"] for match in found] == [["1"], ["1", "2"], ["2"], ["3"]]


@pytest.mark.parametrize(
    ("skip", "expected"),
    [
        ("none", [["1", "2", "9"], ["2", "9"]]),
        ("past_last_event", [["1", "2", "9"]]),
        ("{to_last: small}", [["1", "2", "9"], ["2", "9"]]),
        ("{to_first: small}", [["1", "2", "9"], ["2", "9"]]),
    ],
)
def test_skip_says_which_other_matches_go(skip: str, expected: list[list[str]]) -> None:
    text = f"""
    name: skip
    from: {{tables: [public.payments]}}
    key: [card]
    pattern:
      skip: {skip}
      steps:
        - {{begin: small, where: new.amount < 5, one_or_more: true, consecutive: true}}
        - {{next: large, where: new.amount > 5}}
    """
    found = amounts(text, "1", "2", "9")
    assert [match["small"] + match["large"] for match in found] == expected


def test_what_did_not_happen_is_a_match_at_the_end_of_its_window() -> None:
    shop, flow = Shop(), make(UNPAID)
    events = [shop.order(0, 7), shop.order(5, 8), shop.payment(60, 7, id=7)]
    assert run(flow, [*events, shop.other_table(3601)]) == []
    [unpaid] = run(flow, [shop.other_table(3607)])
    assert unpaid.type == "pattern_match"
    assert unpaid.timestamp == START + 3605 * SECOND
    assert documents([unpaid])[0]["key"] == {"order": 8}
    assert list(documents([unpaid])[0]["events"]) == ["placed"]


def test_partial_matches_that_time_out_are_results_where_they_are_asked_for() -> None:
    shop = Shop()
    text = CARD_TESTING + "timed_out_to: [lost]\n"
    flow = make(text)
    [lost] = run(flow, [shop.payment(0, 1, "1"), shop.other_table(602)])
    assert lost.type == "pattern_timeout"
    assert lost.sinks == ("lost",)
    assert lost.timestamp == START + 600 * SECOND
    assert [row["amount"] for row in documents([lost])[0]["events"]["small"]] == ["1"]
    assert flow.stats()["results"] == 1

    silent = make(CARD_TESTING)
    assert run(silent, [shop.payment(0, 1, "1"), shop.other_table(602)]) == []
    assert silent.stats()["timed_out"] == 1
    assert silent.stats()["results"] == 0


def test_a_timeout_has_an_identifier_of_its_own() -> None:
    shop = Shop()
    text = CARD_TESTING + "timed_out_to: [lost]\n"
    events = [shop.payment(0, 1, "1"), shop.payment(1, 1, "2", card="b"), shop.other_table(700)]
    first, second = run(make(text), events)
    assert first.id != second.id
    assert [result.id for result in run(make(text), events)] == [first.id, second.id]


def test_an_idle_source_ends_windows_by_the_clock_of_the_server() -> None:
    shop, flow = Shop(), make(UNPAID)
    run(flow, [shop.order(0, 7)])
    assert flow.advance(START + 3601 * SECOND) == []
    [unpaid] = flow.advance(START + 3602 * SECOND)
    assert documents([unpaid])[0]["key"] == {"order": 7}


def test_late_events_are_counted_and_left_out() -> None:
    shop, flow = Shop(), make(CARD_TESTING)
    run(flow, [shop.payment(10, 1, "1"), shop.payment(5, 1, "2"), shop.payment(11, 1, "600")])
    assert flow.advance(START + 60 * SECOND) == []
    assert flow.stats()["late"] == 1


def test_an_event_is_rejected_if_a_condition_has_no_value() -> None:
    shop = Shop()
    flow = make(CARD_TESTING.replace("new.amount < 5", "1 / new.amount < 5"))
    event = shop.payment(0, 1, "0")
    run(flow, [event])
    [(rejected, why)] = flow.take_rejected()
    assert rejected is event
    assert "division by zero" in why
    assert flow.stats()["events"] == 0


def test_a_condition_on_earlier_events_without_a_value_is_no_and_counted() -> None:
    shop = Shop()
    flow = make(RISING.replace("new.amount > last(first.amount)", "1 / last(first.amount) > 0"))
    assert run(flow, [shop.payment(0, 1, "0"), shop.payment(1, 1, "1"), shop.other_table(9)]) == []
    assert flow.stats()["undecided"] == 1
    assert flow.take_rejected() == []


def test_operations_of_a_step() -> None:
    shop = Shop()
    text = """
    name: cancelled
    from: {tables: [public.payments], operations: [insert, delete]}
    key: [id]
    pattern:
      steps:
        - {begin: made, operations: [insert]}
        - {followed_by: gone, operations: [delete]}
    """
    gone = shop.row(Operation.DELETE, None, ("1", None, None, None), relation=PAYMENTS, seconds=9)
    [match] = run(make(text), [shop.payment(8, 1), gone, shop.other_table(20)])
    assert documents([match])[0]["events"]["gone"] == [
        {"id": 1, "order_id": None, "amount": None, "card": None}
    ]


def test_existing_rows_are_events_in_the_order_of_their_time() -> None:
    relation = make_relation(
        {"id": "int8", "card": "text", "amount": "numeric", "at": "timestamptz"},
        key=["id"],
        table="payments",
    )
    text = CARD_TESTING.replace("key: [card]", "key: [card]\ntime: new.at")

    def row(amount: str, minute: int) -> tuple[str, str, str, str]:
        return ("1", "visa", amount, f"2023-11-14 22:1{minute}:00+00")

    shop, flow = Shop(), make(text)
    rows = [row("600", 8), row("1", 5), row("2", 6)]
    reads = [shop.row(Operation.READ, each, relation=relation, seconds=900) for each in rows]
    assert run(flow, reads) == []
    later = shop.insert(901, ("1", "other", "1", "2023-11-14 22:29:00+00"), relation)
    assert len(run(flow, [later])) == 1
    assert flow.stats()["late"] == 0


def test_a_row_that_no_step_can_accept_is_not_kept() -> None:
    shop, flow = Shop(), make(CARD_TESTING)
    run(flow, [shop.payment(0, 1, "77", card="secret")])
    assert "77" not in repr(flow.snapshot()["matcher"]["waiting"])
    run(flow, [shop.payment(0, 1, "3", card="secret")])
    assert '"amount":"3"' in repr(flow.snapshot()["matcher"]["waiting"])


def late_apart(results: list[Result]) -> list[list[Result]]:
    """Return late events apart: with a limit of memory they come before the rest of a batch."""
    late = [result for result in results if result.type == "late_event"]
    return [late, [result for result in results if result.type != "late_event"]]


EVENTS = st.lists(
    st.tuples(st.integers(0, 9), st.sampled_from("ab"), st.integers(-1, 40)), max_size=40
)


@pytest.mark.parametrize(
    "text",
    [
        CARD_TESTING.replace("> 500", "> 6")
        + "timed_out_to: [lost]\nlate_to: [late]\nout_of_orderness: 0s\n",
        RISING.replace("steps:", "within: 1m\n  steps:"),
        RISING.replace("new.amount > last", "10 / last").replace(", times", " > 2, times"),
    ],
    ids=["early", "late", "undecided"],
)
@settings(max_examples=60, deadline=None)
@given(EVENTS, st.integers(0, 2**32), st.sampled_from(LIMITS))
def test_results_do_not_depend_on_where_the_stream_is_cut_nor_on_a_limit_of_memory(
    text: str, drawn: list[tuple[int, str, int]], seed: int, limit: int | None
) -> None:
    shop, events, now = Shop(), list[CdcEvent](), 0.0
    for i, (amount, card, step) in enumerate(drawn):
        now += step
        if amount == 5:
            events.append(shop.other_table(now))
        else:
            events.append(shop.payment(now, i, str(amount), id=i, card=card))
    whole = make(text)
    expected = whole.process(events)
    flow, results = run_in_pieces(text, events, seed, limit)
    assert late_apart(results) == late_apart(expected)
    assert limit is not None or results == expected
    assert flow.stats() == whole.stats()
    end = START + int(now + 10_000) * SECOND
    assert flow.advance(end) == whole.advance(end)
    assert flow.stats() == whole.stats()


@pytest.mark.parametrize("seed", range(10))
def test_conditions_on_earlier_events_agree_with_python(seed: int) -> None:
    """Three payments, each more than the ones before together: found by looking at all triples."""
    chance = random.Random(seed)
    text = """
    name: sums
    from: {tables: [public.payments]}
    key: [card]
    pattern:
      steps:
        - {begin: a}
        - {followed_by_any: b, where: new.amount > last(a.amount)}
        - {followed_by_any: c, where: new.amount > sum(a.amount) + sum(b.amount)}
    """
    numbers = [chance.randint(0, 9) for _ in range(12)]
    found = amounts(text, *(str(number) for number in numbers))
    expected = [
        [a, b, c]
        for i, a in enumerate(numbers)
        for j, b in enumerate(numbers[i + 1 :], i + 1)
        for c in numbers[j + 1 :]
        if b > a and c > a + b
    ]
    triples = [[int(match[step][0]) for step in "abc"] for match in found]
    assert sorted(triples) == sorted(expected)


def wrong(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        make(text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "place", "hint"),
    [
        ("begin: small", "followed_by: small", "pattern.steps[0]", "begin: small"),
        ("followed_by: large", "begin: large", "pattern.steps[1]", "followed_by: large"),
        ("followed_by: large", "followed_by: small", "pattern.steps[1]", "two steps"),
        ("followed_by: large", "followed_by: Large", "pattern.steps[1].followed_by", "lower-case"),
        ("followed_by: large, ", "", "pattern.steps[1]", "has its name behind one of begin"),
        ("followed_by: large", "followed_by: large, next: x", "pattern.steps[1]", "one of begin"),
        ("within: 10m", "within: -10m", "pattern.within", "length of time"),
        ("within: 10m", "within: 0s", "pattern.within", "longer than 0"),
        ("skip: past_last_event", "skip: past_last", "pattern.skip", "past_last_event"),
        ("skip: past_last_event", "skip: {to_first: smal}", "pattern", "no step that takes"),
        (
            "skip: past_last_event",
            "skip: {}",
            "pattern.skip",
            "{to_first: STEP} or {to_last: STEP}",
        ),
        ("times: 2", "times: 0", "pattern.steps[0]", "no number of events fits"),
        ("times: 2", "times: [3, 2]", "pattern.steps[0]", "no number of events fits"),
        ("times: 2", "times: 2, one_or_more: true", "pattern.steps[0]", "two quantifiers"),
        ("times: 2", "greedy: true", "pattern.steps[0]", "takes a single event"),
        ("times: 2", "until: new.amount = 1", "pattern.steps[0]", "no loop without end"),
        ("new.amount > 500", "amount >", "pattern.steps[1].where", "cannot be read"),
        ("new.amount > 500", "sum(smal.amount) > 1", "pattern.steps[1].where", "mean small?"),
        ("new.amount > 500", "last(small) > 1", "pattern.steps[1].where", "last(step.column)"),
        ("new.amount > 500", "count(small.amount) > 1", "steps[1].where", "count(step)"),
        (
            "new.amount > 500",
            "count(small) > 1 and table = 'x'",
            "steps[1].where",
            "cannot read table",
        ),
        (
            "where: new.amount > 500",
            "or_where: new.amount > 500",
            "steps[1]",
            "or_where needs where",
        ),
        ("followed_by: large", "not_followed_by: large, optional: true", "steps[1]", "optional"),
        ("to:", "emit: updates\nto:", "processors[0].emit", "does not belong"),
        ("from: {tables: [public.payments]}", "", "processors[0].from", "is required"),
        ("public.payments", "payments", "processors[0].from.tables", "public.payments"),
    ],
)
def test_what_is_wrong_is_said_at_its_place(old: str, new: str, place: str, hint: str) -> None:
    assert old in CARD_TESTING
    message = wrong(CARD_TESTING.replace(old, new, 1))
    assert place in message
    assert hint in message


def test_a_pattern_that_ends_with_what_must_not_come_needs_a_window() -> None:
    message = wrong(UNPAID.replace("  within: 1h\n", "").replace("timed_out_to: [results]\n", ""))
    assert "processors[0].pattern" in message
    assert "within" in message


@pytest.mark.parametrize(
    ("old", "new", "place", "hint"),
    [
        ("new.amount > 500", "new.amuont > 500", "steps[1].where", "did you mean amount?"),
        ("new.amount > 500", "new.amuont > count(small)", "steps[1].where", "mean amount?"),
        ("new.amount > 500", "last(small.amuont) > 1", "steps[1].where", "mean amount?"),
        ("new.amount > 500", "sum(small.card) > 1", "steps[1].where", "no number"),
        ("new.amount > 500", "new.amount > last(small.card)", "steps[1].where", "numeric"),
    ],
)
def test_columns_and_types_are_checked_with_the_first_event(
    old: str, new: str, place: str, hint: str
) -> None:
    shop, flow = Shop(), make(CARD_TESTING.replace(old, new))
    with pytest.raises(ConfigError) as caught:
        run(flow, [shop.payment(0, 1, "1")])
    assert f"processors[0].pattern.{place}" in str(caught.value)
    assert hint in str(caught.value)


def test_types_of_another_table_are_checked_when_its_events_are_known() -> None:
    shop = Shop()
    flow = make(
        UNPAID.replace(
            "not_followed_by: paid", "followed_by: paid, where: new.amount > last(placed.customer)"
        ).replace("within: 1h", "within: 1h")
    )
    with pytest.raises(ConfigError) as caught:
        run(flow, [shop.order(0, 7, "secret"), shop.payment(1, 7, id=7), shop.other_table(9)])
    assert "numeric" in str(caught.value)
    assert "secret" not in str(caught.value)
