"""Processors in Python: a function with a definition, equal in power to YAML."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest

import bridge
from bridge.config.processors import ProcessorConfig
from bridge.core.errors import ConfigError
from bridge.core.events import CdcEvent
from bridge.dataflow import Dataflow, changelog_tables, make_dataflows
from bridge.dataflow.python import PythonProcessor, processor
from bridge.processing import AggregationFunction, WindowType
from bridge.processing.state.codec import decode, encode
from tests.unit.dataflow.orders import START, Stream, at, dataflow, order, values

COUNT = {"orders": AggregationFunction.Count()}
MINUTES = WindowType.Tumbling(timedelta(minutes=1))


def amount_of_paid(event: CdcEvent) -> Any:
    row = event.new_values or {}
    return {"amount": row["amount"]} if row["status"] == "paid" else None


def defined(function: Callable[[CdcEvent], Any] = amount_of_paid, **settings: Any) -> Any:
    given: dict[str, Any] = {
        "tables": ["public.orders"],
        "key": ["customer_id"],
        "window": MINUTES,
        "aggregates": COUNT,
    }
    make_it: Any = processor
    return make_it(**(given | settings))(function)


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Dataflow]:
    module = ModuleType("shop_module")
    monkeypatch.setitem(sys.modules, "shop_module", module)

    def load(definition: Any, **settings: Any) -> Dataflow:
        module.__dict__["it"] = definition
        config = ProcessorConfig(python="shop_module:it", to=("results",), **settings)
        return make_dataflows([config])[0]

    return load


def test_it_gives_what_the_same_definition_in_yaml_gives(load: Callable[..., Dataflow]) -> None:
    stream = Stream()
    rows = [order(), order(amount="2", at=at(3)), order(status="draft"), order(at=at(99))]
    events = [stream.insert(0, row) for row in rows]
    in_yaml = dataflow(
        name="revenue", where="status = 'paid'", time="at", key=("customer_id", "status"),
        aggregates={"revenue": "sum(amount)"},
    )  # fmt: skip
    in_python = load(
        defined(
            lambda event: amount_of_paid(event) and {"amount": order_amount(event)},
            name="revenue",
            time="at",
            key={"customer_id": "customer_id", "status": lambda e: (e.new_values or {})["status"]},
            aggregates={"revenue": AggregationFunction.Sum("amount")},
        )
    )
    assert values(in_yaml.process(events)) == [((7, "paid"), {"revenue": "3.50"})]
    assert in_python.sinks == ("results",)
    [result] = in_python.process(events)
    assert values([result]) == [((7, "paid"), {"revenue": "3.50"})]


def order_amount(event: CdcEvent) -> Any:
    from decimal import Decimal

    return Decimal(str((event.new_values or {})["amount"]))


def test_the_decorator_is_public_and_leaves_the_function_callable() -> None:
    @bridge.processor(tables=["public.orders"], window=MINUTES, aggregates=COUNT)
    def revenue(event: CdcEvent) -> str:
        return "called"

    assert isinstance(revenue, PythonProcessor)
    assert revenue.name == "revenue"
    assert revenue(Stream().insert(0, order())) == "called"


def test_time_may_be_a_function(load: Callable[..., Dataflow]) -> None:
    stream = Stream()
    flow = load(defined(time=lambda event: START + int((event.new_values or {})["id"]) * 1_000_000))
    results = flow.process([stream.insert(0, order(id=i)) for i in (0, 59, 99)])
    assert values(results) == [((7,), {"orders": 2})]


@pytest.mark.parametrize(
    ("settings", "function", "reason"),
    [
        ({}, lambda event: 1 / 0, "failed with ZeroDivisionError"),
        ({}, lambda event: object(), "gave a object, which is no plain data"),
        ({}, lambda event: {"x": [object()]}, "gave a object"),
        ({"key": {"k": lambda event: timedelta()}}, lambda event: 1, "key k gave a timedelta"),
        ({"time": lambda event: None}, lambda event: 1, "time is NULL"),
        ({"aggregates": {"s": AggregationFunction.Sum("amount")}}, lambda event: {"amount": "x"},
         "aggregate s: sum(amount): a value of type str is no number"),
        ({"aggregates": {"s": AggregationFunction.Sum("amount")}}, lambda event: {},
         "aggregate s: sum(amount): an event has no column 'amount'"),
    ],
)  # fmt: skip
def test_what_a_function_cannot_do_rejects_the_event_and_no_other(
    load: Callable[..., Dataflow], settings: dict[str, Any], function: Any, reason: str
) -> None:
    stream = Stream()
    flow = load(defined(function, name="orders", **settings))
    assert flow.process([stream.insert(0, order()), stream.other(99)]) == []
    [(_, why)] = flow.take_rejected()
    assert reason in why


def test_a_changelog_takes_values_back(load: Callable[..., Dataflow]) -> None:
    stream = Stream()
    definition = defined(
        mode="changelog", window=WindowType.Global(), emit="updates",
        aggregates={"most": AggregationFunction.Max("amount", changelog=True)},
        version=3,
    )  # fmt: skip
    flow = load(definition)
    events = [stream.insert(0, order(amount="5")), stream.insert(1, order(id=2, amount="1")),
              stream.update(2, order(amount="5"), order(status="draft"))]  # fmt: skip
    results = [found["most"] for _, found in values(flow.process(events))]
    assert results == ["5", "5", "1"]
    assert changelog_tables([ProcessorConfig(python="shop_module:it")]) == ("public.orders",)


def test_a_state_is_restored_and_belongs_to_a_definition(load: Callable[..., Dataflow]) -> None:
    stream = Stream()
    flow = load(defined())
    flow.process([stream.insert(0, order())])
    again = load(defined())
    assert again.state_name == flow.state_name
    again.restore(decode(encode(flow.snapshot(), "it"), "it"))
    assert again.process([stream.other(99)]) == flow.process([stream.other(99)])
    others = [
        defined(version=2), defined(key=["id"]), defined(window=WindowType.Tumbling(1)),
        defined(aggregates={"s": AggregationFunction.Sum("amount")}), defined(max_ahead=1),
    ]  # fmt: skip
    assert len({flow.state_name, *(load(other).state_name for other in others)}) == 6


class Longest(AggregationFunction):
    """An aggregate of somebody's own, with a setting."""

    def __init__(self, start: str = "") -> None:
        self.start = start

    def create(self) -> str:
        return self.start

    def add(self, state: str, value: Any, at: object) -> str:
        return max(state, str(value), key=len)

    retract = merge = add

    def result(self, state: str) -> str:
        return state

    load = dump = result


