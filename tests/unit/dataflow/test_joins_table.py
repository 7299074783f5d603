"""Joins with a table as processors: the table is right at every position of the stream."""

from __future__ import annotations

import random
from typing import Any

import pytest

from bridge.core.errors import ConfigError
from bridge.core.events import ABSENT, CdcEvent, Operation, PartialRow, Texts, TruncateEvent
from bridge.core.relation import Relation, ReplicaIdentity
from tests.fixtures.events import make_relation
from tests.unit.dataflow.orders import documents
from tests.unit.dataflow.shop import CUSTOMERS, LIMITS, OTHERS, Shop, make, run, run_in_pieces

WITH_CUSTOMER = """
name: order_with_customer
join: {type: table, how: left}
left: {tables: [public.orders], key: [customer]}
right: {tables: [public.customers], key: [name]}
select: {order: left.id, id: right.id, city: right.city}
to: [results]
"""
WHOLE = WITH_CUSTOMER.replace("select: {order: left.id, id: right.id, city: right.city}\n", "")
FULL = make_relation(
    {"id": "int8", "name": "text", "city": "text", "about": "text"},
    key=["id"],
    table="customers",
    replica_identity=ReplicaIdentity.FULL,
)
READ, INSERT, UPDATE, DELETE = (
    Operation.READ,
    Operation.INSERT,
    Operation.UPDATE,
    Operation.DELETE,
)


def customer(id: int, name: str | None, city: str | None = "Bern") -> Texts:
    return (str(id), name, city, None)


def key_row(id: int) -> Texts:
    """Return what the default replica identity sends of a row that is gone."""
    return (str(id), None, None, None)


def cities(results: Any) -> list[tuple[int, str | None]]:
    return [(d["values"]["order"], d["values"]["city"]) for d in documents(results)]


def test_an_event_gets_the_row_that_the_table_has_then() -> None:
    shop, flow = Shop(), make(WITH_CUSTOMER)
    events = [
        shop.row(READ, customer(1, "Ada")),
        shop.order(1, 1, "Ada"),
        shop.row(UPDATE, customer(1, "Ada", "Chur")),
        shop.order(2, 2, "Ada"),
        shop.row(DELETE, None, key_row(1)),
        shop.order(3, 3, "Ada"),
        shop.row(INSERT, customer(2, "Ada", "Genf")),
        shop.order(4, 4, "Ada"),
        shop.order(5, 5, None),
    ]
    results = run(flow, events)
    assert cities(results) == [(1, "Bern"), (2, "Chur"), (3, None), (4, "Genf"), (5, None)]
    assert {result.type for result in results} == {"join_result"}


def test_whole_rows_are_shown_as_the_native_format_writes_them() -> None:
    shop, flow = Shop(), make(WHOLE)
    [result] = run(flow, [shop.row(READ, customer(1, "Ada")), shop.order(1, 1, "Ada")])
    assert result.members.startswith(
        '"processor":"order_with_customer","key":{"customer":"Ada"},'
        '"left":{"id":1,"customer":"Ada","amount":"10.00","note":null},'
        '"right":{"id":1,"name":"Ada","city":"Bern","about":null},"timestamp":'
    )


def test_an_update_leaves_nothing_under_the_old_key() -> None:
    """The default replica identity does not send the old name; the row is known by its id."""
    shop, flow = Shop(), make(WITH_CUSTOMER)
    events = [
        shop.row(READ, customer(1, "Ada")),
        shop.row(UPDATE, customer(1, "Eve")),
        shop.order(1, 1, "Ada"),
        shop.order(1, 2, "Eve"),
    ]
    assert cities(run(flow, events)) == [(1, None), (2, "Bern")]


def test_a_row_is_followed_through_a_change_of_its_primary_key() -> None:
    shop, flow = Shop(), make(WITH_CUSTOMER)
    events = [
        shop.row(READ, customer(1, "Ada")),
        shop.row(UPDATE, customer(9, "Ada", "Chur"), key_row(1)),
        shop.row(DELETE, None, key_row(9)),
        shop.order(1, 1, "Ada"),
    ]
    assert cities(run(flow, events)) == [(1, None)]
    assert flow.stats()["kept"] == 0


