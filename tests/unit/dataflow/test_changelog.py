"""Changelog mode: updates and deletes take back what they replace."""

from __future__ import annotations

import os
import random
from collections import defaultdict
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from bridge.config.inputs import FromConfig
from bridge.config.processors import WindowConfig
from bridge.core.errors import ConfigError, EnvironmentProblem
from bridge.core.events import ABSENT, CdcEvent, Operation, PartialRow, Texts
from bridge.core.relation import ReplicaIdentity
from bridge.dataflow import changelog_tables, make_dataflows
from tests.fixtures.events import make_relation
from tests.unit.dataflow.orders import (
    COLUMNS,
    Stream,
    at,
    changelog,
    config,
    documents,
    order,
    values,
)


def flow_of(**settings: Any) -> Any:
    return make_dataflows([changelog(**settings)])[0]


def test_a_sum_over_a_table_follows_the_table() -> None:
    stream, flow = Stream(), flow_of()
    events = [
        stream.read(order(amount="5")),
        stream.insert(1, order(id=2, amount="1.25")),
        stream.update(2, order(amount="5"), order(amount="7")),
        stream.update(3, order(amount="7"), order(amount="7", customer=8)),
        stream.delete(4, order(id=2, amount="1.25")),
    ]
    assert values(flow.process(events)) == [
        ((7,), {"orders": 1, "revenue": "5"}),
        ((7,), {"orders": 2, "revenue": "6.25"}),
        ((7,), {"orders": 1, "revenue": "1.25"}),
        ((7,), {"orders": 2, "revenue": "8.25"}),
        ((7,), {"orders": 1, "revenue": "1.25"}),
        ((8,), {"orders": 1, "revenue": "7"}),
        ((7,), {"orders": 0, "revenue": None}),
    ]


def test_a_row_that_moves_in_or_out_of_where_is_added_or_taken_back() -> None:
    stream, flow = Stream(), flow_of(where="status = 'paid'")
    draft, paid = order(status="draft"), order()
    events = [
        stream.insert(0, draft), stream.update(1, draft, paid), stream.update(2, paid, draft),
        stream.delete(3, draft),
    ]  # fmt: skip
    assert [v["orders"] for _, v in values(flow.process(events))] == [1, 0]


def test_a_row_is_taken_back_from_the_window_it_was_added_to() -> None:
    stream = Stream()
    flow = flow_of(window=WindowConfig(type="tumbling", size="1m"), time="at", emit="final",
                   allowed_lateness="10m")  # fmt: skip
    old, new = order(amount="5", at=at(0)), order(amount="5", at=at(70))
    events = [stream.insert(0, old), stream.insert(1, order(id=2, at=at(1))),
              stream.update(2, old, new)]  # fmt: skip
    results = flow.process([*events, stream.insert(200, order(id=3, at=at(200)))])
    assert [d["values"]["revenue"] for d in documents(results)] == ["1.50", "5"]


def test_values_that_an_update_did_not_send_are_those_of_the_old_row() -> None:
    stream, flow = Stream(), flow_of(aggregates={"it": "last(status)"})
    old = order(status="long")
    new = PartialRow((*order()[:2], ABSENT, *order()[3:]))
    assert values(flow.process([stream.insert(0, old), stream.update(1, old, new)]))[-1] == (
        (7,),
        {"it": "long"},
    )


def test_a_truncate_empties_the_windows_and_the_stream_goes_on() -> None:
    stream, flow = Stream(), flow_of()
    events = [
        stream.insert(0, order()),
        stream.insert(0, order(id=2, customer=8)),
        stream.truncate(1),
        stream.insert(2, order(id=3, amount="4")),
    ]
    results = flow.process(events)
    assert values(results)[2:] == [
        ((7,), {"orders": 0, "revenue": None}),
        ((8,), {"orders": 0, "revenue": None}),
        ((7,), {"orders": 1, "revenue": "4"}),
    ]
    assert len({result.id for result in results}) == len(results)


def test_a_truncate_in_append_mode_is_no_event() -> None:
    stream = Stream()
    [flow] = make_dataflows([config()])
    flow.process([stream.insert(0, order()), stream.truncate(1)])
    assert values(flow.process([stream.other(99)])) == [((7,), {"orders": 1})]


@pytest.mark.parametrize("identity", [ReplicaIdentity.DEFAULT, ReplicaIdentity.NOTHING])
def test_a_table_that_does_not_send_old_rows_stops_the_bridge_with_the_command(
    identity: ReplicaIdentity,
) -> None:
    stream, flow = Stream(), flow_of()
    orders = make_relation(COLUMNS, key=["id"], table="orders", replica_identity=identity)
    flow.process([stream.insert(0, order(), orders)])
    event = stream.event(1, Operation.UPDATE, order(), None, orders)
    with pytest.raises(
        EnvironmentProblem, match=r'ALTER TABLE "public"\."orders" REPLICA IDENTITY FULL;'
    ):
        flow.process([event])


def test_what_was_never_added_cannot_be_taken_back_and_is_rejected() -> None:
    stream, flow = Stream(), flow_of()
    unknown = stream.delete(0, order())
    assert flow.process([unknown]) == []
    [(event, reason)] = flow.take_rejected()
    assert event is unknown
    assert "was not added" in reason
    assert values(flow.process([stream.insert(1, order())])) == [
        ((7,), {"orders": 1, "revenue": "1.50"})
    ]


