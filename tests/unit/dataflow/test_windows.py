"""Processors over windows: which changes count, what they are grouped by, when results come."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.config.inputs import FromConfig
from bridge.config.processors import WindowConfig
from bridge.core.relation import ReplicaIdentity
from bridge.dataflow import make_dataflows
from tests.fixtures.events import make_relation
from tests.unit.dataflow.orders import (
    MINUTE,
    SECOND,
    START,
    Stream,
    at,
    config,
    dataflow,
    documents,
    order,
    values,
)


def test_a_result_has_its_window_its_key_and_exact_values() -> None:
    stream = Stream()
    flow = dataflow(
        name="revenue_per_minute",
        from_=FromConfig(tables=("public.orders",), operations=("insert",)),
        where="new.status = 'paid'",
        time="new.at",
        aggregates={"orders": "count()", "revenue": "sum(new.amount)", "mean": "avg(new.amount)"},
    )
    events = [
        stream.insert(0, order(amount="40.00", at=at(0))),
        stream.insert(1, order(amount="40.25", at=at(30))),
        stream.insert(2, order(amount="99", status="draft", at=at(30))),
        stream.insert(3, order(amount="40.25", at=at(59.5))),
        stream.insert(99, order(customer=8, at=at(70))),
    ]
    [result] = flow.process(events)
    assert result.type == "window_result"
    assert result.processor == "revenue_per_minute"
    assert result.timestamp == START + MINUTE
    assert result.row_id == "7"
    assert result.sinks == ("results",)
    assert documents([result]) == [
        {
            "processor": "revenue_per_minute",
            "key": {"customer_id": 7},
            "window": {"start": START, "end": START + MINUTE},
            "values": {"orders": 3, "revenue": "120.50", "mean": "40.1666666666666667"},
            "final": True,
            "revision": 0,
        }
    ]


def test_the_time_is_that_of_the_commit_and_waits_for_what_is_out_of_order() -> None:
    stream = Stream()
    flow = dataflow(out_of_orderness="2s")
    assert flow.process([stream.insert(0, order()), stream.insert(61.9, order())]) == []
    assert values(flow.process([stream.insert(62, order())])) == [((7,), {"orders": 1})]


def test_events_of_other_tables_let_commit_time_pass() -> None:
    stream = Stream()
    flow = dataflow()
    assert flow.process([stream.insert(0, order()), stream.other(60)]) == []
    assert len(flow.process([stream.other(61)])) == 1


def test_an_idle_server_lets_time_pass() -> None:
    stream = Stream()
    flow = dataflow()
    flow.process([stream.insert(0, order())])
    assert flow.advance(START + 62 * SECOND - 1) == []
    assert len(flow.advance(START + 62 * SECOND)) == 1


def test_processing_time_is_the_last_that_the_server_said_and_nothing_is_late() -> None:
    stream = Stream()
    flow = dataflow(time="processing")
    flow.process([stream.insert(59, order()), stream.insert(1, order())])
    assert values(flow.advance(START + 61 * SECOND)) == [((7,), {"orders": 2})]
    flow.process([stream.insert(-1000, order())])
    assert flow.stats()["late"] == 0
    [(_, counted)] = values(flow.advance(START + 10 * MINUTE))
    assert counted == {"orders": 1}


def test_rows_of_the_snapshot_come_in_no_order_of_time() -> None:
    stream = Stream()
    flow = dataflow(time="new.at")
    rows = [order(at=at(600)), order(at=at(0)), order(at=at(300)), order(at=at(1))]
    assert flow.process([stream.read(row) for row in rows]) == []
    results = documents(flow.process([stream.insert(900, order(at=at(900)))]))
    assert [(r["window"]["start"], r["values"]["orders"]) for r in results] == [
        (START, 2),
        (START + 5 * MINUTE, 1),
        (START + 10 * MINUTE, 1),
    ]
    assert flow.stats()["late"] == 0


@pytest.mark.parametrize(
    ("key", "expected", "row_id"),
    [
        ((), {}, None),
        (("customer_id",), {"customer_id": 7}, "7"),
        (("new.status", "id"), {"status": "paid", "id": 1}, '["paid","1"]'),
        (("amount * 2",), {"amount * 2": "3.00"}, "3.00"),
        ({"big": "amount > 1", "day": "at::date"}, {"big": True, "day": "2023-11-14"},
         '["t","2023-11-14"]'),
        (("weight",), {"weight": 0.5}, "0.5"),
    ],
)  # fmt: skip
def test_keys_keep_their_types(key: Any, expected: dict[str, Any], row_id: str | None) -> None:
    stream = Stream()
    flow = dataflow(key=key)
    [result] = flow.process([stream.insert(0, order()), stream.other(99)])
    assert documents([result])[0]["key"] == expected
    assert result.row_id == row_id


def test_a_null_and_a_nan_are_keys_like_any_other() -> None:
    stream = Stream()
    flow = dataflow(key=("customer_id", "weight"))
    row = order(customer=None, weight="NaN")
    results = flow.process([*(stream.insert(i, row) for i in range(3)), stream.other(99)])
    assert values(results) == [((None, "NaN"), {"orders": 3})]
    assert results[0].row_id == '[null,"NaN"]'
    numeric = dataflow(key=("amount",))
    row = order(amount="NaN")
    results = numeric.process([*(stream.insert(i, row) for i in range(3)), stream.other(99)])
    assert values(results) == [(("NaN",), {"orders": 3})]


def test_updates_and_deletes_are_left_out_in_append_mode_unless_named() -> None:
    stream = Stream()
    events = [
        stream.insert(0, order()),
        stream.update(1, order(), order(amount="3")),
        stream.delete(2, order()),
        stream.read(order()),
        stream.other(99),
    ]
    assert values(dataflow().process(events)) == [((7,), {"orders": 2})]
    named = dataflow(from_=FromConfig(tables=("public.*",), operations=("delete",)))
    assert values(named.process(events)) == [((7,), {"orders": 1})]


def test_updates_tell_after_each_event_and_late_ones_that_are_allowed_again() -> None:
    stream = Stream()
    flow = dataflow(emit="updates", allowed_lateness="1m")
    results = flow.process(
        [stream.insert(0, order()), stream.insert(1, order()), stream.other(90),
         stream.insert(2, order())]
    )  # fmt: skip
    assert [(d["values"]["orders"], d["final"], d["revision"]) for d in documents(results)] == [
        (1, False, 0), (2, False, 1), (2, True, 2), (3, True, 3),
    ]  # fmt: skip
    assert len({result.id for result in results}) == 4


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        (WindowConfig(type="sliding", size="2m", slide="1m"), [(-1, 1, 2), (0, 2, 3), (1, 3, 1)]),
        (WindowConfig(type="session", gap="30s"), [(0, 5 / 6, 2), (65 / 60, 95 / 60, 1)]),
        (WindowConfig(type="tumbling", size="2m", offset="1m"), [(-1, 1, 2), (1, 3, 1)]),
        (WindowConfig(type="tumbling", size="1d", timezone="Europe/Berlin"),
         [(-23 * 60 - 14, 46, 3)]),
    ],
)  # fmt: skip
def test_every_type_of_window_in_time(
    window: WindowConfig, expected: list[tuple[float, float, int]]
) -> None:
    stream = Stream()
    flow = dataflow(window=window)
    events = [stream.insert(seconds, order()) for seconds in (0, 20, 65)]
    results = documents(flow.process([*events, stream.other(2 * 86_400)]))
    assert [
        (
            (r["window"]["start"] - START) / MINUTE,
            (r["window"]["end"] - START) / MINUTE,
            r["values"]["orders"],
        )
        for r in results
    ] == [pytest.approx(each) for each in expected]


def test_a_count_window_is_told_by_the_event_that_fills_it() -> None:
    stream = Stream()
    flow = dataflow(window=WindowConfig(type="count", count=2))
    results = flow.process([stream.insert(i, order()) for i in range(5)])
    assert [(d["window"], d["values"]) for d in documents(results)] == [
        ({"start": 0, "end": 2}, {"orders": 2}),
        ({"start": 2, "end": 4}, {"orders": 2}),
    ]
    assert [result.timestamp for result in results] == [START + SECOND, START + 3 * SECOND]


def test_a_global_window_never_ends() -> None:
    stream = Stream()
    flow = dataflow(window=WindowConfig(type="global"), emit="updates")
    results = flow.process([stream.insert(0, order()), stream.insert(9999, order())])
    assert [(d["window"], d["values"], d["final"]) for d in documents(results)] == [
        ({"start": None, "end": None}, {"orders": 1}, False),
        ({"start": None, "end": None}, {"orders": 2}, False),
    ]
    assert results[1].timestamp == START + 9999 * SECOND


def test_two_tables_are_one_stream_and_each_is_checked_when_it_is_seen() -> None:
    stream = Stream()
    archive = make_relation(
        {"customer_id": "int8", "amount": "int4"},
        table="archive",
        replica_identity=ReplicaIdentity.FULL,
    )
    flow = dataflow(
        from_=FromConfig(tables=("public.orders", "public.archive")),
        aggregates={"revenue": "sum(amount)"},
    )
    events = [stream.insert(0, order()), stream.insert(1, ("7", "2"), archive), stream.other(99)]
    assert values(flow.process(events)) == [((7,), {"revenue": "3.50"})]


def test_the_name_of_the_state_follows_the_definition_but_not_the_sinks() -> None:
    name = make_dataflows([config()])[0].state_name
    assert name.startswith("orders_per_minute-")
    assert make_dataflows([config(to=("elsewhere", "results"))])[0].state_name == name
    others = [
        config(aggregates={"orders": "count(id)"}),
        config(version=2),
        config(key=("id",)),
        config(window=WindowConfig(type="tumbling", size="2m")),
        config(aggregates={"orders": "count()", "ids": "count(id)"}),
        config(aggregates={"ids": "count(id)", "orders": "count()"}),
    ]
    assert len({name, *(make_dataflows([c])[0].state_name for c in others)}) == 7


def test_figures() -> None:
    stream = Stream()
    flow = dataflow(time="new.at")
    flow.process(
        [stream.insert(0, order(at=at(100))), stream.insert(0, order(at=at(0))),
         stream.insert(0, order(at=None))]
    )  # fmt: skip
    assert len(flow.take_rejected()) == 1
    assert dict(flow.stats()) == {
        "events": 2, "late": 1, "rejected": 1, "results": 0, "open_windows": 1, "keys": 1,
        "watermark": START + 99 * SECOND,
    }  # fmt: skip
