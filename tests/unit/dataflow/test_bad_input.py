"""What can be wrong with definitions and rows: a clear error, or a rule, and nothing is lost."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.config.inputs import FromConfig
from bridge.config.processors import WindowConfig
from bridge.core.errors import ConfigError
from bridge.dataflow import make_dataflows
from tests.fixtures.events import make_relation
from tests.unit.dataflow.orders import (
    START,
    Stream,
    at,
    config,
    dataflow,
    documents,
    order,
    values,
)

YEAR = 365 * 86_400


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"window": WindowConfig(type="tumbling", size="0s")}, r"window: size .* is 0"),
        ({"window": WindowConfig(type="tumbling")}, "a tumbling window needs size"),
        ({"window": WindowConfig(type="tumbling", size="1m", gap="1m")}, "gap does not belong"),
        ({"window": WindowConfig(type="sliding", size="1m")}, "a sliding window needs slide"),
        ({"window": WindowConfig(type="sliding", size="1m", slide=5)}, "no length of time"),
        ({"window": WindowConfig(type="sliding", size="1m", slide="x")}, "'x' is not a length"),
        ({"window": WindowConfig(type="sliding", size="1m", slide="0s")}, "slide .* is 0"),
        ({"window": WindowConfig(type="session", gap="0s")}, "gap .* is 0"),
        ({"window": WindowConfig(type="count")}, "a count window needs count"),
        ({"window": WindowConfig(type="count", count=0)}, "count of a count window is 0"),
        ({"window": WindowConfig(type="count", count=2, slide="1m")}, "no number of events"),
        ({"window": WindowConfig(type="global")}, "never ends"),
        ({"window": WindowConfig(type="tumbling", size="1d", timezone="Europe/Berlln")},
         "timezone 'Europe/Berlln' is unknown"),
        ({"window": WindowConfig(type="tumbling", size="1h", timezone="Europe/Berlin")},
         "windows of whole days"),
        ({"where": "new.statuss = 'paid' and"}, r"where: the expression cannot be read"),
        ({"where": "new.amount"}, None),
        ({"where": "uper(status) = 'x'"}, r"did you mean upper\?"),
        ({"where": "now() > at"}, "no clock"),
        ({"time": "5"}, r"time: .* stands where timestamptz is needed"),
        ({"key": ("a", "new.a")}, r"key\[1\]: two parts of the key are called 'a'"),
        ({"aggregates": {}}, "no aggregates"),
        ({"from_": FromConfig(tables=("orders",))}, r"from\.tables: 'orders' is not the name"),
        ({"allowed_lateness": "1m", "window": WindowConfig(type="count", count=2)},
         "none of its events can be late"),
    ],
)  # fmt: skip
def test_a_definition_that_cannot_be(settings: dict[str, Any], message: str | None) -> None:
    if message is None:  # only the table can tell
        dataflow(**settings)
        return
    with pytest.raises(ConfigError, match=message) as caught:
        dataflow(**settings)
    assert str(caught.value).startswith("processors[0]")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"where": "new.amount"}, "where: numeric stands where boolean is needed"),
        ({"where": "statuss = 'paid'"}, r"no column statuss \(did you mean status\?\)"),
        ({"key": ("customer",)}, r"key\[0\]: .* \(did you mean customer_id\?\)"),
        ({"key": {"who": "customer"}}, r"key\.who: "),
        ({"time": "new.aat"}, r"time: .* no column aat \(did you mean at\?\)"),
        ({"time": "new.amount"}, "time: numeric stands where timestamptz is needed; cast it"),
        ({"aggregates": {"n": "sum(amout)"}}, r"aggregates\.n: .* \(did you mean amount\?\)"),
    ],
)
def test_a_definition_that_does_not_fit_the_table(settings: dict[str, Any], message: str) -> None:
    flow = dataflow(**settings)
    with pytest.raises(ConfigError, match=message) as caught:
        flow.process([Stream().insert(0, order())])
    assert "Let tables name the tables that it is about" in str(caught.value)
    assert "^" in str(caught.value) or "cast" in str(caught.value)


def test_two_processors_with_one_name_would_share_their_results() -> None:
    with pytest.raises(ConfigError, match=r"processors\[1\]\.name"):
        make_dataflows([config(), config()])


def test_tables_that_are_not_named_are_not_looked_at() -> None:
    stream = Stream()
    strange = make_relation({"customer_id": "text"}, table="orders", schema="elsewhere")
    flow = dataflow(aggregates={"revenue": "sum(amount)"})
    assert flow.process([stream.insert(0, ("x",), strange)]) == []


@pytest.mark.parametrize(
    ("settings", "row", "reason"),
    [
        ({"where": "1 / customer_id = 1"}, order(customer=0), "division by zero"),
        ({"key": ("1 / customer_id",)}, order(customer=0), "division by zero"),
        ({"key": ("status::int",)}, order(status="secret"), "a text is no integer"),
        ({"aggregates": {"n": "sum(1 / customer_id)"}}, order(customer=0), "division by zero"),
        ({"time": "at"}, order(at=None), "time is NULL"),
        ({"time": "at"}, order(at="infinity"), "time is not a finite time"),
        ({"time": "at"}, order(at="-infinity"), "time is not a finite time"),
        ({"time": "at"}, order(at="2024-11-14 22:14:00+00"), "ahead of the commit than max_ahead"),
    ],
)
def test_an_event_without_a_value_is_rejected_and_the_others_go_on(
    settings: dict[str, Any], row: Any, reason: str
) -> None:
    stream = Stream()
    flow = dataflow(**({"key": (), "aggregates": {"n": "count()"}} | settings))
    good, bad = order(customer=1, status="1"), stream.insert(1, row)
    results = flow.process([stream.insert(0, good), bad, stream.insert(200, order(
        customer=1, status="1", at=at(200)))])  # fmt: skip
    assert [v["n"] for _, v in values(results)] == [1]
    [(event, why)] = flow.take_rejected()
    assert event is bad
    assert reason in why
    assert "secret" not in why
    assert flow.take_rejected() == []
    assert flow.stats()["rejected"] == 1


def test_nulls_are_left_out_by_aggregates_and_hold_in_no_condition() -> None:
    stream = Stream()
    flow = dataflow(
        where="status <> 'draft'",
        aggregates={"orders": "count()", "amounts": "count(amount)", "sum": "sum(amount)"},
    )
    rows = [order(), order(amount=None), order(status=None)]
    results = flow.process([*(stream.insert(0, row) for row in rows), stream.other(99)])
    assert values(results) == [((7,), {"orders": 2, "amounts": 1, "sum": "1.50"})]


def test_numbers_that_are_none_are_summed_as_the_server_does() -> None:
    stream = Stream()
    flow = dataflow(aggregates={"a": "sum(amount)", "w": "sum(weight)", "most": "max(amount)"})
    rows = [order(), order(amount="NaN", weight="-Infinity")]
    results = flow.process([*(stream.insert(0, row) for row in rows), stream.other(99)])
    assert values(results) == [((7,), {"a": "NaN", "w": "-Infinity", "most": "NaN"})]


def test_a_clock_that_jumps_a_year_forwards_in_a_column_closes_no_window() -> None:
    stream = Stream()
    flow = dataflow(time="at")
    events = [
        stream.insert(0, order(at=at(0))),
        stream.insert(1, order(at="2024-11-14 22:14:00+00")),
        stream.insert(2, order(at=at(2))),
    ]
    assert flow.process(events) == []
    assert len(flow.take_rejected()) == 1
    assert values(flow.process([stream.insert(99, order(at=at(99)))])) == [((7,), {"orders": 2})]


def test_a_clock_that_jumps_a_year_backwards_makes_events_late_and_counted() -> None:
    for settings, row in (({"time": "at"}, order(at="2022-11-14 22:14:00+00")), ({}, order())):
        stream = Stream()
        flow = dataflow(**settings)
        flow.process([stream.insert(0, order())])
        assert flow.process([stream.insert(-YEAR, row)]) == []
        assert flow.stats()["late"] == 1
        assert values(flow.process([stream.insert(99, order(at=at(99)))]))[0][1] == {"orders": 1}


def test_a_server_whose_clock_jumps_a_year_forwards_and_back_lets_events_be_late() -> None:
    stream = Stream()
    flow = dataflow()
    results = flow.process([stream.insert(0, order()), stream.insert(YEAR, order())])
    assert len(results) == 1
    assert flow.process([stream.insert(5, order())]) == []
    assert flow.stats()["late"] == 1


def test_an_event_older_than_everything_has_a_window_of_its_own() -> None:
    stream = Stream()
    flow = dataflow(time="at")
    row = order(at="4713-01-01 00:00:00+00 BC")
    [result] = documents(flow.process([stream.insert(0, row), stream.insert(0, order())]))
    assert result["window"]["end"] - result["window"]["start"] == 60_000_000
    assert result["window"]["start"] < START - 6000 * YEAR * 1_000_000
