"""Aggregates as calls: what they give, in which form, and what is refused before any value."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.core.errors import ConfigError
from bridge.core.relation import Relation
from tests.fixtures.events import make_relation
from tests.unit.dataflow.orders import Stream, dataflow, order, values

EVERYTHING = make_relation(
    {
        "customer_id": "int4", "small": "int2", "price": "numeric", "ratio": "float8",
        "name": "text", "born": "date", "seen": "timestamptz", "local": "timestamp",
        "takes": "interval", "tags": "_text", "doc": "json", "docb": "jsonb", "who": "uuid",
        "alarm": "time", "done": "bool", "lsn": "pg_lsn", "code": "bpchar", "spot": "point",
    },
    table="orders",
)  # fmt: skip
ROWS = [
    ("7", "1", "1.50", "0.5", "b", "2024-02-29", "2024-01-01 00:00:00.5+00", "2024-01-01 00:00:00",
     "1 day", "{a,b}", '{"a": 1}', '{"a": 1}', "00000000-0000-0000-0000-000000000002", "01:00:00",
     "t", "0/FF", "x ", "(1,2)"),
    ("7", "3", "2.25", "NaN", "a", "0044-03-15 BC", "2024-01-01 00:00:00+00", "infinity",
     "24:00:00", "{}", '{"a":1}', '{"a": 1}', "00000000-0000-0000-0000-000000000001", "23:59:59.5",
     "f", "1/0", "y ", "(3,4)"),
    ("7", *[None] * 17),
]  # fmt: skip


def aggregated(call: str, **settings: Any) -> Any:
    stream = Stream()
    flow = dataflow(aggregates={"it": call}, **settings)
    events = [stream.insert(0, row, EVERYTHING) for row in ROWS]
    [(_, found)] = values(flow.process([*events, stream.other(99)]))
    return found["it"]


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("count()", 3),
        ("count(*)", 3),
        ("COUNT ( new.small )", 2),
        ("count(distinct doc)", "refused"),
        ("count(DISTINCT docb)", 1),
        ("count_distinct(tags)", 2),
        ("sum(small)", 4),
        ("sum(price)", "3.75"),
        ("sum(small * price)", "8.25"),
        ("sum(ratio)", "NaN"),
        ("avg(small)", "2.0000000000000000"),
        ("avg(price)", "1.8750000000000000"),
        ("min(price)", "1.50"),
        ("max(ratio)", "NaN"),
        ("max(name)", "b"),
        ("min(born)", "0044-03-15 BC"),
        ("max(born)", "2024-02-29"),
        ("min(seen)", "2024-01-01T00:00:00Z"),
        ("max(seen)", "2024-01-01T00:00:00.5Z"),
        ("max(local)", "infinity"),
        ("max(alarm)", "23:59:59.5"),
        ("max(lsn)", "1/0"),
        ("min(who)", "00000000-0000-0000-0000-000000000001"),
        ("first(takes)", "1 day"),
        ("last(tags)", []),
        ("last(seen)", "2024-01-01T00:00:00Z"),
        ("last(doc)", '{"a":1}'),
        ("first(done)", True),
        ("collect(small)", [1, 3, None]),
        ("collect(seen, 2)", ["2024-01-01T00:00:00.5Z", "2024-01-01T00:00:00Z"]),
        ("collect(tags)", [["a", "b"], [], None]),
        ("top_k(price, 1)", ["2.25"]),
        ("top_k(seen, 2)", ["2024-01-01T00:00:00.5Z", "2024-01-01T00:00:00Z"]),
        ("quantile(small, 0.5)", 2),
        ("quantile(price, 0)", 1.5),
        ("first(case when name = 'a, (b' then 1 else 2 end)", 2),
    ],
)
def test_an_aggregate_gives_what_events_would_show(call: str, expected: Any) -> None:
    if expected == "refused":
        with pytest.raises(ConfigError, match="cannot be said which are equal"):
            aggregated(call)
    else:
        assert aggregated(call) == expected


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("sum(name)", r"aggregates\.it: sum\(name\) over public\.orders: name is text, and this "
                      r"aggregate takes numbers\. Cast it, such as \(name\)::numeric\."),
        ("avg(seen)", "seen is timestamptz"),
        ("sum(done)", "done is boolean"),
        ("max(doc)", "doc is json, and this aggregate takes what has an order"),
        ("min(takes)", "takes is interval"),
        ("top_k(tags, 2)", r"tags is text\[\]"),
        ("max(spot)", "spot is point"),
        ("quantile(name, 0.5)", "text stands where double precision is needed"),
        ("count_distinct(takes)", "cannot be said which are equal"),
        ("sum(new.prize)", r"no column prize \(did you mean price\?\)"),
    ],
)  # fmt: skip
def test_a_type_that_does_not_fit_is_refused_when_the_table_is_seen(
    call: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        aggregated(call)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("summ(x)", r"no aggregate summ\(\) \(did you mean sum\?\)"),
        ("frobnicate(x)", r"no aggregate frobnicate\(\); there are count\(\) or count\(x\), "),
        ("sum()", r"sum has 0 arguments; write sum\(x\)"),
        ("sum(a, b)", "sum has 2 arguments"),
        ("top_k(a)", r"write top_k\(x, k\)"),
        ("top_k(a, 0)", "k of .* is 0"),
        ("quantile(a, 2)", "q of .* is 2"),
        ("quantile(a, b)", "second argument is no number"),
        ("collect(a, 0)", "limit of"),
        ("amount", "an aggregate is one call"),
        ("sum(a) + sum(b)", "an aggregate is one call"),
        ("sum(a", "not closed"),
        ("sum(a,)", "an argument is missing"),
        ("sum(a b)", "only one|cannot be read|alias"),
        ("sum(uper(a))", r"unknown function uper\(\) \(did you mean upper\?\)"),
        ("sum(sum(a))", "do not support aggregates"),
    ],
)
def test_what_is_no_call_of_an_aggregate_is_refused_at_once(call: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        dataflow(aggregates={"it": call})
    assert str(caught.value).startswith("processors[0].aggregates.it: ")


def test_an_argument_is_of_one_type_in_all_tables_also_after_a_restart() -> None:
    stream = Stream()

    def table(sql_type: str) -> Relation:
        return make_relation({"customer_id": "int4", "amount": sql_type}, table="orders")

    flow = dataflow(aggregates={"most": "max(amount)"})
    flow.process([stream.insert(0, ("7", "1"), table("int4"))])
    flow.process([stream.insert(0, ("7", "1.5"), table("numeric"))])
    restored = dataflow(aggregates={"most": "max(amount)"})
    restored.restore(flow.snapshot())
    for each in (flow, restored):
        with pytest.raises(ConfigError, match=r"amount is text, and was (integer|numeric) before"):
            each.process([stream.insert(0, ("7", "x"), table("text"))])


def test_the_form_of_a_value_outlives_a_restart() -> None:
    stream = Stream()
    flow = dataflow(aggregates={"last": "max(at)"})
    flow.process([stream.insert(0, order())])
    restored = dataflow(aggregates={"last": "max(at)"})
    restored.restore(flow.snapshot())
    assert values(restored.process([stream.other(99)])) == [
        ((7,), {"last": "2023-11-14T22:14:00Z"})
    ]


def test_a_number_beyond_a_double_is_rejected_before_a_quantile_sees_it() -> None:
    stream = Stream()
    flow = dataflow(aggregates={"median": "quantile(amount, 0.5)"})
    events = [stream.insert(0, order(amount=amount)) for amount in ("1", "9" * 400)]
    results = flow.process([*events, stream.other(99)])
    assert values(results) == [((7,), {"median": 1})]
    [(event, reason)] = flow.take_rejected()
    assert event is events[1]
    assert "999" not in reason