def test_where_rows_share_a_key_the_last_change_counts_and_then_the_one_before() -> None:
    shop, flow = Shop(), make(WITH_CUSTOMER)
    events = [
        shop.row(READ, customer(1, "Ada", "Bern")),
        shop.row(READ, customer(2, "Ada", "Chur")),
        shop.order(1, 1, "Ada"),
        shop.row(DELETE, None, key_row(2)),
        shop.order(2, 2, "Ada"),
        shop.row(INSERT, customer(3, "Ada", "Genf")),
        shop.row(DELETE, None, key_row(1)),
        shop.order(3, 3, "Ada"),
    ]
    assert cities(run(flow, events)) == [(1, "Chur"), (2, "Bern"), (3, "Genf")]


def test_a_condition_decides_which_rows_are_in_the_table() -> None:
    shop = Shop()
    flow = make(WITH_CUSTOMER.replace("key: [name]", "key: [name], where: new.city <> 'Rom'"))
    events = [
        shop.row(READ, customer(1, "Ada")),
        shop.row(UPDATE, customer(1, "Ada", "Rom")),
        shop.order(1, 1, "Ada"),
        shop.row(UPDATE, customer(1, "Ada", "Chur")),
        shop.order(1, 2, "Ada"),
    ]
    assert cities(run(flow, events)) == [(1, None), (2, "Chur")]


def test_a_row_without_a_value_is_rejected_and_out_of_the_table() -> None:
    shop = Shop()
    flow = make(WITH_CUSTOMER.replace("id: right.id", "id: 10 / (right.id - 5)"))
    events = [
        shop.row(READ, customer(1, "Ada")),
        shop.row(UPDATE, customer(5, "Ada"), key_row(1)),
        shop.order(1, 1, "Ada"),
    ]
    assert cities(run(flow, events)) == [(1, None)]
    [(rejected, why)] = flow.take_rejected()
    assert rejected is events[1]
    assert "division by zero" in why


@pytest.mark.parametrize("text", [WITH_CUSTOMER, WHOLE], ids=["selected", "whole"])
def test_a_large_value_that_was_not_sent_stays(text: str) -> None:
    shop, flow = Shop(), make(text)
    events = [
        shop.row(READ, ("1", "Ada", '"Bern", {a', " x ")),
        shop.row(UPDATE, PartialRow(("1", "Ada", ABSENT, "new"))),
        shop.order(1, 1, "Ada"),
    ]
    [document] = documents(run(flow, events))
    if text is WHOLE:
        assert document["right"] == {"id": 1, "name": "Ada", "city": '"Bern", {a', "about": "new"}
        assert list(document["right"]) == ["id", "name", "city", "about"]
    else:
        assert document["values"]["city"] == '"Bern", {a'


def test_documents_with_spaces_are_kept_as_they_are() -> None:
    relation = make_relation(
        {"id": "int8", "name": "text", "city": "json"}, key=["id"], table="customers"
    )
    shop, flow = Shop(), make(WHOLE)
    events = [
        shop.row(READ, ("1", "Ada", ' {"a": [1, "}"]} '), relation=relation),
        shop.row(UPDATE, PartialRow(("1", "Ada", ABSENT)), relation=relation),
        shop.order(1, 1, "Ada"),
    ]
    [result] = run(flow, events)
    assert '"right":{"id":1,"name":"Ada","city":{"a": [1, "}"]}}' in result.members


def test_truncate_forgets_the_rows_of_that_table() -> None:
    shop, flow = Shop(), make(WITH_CUSTOMER)
    truncate = TruncateEvent.of(shop.other_table(0).transaction, 1, 0, CUSTOMERS, ())
    events = [shop.row(READ, customer(1, "Ada")), truncate, shop.order(1, 1, "Ada")]
    assert cities(run(flow, events)) == [(1, None)]


def test_rows_of_the_stream_that_exist_already_are_left_out() -> None:
    """They come in the snapshot, where the table may still be incomplete."""
    shop, flow = Shop(), make(WITH_CUSTOMER)
    order = shop.order(0, 1, "Ada")
    existing = shop.row(READ, order.new, relation=order.relation)
    assert run(flow, [existing, shop.row(READ, customer(1, "Ada")), shop.order(1, 2, "Ada")])
    assert flow.stats()["events"] == 1


def test_it_says_which_tables_have_to_be_read_first() -> None:
    assert tuple(make(WITH_CUSTOMER).needs_rows) == ("public.customers",)


def test_time_passes_without_results() -> None:
    assert make(WITH_CUSTOMER).advance(2**60) == []