def test_a_row_without_a_value_is_rejected_when_it_comes_and_not_again() -> None:
    stream, flow = Stream(), flow_of(aggregates={"it": "sum(1 / customer_id)"})
    bad, good = order(customer=0), order(customer=1)
    flow.process([stream.insert(0, bad), stream.update(1, bad, good), stream.delete(2, good)])
    assert len(flow.take_rejected()) == 1
    assert flow.process([stream.delete(3, bad)]) == []
    assert flow.take_rejected() == []


def test_a_time_far_ahead_moves_no_time_and_can_be_taken_back() -> None:
    stream = Stream()
    window = WindowConfig(type="tumbling", size="1m")
    flow = flow_of(window=window, time="at", emit="final")
    ahead, now = order(id=1, at="2024-12-31 00:00:00+00"), order(id=2, at=at(0))
    events = [stream.insert(0, ahead), stream.insert(0, now), stream.delete(1, ahead)]
    assert flow.process(events) == []
    assert flow.stats()["late"] == 0
    assert flow.take_rejected() == []
    [(_, found)] = values(flow.process([stream.insert(70, order(id=3, at=at(70)))]))
    assert found == {"orders": 1, "revenue": "1.50"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"from_": FromConfig(tables=("public.*",))}, "one table"),
        ({"from_": FromConfig(tables=("public.a", "public.b"))}, "one table"),
        ({"from_": FromConfig(tables=("public.a",), operations=("insert",))}, "operations in"),
        ({"window": WindowConfig(type="session", gap="1m")}, "sessions and counts"),
        ({"window": WindowConfig(type="count", count=2)}, "sessions and counts"),
        ({"window": WindowConfig(type="tumbling", size="1m")}, "needs a time from a column"),
        ({"time": "old.at"}, r"processors\[0\]\.time: old\.at is not the same"),
        ({"where": "operation = 'insert'"}, r"where: operation is not the same"),
        ({"key": ("event_id",)}, r"key\[0\]: event_id is not the same"),
        ({"aggregates": {"it": "max(commit_time)"}}, r"aggregates\.it: commit_time is not"),
        ({"emit": "final"}, "never ends"),
    ],
)
def test_what_cannot_be_taken_back_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        flow_of(**settings)


def test_it_has_to_see_the_rows_that_there_are() -> None:
    assert flow_of().needs_rows == ("public.orders",)
    assert make_dataflows([config()])[0].needs_rows == ()


def test_the_tables_that_have_to_send_their_old_rows_are_known() -> None:
    others = [replace(changelog(), name="two"), config()]
    assert changelog_tables([changelog(), *others]) == ("public.orders",)


AGGREGATES = {
    "n": "count()", "total": "sum(amount)", "mean": "avg(amount)", "least": "min(amount)",
    "most": "max(amount)", "kinds": "count(distinct status)", "top": "top_k(amount, 2)",
}  # fmt: skip


def expected_of(rows: list[Texts]) -> dict[str, Any]:
    """Compute the aggregates of rows anew, all of them at once."""
    amounts = sorted(Decimal(row[3] or 0) for row in rows)
    total = sum(amounts, Decimal(0))
    return {
        "n": len(rows),
        "total": str(total) if rows else None,
        "mean": pytest.approx(float(total / len(rows))) if rows else None,
        "least": str(amounts[0]) if rows else None,
        "most": str(amounts[-1]) if rows else None,
        "kinds": len({row[2] for row in rows}),
        "top": [str(amount) for amount in amounts[:-3:-1]],
    }


@pytest.mark.parametrize("round_", range(20))
def test_after_random_changes_the_results_are_those_of_the_table(round_: int) -> None:
    seed = int(os.environ.get("PGBRIDGE_TEST_SEED", "0")) + round_
    print(f"seed {seed}")
    rng = random.Random(seed)
    stream, flow = Stream(), flow_of(aggregates=AGGREGATES)
    table: dict[int, Texts] = {}
    events: list[CdcEvent] = []
    customers = set()

    def some_row(number: int) -> Texts:
        customer = rng.randrange(3)
        customers.add(customer)
        amount = f"{rng.randrange(500) / 100:.2f}"
        return order(id=number, customer=customer, status=rng.choice("abc"), amount=amount)

    for second in range(200):
        choice = rng.random()
        if choice < 0.01:
            table.clear()
            events.append(stream.truncate(second))
        elif choice < 0.5 or not table:
            number = second
            table[number] = some_row(number)
            events.append(stream.insert(second, table[number]))
        else:
            number = rng.choice(list(table))
            old = table.pop(number)
            if choice < 0.8:
                table[number] = some_row(number)
                events.append(stream.update(second, old, table[number]))
            else:
                events.append(stream.delete(second, old))
    latest: dict[Any, Any] = {}
    for document in documents(flow.process(events)):
        latest[document["key"]["customer_id"]] = document["values"]
    assert flow.take_rejected() == []
    by_customer: dict[int, list[Texts]] = defaultdict(list)
    for row in table.values():
        by_customer[int(row[1] or 0)].append(row)
    for customer in customers:
        found = dict(latest[customer])
        found["mean"] = None if found["mean"] is None else float(found["mean"])
        assert found == expected_of(by_customer[customer])
