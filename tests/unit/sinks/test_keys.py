"""The key of a message: what each strategy makes of an event, in each format."""

from __future__ import annotations

import pytest

from bridge.core.errors import ConfigError
from bridge.core.events import ABSENT, CdcEvent, Operation, PartialRow, TruncateEvent
from sinks.formats import FormatConfig, make_format
from sinks.keys import KeyExpression, KeyStrategy, make_key
from tests.fixtures.events import USERS, make_event, make_message, make_relation, make_transaction

NATIVE = make_format(FormatConfig())
DEBEZIUM = make_format(FormatConfig(format="debezium"))

ORDERS = make_relation(
    {"tenant": "text", "id": "int8", "total": "numeric"}, key=["tenant", "id"], table="orders"
)
KEYLESS = make_relation({"n": "int8"}, table="lines")

ORDER = make_event(row=("a,b", "7", "1.50"), relation=ORDERS)
LINE = make_event(row=("1",), relation=KEYLESS)
USER = make_event(row=("7", "Ada"))
DELETED = make_event(operation=Operation.DELETE, old=PartialRow(("7", ABSENT)))
TRUNCATED = TruncateEvent.of(make_transaction(0x1000), 0, 0xFF8, USERS, ())
MESSAGE = make_message()

EXPRESSION = KeyExpression(expression="upper(tenant)")


@pytest.mark.parametrize(
    ("strategy", "event", "native", "debezium"),
    [
        ("row_id", USER, "7", '{"id":7}'),
        ("row_id", DELETED, "7", '{"id":7}'),
        ("row_id", ORDER, '["a,b","7"]', '{"tenant":"a,b","id":7}'),
        ("row_id", LINE, "public.lines", '"public.lines"'),
        ("row_id", TRUNCATED, "public.users", '"public.users"'),
        ("row_id", MESSAGE, "audit", '{"prefix":"audit"}'),
        ("table", USER, "public.users", '"public.users"'),
        ("table", MESSAGE, "pg_logical.message", '"pg_logical.message"'),
        ("transaction", USER, "4096", '"4096"'),
        ("transaction", MESSAGE, "audit", '{"prefix":"audit"}'),
        (("tenant",), ORDER, "a,b", '{"tenant":"a,b"}'),
        (("total", "tenant"), ORDER, '["1.50","a,b"]', '{"total":"1.50","tenant":"a,b"}'),
        (("tenant",), USER, "7", '{"id":7}'),
        (("tenant",), LINE, "public.lines", '"public.lines"'),
        (("name",), DELETED, "7", '{"id":7}'),
        (("tenant",), MESSAGE, "audit", '{"prefix":"audit"}'),
        (EXPRESSION, ORDER, "A,B", '"A,B"'),
        (KeyExpression(expression="id * 2"), ORDER, "14", '"14"'),
        (KeyExpression(expression="total"), ORDER, "1.50", '"1.50"'),
        (KeyExpression(expression="id > 3"), ORDER, "true", '"true"'),
        (KeyExpression(expression="nullif(id, 7)"), ORDER, '["a,b","7"]',
         '{"tenant":"a,b","id":7}'),
    ],
)  # fmt: skip
def test_a_strategy_gives_a_key_in_the_form_of_the_format(
    strategy: KeyStrategy, event: CdcEvent, native: str, debezium: str
) -> None:
    assert make_key(strategy, NATIVE)(event) == native
    assert make_key(strategy, DEBEZIUM)(event) == debezium


def test_a_column_that_is_null_can_be_part_of_the_key() -> None:
    event = make_event(row=(None, "7", "1"), relation=ORDERS)
    assert make_key(("tenant", "id"), NATIVE)(event) == '[null,"7"]'
    assert make_key(("tenant",), DEBEZIUM)(event) == '{"tenant":null}'


def test_an_expression_that_cannot_be_read_is_a_mistake_of_the_configuration() -> None:
    with pytest.raises(ConfigError):
        KeyExpression(expression="upper(")


def test_an_expression_over_a_column_that_is_not_there_says_so() -> None:
    with pytest.raises(ConfigError, match="tenant"):
        make_key(EXPRESSION, NATIVE)(USER)


def test_an_unknown_word_is_not_taken_for_columns() -> None:
    with pytest.raises(ConfigError, match="tabel"):
        make_key("tabel", NATIVE)  # type: ignore[arg-type]
