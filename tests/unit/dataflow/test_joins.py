"""Joins of two streams as processors: which rows come out, and when."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.core.errors import ConfigError
from bridge.core.events import ABSENT, Operation, PartialRow
from tests.fixtures.events import make_relation
from tests.unit.dataflow.orders import SECOND, START, documents
from tests.unit.dataflow.shop import LIMITS, ORDERS, PAYMENTS, Shop, make, run, run_in_pieces

PAID = """
name: order_with_payment
join: {type: interval, how: left, after: 10m}
left: {tables: [public.orders], key: [id]}
right: {tables: [public.payments], key: [order_id]}
to: [results]
"""
SELECTED = PAID + "select: {order: left.id, doubled: right.amount * 2, card: right.card}\n"
AS_OF = """
name: order_at_price
join: {type: as_of, how: left, tolerance: 1h}
left: {tables: [public.orders], key: [customer]}
right: {tables: [public.payments], key: [card]}
select: {order: left.id, amount: right.amount}
out_of_orderness: 0s
to: [results]
"""
MINUTE = 60


def test_a_pair_is_what_the_page_shows() -> None:
    shop = Shop()
    [result] = run(make(PAID), [shop.order(0, 7), shop.payment(60, 7)])
    assert result.type == "join_result"
    assert result.processor == "order_with_payment"
    assert result.timestamp == START + 60 * SECOND
    assert result.row_id == "7"
    assert result.sinks == ("results",)
    assert result.members == (
        '"processor":"order_with_payment","key":{"id":7},'
        '"left":{"id":7,"customer":"Ada","amount":"10.00","note":null},'
        '"right":{"id":1,"order_id":7,"amount":"10.00","card":"visa"},'
        f'"timestamp":{START + 60 * SECOND}'
    )


def test_the_same_pair_has_the_same_identifier_in_every_run() -> None:
    shop = Shop()
    events = [shop.order(0, 7), shop.payment(60, 7), shop.payment(61, 7)]
    first, second = run(make(PAID), events)
    assert [first.id, second.id] == [result.id for result in run(make(PAID), events)]
    assert first.id != second.id


def test_selected_values_take_the_place_of_the_rows() -> None:
    shop = Shop()
    results = run(make(SELECTED), [shop.order(0, 7), shop.payment(60, 7, "2.50")])
    assert documents(results) == [
        {
            "processor": "order_with_payment",
            "key": {"id": 7},
            "values": {"order": 7, "doubled": "5.00", "card": "visa"},
            "timestamp": START + 60 * SECOND,
        }
    ]


def test_an_order_stays_alone_once_no_payment_can_come() -> None:
    shop, flow = Shop(), make(SELECTED)
    events = [shop.order(0, 7), shop.order(601, 8), shop.payment(601, 8)]
    [pair] = run(flow, events)
    assert documents([pair])[0]["values"]["order"] == 8
    [alone, _] = run(flow, [shop.order(602, 9), shop.payment(602, 9)])
    assert documents([alone])[0]["values"] == {"order": 7, "doubled": None, "card": None}


def test_a_quiet_table_holds_nothing_back_as_the_whole_stream_moves_commit_time() -> None:
    shop, flow = Shop(), make(SELECTED)
    assert run(flow, [shop.order(0, 7), shop.other_table(601)]) == []
    [alone] = run(flow, [shop.other_table(602)])
    assert documents([alone])[0]["values"]["order"] == 7


def test_an_idle_source_moves_time_by_the_clock_of_the_server() -> None:
    shop, flow = Shop(), make(SELECTED)
    run(flow, [shop.order(0, 7)])
    assert flow.advance(START + 602 * SECOND) == []  # out_of_orderness and a second of slack
    [alone] = flow.advance(START + 602 * SECOND + 1)
    assert documents([alone])[0]["values"]["order"] == 7


def test_time_from_a_column_waits_for_both_sides() -> None:
    orders = make_relation({"id": "int8", "at": "timestamptz"}, key=["id"], table="orders")
    shop, flow = Shop(), make(PAID.replace("key: [id]", "key: [id], time: new.at"))
    old = shop.insert(900, ("7", "2023-11-14 22:14:00+00"), orders)
    [pair] = run(flow, [old, shop.other_table(5000), shop.payment(60, 7)])
    assert documents([pair])[0]["timestamp"] == START + 60 * SECOND
    assert run(flow, [shop.other_table(9000)]) == []


def test_late_events_are_counted_and_left_out() -> None:
    shop, flow = Shop(), make(PAID)
    events = [shop.order(100, 7), shop.payment(100, 8), shop.payment(98, 7)]
    assert run(flow, events) == []
    assert flow.stats()["late"] == 1
    assert flow.stats()["events"] == 3


def test_a_null_key_joins_nothing() -> None:
    shop, flow = (
        Shop(),
        make(
            SELECTED.replace("key: [id]", "key: [customer]").replace(
                "key: [order_id]", "key: [card]"
            )
        ),
    )
    results = run(flow, [shop.payment(0, 1, card=None), shop.order(0, 7, customer=None)])
    assert [d["values"]["order"] for d in documents(results)] == [7]
    assert documents(results)[0]["key"] == {"customer": None}
    assert results[0].row_id is None
    assert flow.stats()["null_keys"] == 2


def test_an_event_without_a_value_is_rejected_once() -> None:
    shop = Shop()
    flow = make(PAID.replace("key: [order_id]", "key: [100 / amount]"))
    event = shop.payment(0, 7, "0")
    assert run(flow, [event]) == []
    [(rejected, why)] = flow.take_rejected()
    assert rejected is event
    assert "division by zero" in why
    assert flow.take_rejected() == []
    assert flow.stats()["rejected"] == 1


def test_conditions_select_events() -> None:
    shop = Shop()
    flow = make(PAID.replace("key: [order_id]", "key: [order_id], where: new.amount > 5"))
    events = [shop.order(0, 7), shop.payment(1, 7, "1"), shop.payment(2, 7, "6", id=2)]
    [result] = run(flow, events)
    assert documents([result])[0]["right"]["id"] == 2


def test_existing_rows_join_and_do_not_move_time() -> None:
    shop, flow = Shop(), make(PAID)
    order = ("7", "Ada", "1", None)
    events = [
        shop.row(Operation.READ, order, relation=ORDERS, seconds=500),
        shop.row(Operation.READ, ("1", "7", "1", "visa"), relation=PAYMENTS, seconds=0),
    ]
    assert run(flow, events) == []  # the payment is 500 s before the order
    assert run(flow, [shop.payment(501, 7)]) != []
    assert flow.stats()["late"] == 0


def test_updates_and_deletes_are_events_where_they_are_named() -> None:
    shop = Shop()
    flow = make(PAID.replace("key: [order_id]", "key: [order_id], operations: [update]"))
    changed = ("1", "7", "3", "visa")
    events = [
        shop.order(0, 7),
        shop.payment(1, 7),
        shop.row(Operation.UPDATE, changed, relation=PAYMENTS, seconds=2),
    ]
    [result] = run(flow, events)
    assert documents([result])[0]["right"]["amount"] == "3"


def test_columns_that_were_not_sent_are_absent() -> None:
    shop = Shop()
    flow = make(PAID.replace("key: [order_id]", "key: [order_id], operations: [update]"))
    row = PartialRow(("1", "7", "3", ABSENT))
    events = [shop.order(0, 7), shop.row(Operation.UPDATE, row, relation=PAYMENTS, seconds=2)]
    assert documents(run(flow, events))[0]["right"] == {"id": 1, "order_id": 7, "amount": "3"}


def test_a_table_can_be_on_both_sides() -> None:
    shop = Shop()
    flow = make(
        """
        name: twice
        join: {type: interval, after: 1m}
        left: {tables: [public.payments], key: [card]}
        right: {tables: [public.payments], key: [card], where: new.amount > 100}
        select: {first: left.id, then: right.id}
        """
    )
    results = run(flow, [shop.payment(0, 1, "1", id=1), shop.payment(9, 1, "101", id=2)])
    assert sorted(tuple(d["values"].values()) for d in documents(results)) == [(1, 2), (2, 2)]


def test_an_as_of_join_takes_the_latest_before() -> None:
    shop, flow = Shop(), make(AS_OF)
    events = [
        shop.payment(0, 1, "1", card="Ada"),
        shop.payment(10, 1, "2", card="Ada"),
        shop.order(15, 7, "Ada"),
        shop.payment(20, 1, "3", card="Ada"),
        shop.order(30, 8, "Bob"),
        shop.other_table(31),
    ]
    assert [d["values"] for d in documents(run(flow, events))] == [
        {"order": 7, "amount": "2"},
        {"order": 8, "amount": None},
    ]


def test_processing_time_is_that_of_the_stream() -> None:
    shop = Shop()
    text = PAID.replace("key: [id]", "key: [id], time: processing").replace(
        "key: [order_id]", "key: [order_id], time: processing"
    )
    flow = make(text)
    # The second commit is before the first in time; by processing time it is not.
    [result] = run(flow, [shop.order(10, 7), shop.payment(5, 7)])
    assert documents([result])[0]["timestamp"] == START + 10 * SECOND


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["order", "payment", "other"]),
        st.integers(0, 3),
        st.floats(-2, 30).map(lambda x: round(x, 1)),
    ),
    max_size=40,
)


@pytest.mark.parametrize("text", [PAID, SELECTED, AS_OF], ids=["rows", "selected", "as_of"])
@settings(max_examples=60, deadline=None)
@given(EVENTS, st.integers(0, 2**32), st.sampled_from(LIMITS))
def test_results_do_not_depend_on_where_the_stream_is_cut_nor_on_a_limit_of_memory(
    text: str, drawn: list[tuple[str, int, float]], seed: int, limit: int | None
) -> None:
    shop, events, now = Shop(), [], 0.0
    for i, (kind, key, step) in enumerate(drawn):
        now += step * 10
        if kind == "order":
            events.append(shop.order(now, key, customer=str(key) if key else None))
        elif kind == "payment":
            events.append(shop.payment(now, key, id=i, card=str(key)))
        else:
            events.append(shop.other_table(now))
    whole = make(text)
    expected = whole.process(events)
    flow, results = run_in_pieces(text, events, seed, limit)
    assert results == expected
    end = START + int(now + 10_000) * SECOND
    assert flow.advance(end) == whole.advance(end)
    assert {**flow.stats(), "kept": 0} == {**whole.stats(), "kept": 0}
    if limit is None:
        assert flow.snapshot() == whole.snapshot()


def wrong(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        make(text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "place", "hint"),
    [
        ("left: {tables: [public.orders], key: [id]}", "", "processors[0].left", "is required"),
        ("key: [id]", "key: []", "processors[0].left.key", "needs a key"),
        ("key: [id]", "key: [id, customer]", "processors[0].right.key has 1", "same number"),
        ("type: interval", "type: as_of", "processors[0].join", "after does not belong"),
        ("after: 10m", "after: -10m", "processors[0].join.after", "length of time"),
        (", after: 10m", "", "processors[0].join", "before or after"),
        ("how: left", "how: outer", "processors[0].join.how", "inner, left, right, full"),
        ("type: interval", "type: intervall", "processors[0].join.type", "interval"),
        ("to:", "where: new.id > 1\nto:", "processors[0].where", "does not belong"),
        ("to:", "window: {type: global}\nto:", "processors[0]", "one of them"),
        ("to:", "select: {id: lft.id}\nto:", "processors[0].select.id", "left and right"),
        ("to:", "select: {id: id}\nto:", "processors[0].select.id", "left.id or right.id"),
        ("to:", "select: {id: left.id + right.id}\nto:", "processors[0].select.id", "both sides"),
        ("to:", "select: {id: '1'}\nto:", "processors[0].select.id", "no side"),
        ("to:", "select: {id: new.id}\nto:", "processors[0].select.id", "unknown row new"),
        ("key: [id]", "key: [id], wher: a", "processors[0].left.wher", "did you mean 'where'"),
    ],
)
def test_what_is_wrong_is_said_at_its_place(old: str, new: str, place: str, hint: str) -> None:
    assert old in PAID
    message = wrong(PAID.replace(old, new, 1))
    assert place in message
    assert hint in message


def test_an_as_of_join_is_inner_or_left() -> None:
    message = wrong(AS_OF.replace("how: left", "how: full"))
    assert "processors[0].join" in message
    assert "how: left" in message


@pytest.mark.parametrize(
    ("text", "place", "hint"),
    [
        (PAID.replace("key: [id]", "key: [idd]"), "processors[0].left.key[0]", "id?"),
        (
            SELECTED.replace("right.card", "right.crad"),
            "processors[0].select.card",
            "did you mean card?",
        ),
    ],
)
def test_an_unknown_column_is_named_with_the_nearest(text: str, place: str, hint: str) -> None:
    shop, flow = Shop(), make(text)
    with pytest.raises(ConfigError) as caught:
        run(flow, [shop.order(0, 7), shop.payment(0, 7)])
    assert place in str(caught.value)
    assert hint in str(caught.value)


def test_keys_that_can_never_be_equal_are_an_error() -> None:
    shop, flow = Shop(), make(PAID.replace("key: [order_id]", "key: [card]"))
    with pytest.raises(ConfigError) as caught:
        run(flow, [shop.order(0, 7), shop.payment(0, 7)])
    assert "a number on the left side and a text on the right side" in str(caught.value)
    assert "visa" not in str(caught.value)