def first_of(state: Any, value: Any) -> Any:
    return value if state is None else state


def last_of(state: Any, value: Any) -> Any:
    return value


_OF = AggregationFunction


@pytest.mark.parametrize(
    ("make", "make_another"),
    [
        (lambda: _OF.TopK("total", 3), lambda: _OF.TopK("total", 5)),
        (lambda: _OF.Quantile("total", 0.5), lambda: _OF.Quantile("total", 0.9)),
        (lambda: _OF.Collect("total"), lambda: _OF.Collect("total", limit=5)),
        (lambda: _OF.Max("total"), lambda: _OF.Max("total", changelog=True)),
        (lambda: _OF.Sum("first_of"), lambda: _OF.Sum(lambda row: first_of(None, row))),
        (lambda: _OF.Fold(int, first_of), lambda: _OF.Fold(int, last_of)),
        (lambda: _OF.Fold(int, first_of), lambda: _OF.Fold(int, first_of, merge=first_of)),
        (Longest, lambda: Longest("a")),
    ],
)
def test_the_settings_of_an_aggregate_are_part_of_its_definition(
    make: Callable[[], AggregationFunction], make_another: Callable[[], AggregationFunction]
) -> None:
    """Or the three highest values would be taken for five."""
    name, again, other = (
        defined(aggregates={"a": function}).state_name
        for function in (make(), make(), make_another())
    )
    assert name == again
    assert name != other


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        (len, r"shop_module:it has no @processor"),
        (None, "has nothing called 'it'"),
        (defined(tables=["orders"]), "'orders' is not the name of a table"),
        (defined(time="new.at +"), "cannot be read"),
        (defined(aggregates={}), "no aggregates"),
        (defined(emit="sometimes"), "emit of processor"),
        (defined(max_ahead=-1), "max_ahead is -1"),
        (defined(mode="changelog", window=WindowType.Global(), emit="updates",
                 aggregates={"m": AggregationFunction.Max("x")}), "cannot take values back"),
        (defined(mode="changelog"), "needs a time from a column"),
    ],
)  # fmt: skip
def test_a_definition_that_cannot_be(
    load: Callable[..., Dataflow], definition: Any, message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load(definition)
    assert str(caught.value).startswith("processors[0].python")


def test_a_missing_column_is_named_with_the_processor(load: Callable[..., Dataflow]) -> None:
    flow = load(defined(key=["customer"]))
    with pytest.raises(ConfigError, match=r"Processor 'amount_of_paid': .*customer_id"):
        flow.process([Stream().insert(0, order())])