class Naive:
    """The table as PostgreSQL has it, and which row was changed last."""

    def __init__(self) -> None:
        self.rows: dict[int, tuple[str, str]] = {}

    def look_up(self, name: str) -> str | None:
        found = [city for known, city in self.rows.values() if known == name]
        return found[-1] if found else None

    def put(self, id: int, name: str, city: str) -> None:
        self.rows.pop(id, None)
        self.rows[id] = (name, city)


def history(shop: Shop, relation: Relation, seed: int) -> tuple[list[CdcEvent], list[Any]]:
    """Return random changes and orders, and what a naive table says to the orders."""
    chance = random.Random(seed)
    naive = Naive()
    events: list[CdcEvent] = []
    expected: list[tuple[int, str | None]] = []
    full = relation.replica_identity is ReplicaIdentity.FULL

    def old(id: int) -> Texts:
        return customer(id, *naive.rows[id]) if full else key_row(id)

    for number in range(60):
        name, city = chance.choice("abc"), str(number)
        known = list(naive.rows)
        kind = chance.choice(["insert", "update", "rename", "delete", "order", "order", "other"])
        if kind == "insert" or (not known and kind in ("update", "rename", "delete")):
            id = chance.choice([i for i in range(100) if i not in naive.rows])
            operation = READ if not any(e.operation is not READ for e in events) else INSERT
            events.append(shop.row(operation, customer(id, name, city), relation=relation))
            naive.put(id, name, city)
        elif kind == "update":
            id = chance.choice(known)
            before = old(id) if full else None
            naive.put(id, name, city)
            events.append(shop.row(UPDATE, customer(id, name, city), before, relation=relation))
        elif kind == "rename":
            id, new = chance.choice(known), 100 + number
            before = old(id)
            del naive.rows[id]
            naive.put(new, name, city)
            events.append(shop.row(UPDATE, customer(new, name, city), before, relation=relation))
        elif kind == "delete":
            id = chance.choice(known)
            events.append(shop.row(DELETE, None, old(id), relation=relation))
            del naive.rows[id]
        elif kind == "order":
            events.append(shop.order(0, number, name))
            expected.append((number, naive.look_up(name)))
        else:
            events.append(shop.insert(0, ("1",), OTHERS))
    return events, expected


@pytest.mark.parametrize("relation", [CUSTOMERS, FULL], ids=["default", "full"])
@pytest.mark.parametrize("seed", range(25))
def test_orders_get_what_a_naive_table_says(relation: Relation, seed: int) -> None:
    events, expected = history(Shop(), relation, seed)
    whole = make(WITH_CUSTOMER)
    results = whole.process(events)
    assert cities(results) == expected
    for limit in LIMITS:
        restored, in_pieces = run_in_pieces(WITH_CUSTOMER, events, seed, limit)
        assert in_pieces == results
        assert restored.stats() == whole.stats()


@pytest.mark.parametrize(
    ("old", "new", "place", "hint"),
    [
        ("key: [name]", "key: [name], operations: [insert]", "right.operations", "all of its"),
        ("key: [name]", "key: [name], time: new.at", "right.time", "order of commits"),
        ("key: [customer]", "key: [customer], time: processing", "left.time", "order of commits"),
        ("key: [customer]", "key: [customer], operations: [read]", "left.operations", "read"),
        ("how: left", "how: full", "join", "how: left"),
        ("how: left", "tolerance: 1h", "join", "tolerance does not belong"),
    ],
)
def test_what_is_wrong_is_said_at_its_place(old: str, new: str, place: str, hint: str) -> None:
    assert old in WITH_CUSTOMER
    with pytest.raises(ConfigError) as caught:
        make(WITH_CUSTOMER.replace(old, new))
    assert f"processors[0].{place}" in str(caught.value)
    assert hint in str(caught.value)


def test_a_table_whose_rows_cannot_be_told_apart_is_refused() -> None:
    relation = make_relation({"id": "int8", "name": "text", "city": "text"}, table="customers")
    shop, flow = Shop(), make(WITH_CUSTOMER)
    with pytest.raises(ConfigError) as caught:
        run(flow, [shop.row(READ, ("1", "Ada", "Bern"), relation=relation)])
    assert "processors[0].right.tables" in str(caught.value)
    assert "primary key" in str(caught.value)
    assert "Ada" not in str(caught.value)
