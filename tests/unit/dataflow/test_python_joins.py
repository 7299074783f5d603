"""Joins in Python give what the same joins in YAML give, and say what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.core.errors import BridgeError, ConfigError
from bridge.core.events import ABSENT, CdcEvent, Operation, PartialRow
from bridge.dataflow.python import ProcessorInput, PythonProcessor, processor
from bridge.processing.joins import JoinType
from tests.unit.dataflow.orders import START, documents
from tests.unit.dataflow.shop import Shop, make, run, run_in_pieces

Row = Mapping[str, Any] | None

ORDERS = ProcessorInput(tables=["public.orders"], key=["id"])
PAYMENTS = ProcessorInput(tables=["public.payments"], key=["order_id"])


def payment(event: CdcEvent) -> dict[str, Any]:
    return dict(event.new_values or {})


LARGE = ProcessorInput(
    tables=["public.payments"],
    key={"order": lambda event: payment(event)["order_id"]},
    value=lambda event: payment(event) if payment(event)["amount"] > 5 else None,
)


def selected(left: Row, right: Row) -> dict[str, Any]:
    return {
        "order": None if left is None else left["id"],
        "amount": None if right is None else right["amount"],
    }


def named(name: str, **definition: Any) -> Any:
    make_it: Any = processor
    return make_it(name=name, out_of_orderness=0, **definition)(selected)


INTERVAL = named(
    "joined",
    join=JoinType.Interval("full", before=timedelta(seconds=5), after=timedelta(seconds=10)),
    left=ORDERS,
    right=LARGE,
)
AS_OF = named("joined", join=JoinType.AsOf("left", tolerance=20_000_000), left=ORDERS,
              right=PAYMENTS)  # fmt: skip
TABLE = named(
    "joined",
    join=JoinType.Table("left"),
    left=ProcessorInput(tables=["public.orders"], key=["customer"]),
    right=ProcessorInput(tables=["public.customers"], key=["name"]),
)
SQL = """
name: joined
left: {tables: [public.orders], key: [id]}
select: {order: left.id, amount: right.amount}
out_of_orderness: 0s
to: [results]
"""
INTERVAL_SQL = SQL + (
    "join: {type: interval, how: full, before: 5s, after: 10s}\n"
    "right: {tables: [public.payments], key: [order_id], where: amount > 5}\nlate_to: [late]\n"
)
AS_OF_SQL = SQL + (
    "join: {type: as_of, how: left, tolerance: 20s}\n"
    "right: {tables: [public.payments], key: [order_id]}\nlate_to: [late]\n"
)


def text(name: str, more: str = "") -> str:
    """Return the section of a definition in this module."""
    return f"python: {__name__}:{name}\nto: [results]\n{more}"


EVENTS = st.lists(
    st.tuples(st.booleans(), st.integers(0, 3), st.integers(0, 9), st.integers(-4, 12)), max_size=30
)


@pytest.mark.parametrize(
    ("name", "sql"), [("INTERVAL", INTERVAL_SQL), ("AS_OF", AS_OF_SQL)], ids=["interval", "as_of"]
)
@settings(max_examples=40, deadline=None)
@given(EVENTS, st.integers(0, 2**32))
def test_a_join_gives_what_it_gives_in_yaml_wherever_it_is_cut(
    name: str, sql: str, drawn: list[tuple[bool, int, int, int]], seed: int
) -> None:
    shop, events, now = Shop(), list[CdcEvent](), 100.0
    for i, (paid, id, amount, step) in enumerate(drawn):
        now += step
        events.append(
            shop.payment(now, id, str(amount), id=i) if paid else shop.order(now, id, "Ada")
        )
    _, results = run_in_pieces(text(name, "late_to: [late]"), events, seed)
    assert results == run(make(sql), events)


def test_the_row_of_a_table_is_the_one_of_that_moment_with_what_was_not_sent() -> None:
    shop, insert, update = Shop(), Operation.INSERT, Operation.UPDATE
    long = PartialRow(("1", "Ada", "Chur", ABSENT))
    events = [
        shop.row(insert, ("1", "Ada", "Bern", "long")),
        shop.order(1, 7),
        shop.row(update, long),
        shop.order(2, 8),
        shop.row(Operation.DELETE, None, ("1", None, None, None)),
        shop.order(3, 9),
    ]
    flow = make(text("SEEING"))
    SEEN.clear()
    results = run(flow, events)
    assert [row and (row["city"], row["about"]) for row in SEEN] == [
        ("Bern", "long"),
        ("Chur", "long"),
        None,
    ]
    assert [document["values"] for document in documents(results)] == [
        {"id": 7},
        {"id": 8},
        {"id": 9},
    ]
    assert flow.needs_rows == ("public.customers",)


SEEN: list[Row] = []


def _seeing(left: Row, right: Row) -> dict[str, Any]:
    assert left is not None
    SEEN.append(right)
    return {"id": left["id"]}


SEEING = processor(
    name="seeing", join=JoinType.Table("left"),
    left=ProcessorInput(tables=["public.orders"], key=["customer"]),
    right=ProcessorInput(tables=["public.customers"], key=["name"]),
)(_seeing)  # fmt: skip


def _unequal(left: Row, right: Row) -> dict[str, Any] | None:
    assert left is not None
    assert right is not None
    return None if left["amount"] == right["amount"] else {"missing": left["amount"]}


UNEQUAL = processor(
    name="unequal", join=JoinType.Interval(after=timedelta(minutes=1)), left=ORDERS, right=PAYMENTS
)(_unequal)


def test_the_function_sees_both_sides_and_may_leave_a_result_out() -> None:
    shop = Shop()
    events = [shop.order(0, 7), shop.payment(1, 7), shop.payment(2, 7, "9.99")]
    [result] = run(make(text("UNEQUAL")), events)
    assert documents([result])[0]["values"] == {"missing": "10.00"}


BROKEN = {
    "RAISING": lambda left, right: left["nothing"],
    "FOREIGN": lambda left, right: {"x": object()},
    "NO_MAPPING": lambda left, right: 7,
}
RAISING, FOREIGN, NO_MAPPING = (
    processor(name="broken", join=JoinType.Interval(), left=ORDERS, right=PAYMENTS)(function)
    for function in BROKEN.values()
)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("RAISING", r"the function failed with KeyError for the left event at 0/1100:0 and the "
                    r"right event at 0/1200:0"),
        ("FOREIGN", "the function gave a object"),
        ("NO_MAPPING", "the function gave a int"),
    ],
)  # fmt: skip
def test_a_function_that_fails_stops_and_says_for_which_events(name: str, message: str) -> None:
    shop = Shop()
    events = [shop.order(0, 7, "canary"), shop.payment(0, 7)]
    with pytest.raises(BridgeError, match=message) as caught:
        run(make(text(name)), events)
    assert "canary" not in str(caught.value)


REJECTING = processor(
    name="rejecting", join=JoinType.Interval(), left=ORDERS,
    right=ProcessorInput(
        tables=["public.payments"], key=["order_id"],
        value=lambda event: {"rest": 1 / int(payment(event)["amount"])},
    ),
)(selected)  # fmt: skip


def test_what_a_side_cannot_read_is_a_dead_letter() -> None:
    shop, flow = Shop(), make(text("REJECTING"))
    event = shop.payment(0, 7, "0")
    assert run(flow, [event]) == []
    assert flow.take_rejected() == [(event, "right.value failed with ZeroDivisionError")]


def _other(**changes: Any) -> PythonProcessor:
    definition: dict[str, Any] = {"join": JoinType.Interval(), "left": ORDERS, "right": PAYMENTS}
    make_it: Any = processor
    made: PythonProcessor = make_it(name="joined", **(definition | changes))(selected)
    return made


NO_KEY = _other(left=ProcessorInput(tables=["public.orders"]))
TWO_KEYS = _other(right=ProcessorInput(tables=["public.payments"], key=["id", "order_id"]))
TABLE_BY_TIME = _other(
    join=JoinType.Table(),
    right=ProcessorInput(tables=["public.payments"], key=["id"], time="new.at"),
)
WRONG_KEY = _other(left=ProcessorInput(tables=["public.orders"], key=["id +"]))
WRONG_TABLE = _other(left=ProcessorInput(tables=["orders"], key=["id"]))
WRONG_HOW = _other(join=JoinType.Interval("outer"))  # type: ignore[arg-type]
PLAIN = _other()


@pytest.mark.parametrize(
    ("name", "more", "message"),
    [
        ("NO_KEY", "", r"python.*joined\.left\.key: a join needs a key"),
        ("TWO_KEYS", "", r"right\.key has 2 parts"),
        ("TABLE_BY_TIME", "", r"right\.time: a join with a table goes by the order of commits"),
        ("WRONG_KEY", "", r"left\.key: the expression cannot be read"),
        ("WRONG_TABLE", "", "'orders' is not the name of a table"),
        ("WRONG_HOW", "", "unknown kind 'outer'"),
        ("TABLE", "late_to: [late]", r"late_to: no event .* is ever late"),
        ("PLAIN", "timed_out_to: [late]", r"timed_out_to: .*PLAIN is no pattern"),
    ],
)
def test_a_definition_that_cannot_be_names_its_place(name: str, more: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        make(text(name, more))
    assert str(caught.value).startswith("processors[0].")


def test_a_state_belongs_to_a_definition() -> None:
    others = [
        _other(),
        _other(join=JoinType.Interval(after=1)),
        _other(join=JoinType.AsOf()),
        _other(left=ProcessorInput(tables=["public.orders"], key=["customer"])),
        _other(right=LARGE),
        _other(version=2),
    ]
    assert len({other.state_name for other in others}) == len(others)
    assert PLAIN.state_name == others[0].state_name


def test_keys_that_can_never_be_equal_are_named_with_the_processor() -> None:
    shop, flow = Shop(), make(text("MIXED"))
    with pytest.raises(ConfigError, match=r"'joined'.*a number on the left side and a text"):
        run(flow, [shop.order(0, 7), shop.payment(START, 7)])


MIXED = _other(right=ProcessorInput(tables=["public.payments"], key=["card"]))
