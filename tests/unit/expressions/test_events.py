"""What an expression reads of an event: its rows, its properties, and what was not sent."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bridge.core.errors import ConfigError
from bridge.core.events import ABSENT, CdcEvent, Operation, PartialRow, TruncateEvent
from bridge.core.relation import ReplicaIdentity
from bridge.core.types import BUILTIN_TYPES, TypeInfo
from bridge.expressions import EvaluationError, compile_condition, compile_value
from tests.fixtures.events import make_event, make_message, make_relation, make_transaction

ORDERS = make_relation(
    {"id": "int8", "amount": "numeric", "status": "text", "operation": "text"},
    key=["id"],
    table="orders",
    replica_identity=ReplicaIdentity.FULL,
)


def order(
    new: tuple[str | None, ...] | None = ("1", "100.50", "paid", None),
    old: tuple[str | None, ...] | None = None,
    operation: Operation = Operation.INSERT,
) -> CdcEvent:
    return make_event(0x1000, 3, row=new, old=old, operation=operation, relation=ORDERS)


UPDATED = order(("1", "100.50", "paid", "x"), ("1", "90", "new", "y"), Operation.UPDATE)
DELETED = order(None, ("1", "90", "new", "y"), Operation.DELETE)
TRUNCATED = TruncateEvent.of(make_transaction(0x1000), 0, 0x1000, ORDERS, ())


@pytest.mark.parametrize(
    ("text", "event", "value"),
    [
        ("new.amount > 100 and new.status = 'paid'", UPDATED, True),
        ("new.amount - old.amount", UPDATED, Decimal("10.50")),
        ("old.status", UPDATED, "new"),
        ("status", UPDATED, "paid"),
        ("status", DELETED, "new"),
        ("new.status", DELETED, None),
        ("old.status", order(), None),
        ("old.status is distinct from new.status", order(), True),
        ("status is null", TRUNCATED, True),
        ("operation", UPDATED, "update"),
        ("new.operation", UPDATED, "x"),
        ('"operation"', UPDATED, "x"),
        ("operation || schema || table", TRUNCATED, "truncatepublicorders"),
        ("row_id", UPDATED, "1"),
        ("transaction_id", UPDATED, "4096"),
        ("event_id", UPDATED, UPDATED.event_id),
        ("commit_lsn", UPDATED, "0/1000"),
        ("commit_lsn >= '0/1000'", UPDATED, True),
        ("commit_time", UPDATED, "2023-11-14T22:13:20Z"),
        ("commit_time < timestamptz '2023-11-15'", UPDATED, True),
        ("extract(year from commit_time)", UPDATED, Decimal(2023)),
    ],
)
def test_names(text: str, event: CdcEvent, value: object) -> None:
    assert compile_value(text)(event) == value


@pytest.mark.parametrize(
    ("new", "old", "value"),
    [
        (("1", ABSENT, "paid", None), ("1", "90", "paid", None), Decimal(90)),
        (("1", ABSENT, "paid", None), PartialRow(("1", ABSENT, ABSENT, ABSENT)), None),
        (("1", ABSENT, "paid", None), None, None),
    ],
)
def test_a_column_that_was_not_sent_is_that_of_the_old_row_or_null(
    new: tuple[str, ...], old: tuple[str, ...] | None, value: object
) -> None:
    event = order(PartialRow(new), old, Operation.UPDATE)

    assert compile_value("new.amount")(event) == value
    assert compile_value("amount")(event) == value


def test_what_the_replica_identity_leaves_out_of_the_old_row_is_null() -> None:
    event = order(old=PartialRow(("1", ABSENT, ABSENT, ABSENT)), operation=Operation.UPDATE)

    assert compile_value("old.id")(event) == 1
    assert compile_value("old.status")(event) is None
    assert compile_condition("old.status <> new.status")(event) is None


def test_a_logical_message_has_null_for_the_columns_of_tables() -> None:
    message = make_message()

    assert compile_condition("new.amount > 100 and lower(status) = 'paid'")(message) is None
    assert compile_condition("operation = 'message'")(message) is True
    assert compile_value("new.prefix")(message) == "audit"


def test_an_expression_knows_its_columns() -> None:
    expression = compile_value("new.a + old.b + c + new.a + length(operation)")

    assert expression.columns == (("new", "a"), ("old", "b"), ("row", "c"))


def test_a_table_without_the_column_is_named_with_the_nearest_one() -> None:
    condition = compile_condition("new.id = 1 and new.amout > 1")

    for ask in (condition.check, lambda relation: condition(order())):
        with pytest.raises(ConfigError) as caught:
            ask(ORDERS)
        assert str(caught.value) == (
            "public.orders has no column amout (did you mean amount?):\n"
            "    new.id = 1 and new.amout > 1\n"
            "                   ^"
        )


def test_each_relation_is_read_by_its_own_columns() -> None:
    condition = compile_condition("new.id = 1")
    other = make_relation({"x": "text", "id": "text"}, key=["id"])

    assert condition(order()) is True
    with pytest.raises(ConfigError, match="types that do not fit, text and integer"):
        condition(make_event(row=("x", "1"), relation=other))
    assert condition(order(("2", None, None, None))) is False


def test_an_event_without_a_value_is_an_error_of_its_own() -> None:
    condition = compile_condition("100 / (id - 1) > 5")

    with pytest.raises(EvaluationError) as caught:
        condition(order())
    assert str(caught.value) == "division by zero in the expression '100 / (id - 1) > 5'"
    assert condition(order(("3", None, None, None))) is True


def test_an_error_of_an_event_does_not_show_its_values() -> None:
    secret = order(("1", None, "s3cret", None))

    for text in ("status::int > 1", "status::date is null", "status::numeric", "status::uuid"):
        with pytest.raises(EvaluationError) as caught:
            compile_value(text)(secret)
        assert "s3cret" not in repr(caught.value)
        assert caught.value.__cause__ is None


def test_types_of_the_database_compare_as_texts_without_an_order() -> None:
    types = {
        **BUILTIN_TYPES,
        90001: TypeInfo(oid=90001, schema="public", name="mood", kind="enum"),
        90002: TypeInfo(oid=90002, schema="public", name="price", kind="domain", base_oid=1700),
        90003: TypeInfo(oid=90003, schema="public", name="_mood", kind="array", element_oid=90001),
    }
    relation = make_relation({"m": "mood", "p": "price", "ms": "_mood"}, types=types)
    event = make_event(row=("happy", "1.10", "{sad,happy}"), relation=relation)

    assert compile_condition("m in ('happy', 'sad') and p = 1.1")(event) is True
    assert compile_condition("m = any(ms) and 'sad' = any(ms) and lower(m) = m")(event) is True
    with pytest.raises(ConfigError, match="no order of a type of the database; cast it to text"):
        compile_condition("m > 'sad'")(event)


@pytest.mark.parametrize("type_name", ["inet", "money", "int4range", "bytea", "point", "timetz"])
def test_types_without_operators_are_to_be_cast(type_name: str) -> None:
    relation = make_relation({"x": type_name})

    assert compile_condition("x is not null and x::text <> ''")(
        make_event(row=("text",), relation=relation)
    )
    with pytest.raises(ConfigError, match=f"do not compare {type_name}; cast it to text"):
        compile_condition("x = ''").check(relation)


def test_values_have_the_forms_of_the_values_page() -> None:
    relation = make_relation(
        {"t": "timestamptz", "d": "date", "i": "interval", "a": "_numeric", "j": "jsonb"}
    )
    event = make_event(
        row=("0044-03-15 12:00:00+00 BC", "infinity", "1 day 02:00:00", "{1.10,NULL}", '{"a": 1}'),
        relation=relation,
    )

    values = [compile_value(name)(event) for name in "tdiaj"]

    assert values == [
        "0044-03-15 12:00:00+00 BC", "infinity", "1 day 02:00:00", [Decimal("1.10"), None],
        '{"a": 1}',
    ]  # fmt: skip


def test_relations_that_are_gone_do_not_pile_up() -> None:
    condition = compile_condition("id = 1")

    for _ in range(3000):
        relation = make_relation({"id": "int8"})
        assert condition(make_event(row=("1",), relation=relation)) is True

    assert len(condition._functions) <= 1000
