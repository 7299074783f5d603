"""Templates of topics, routing keys and URLs."""

from __future__ import annotations

import pytest

from bridge.core.errors import ConfigError
from bridge.core.events import Operation
from sinks.templates import Template
from tests.fixtures.events import OTHER_SOURCE, make_event, make_message, make_relation


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ("events", "events"),
        ("{schema}.{table}", "public.users"),
        ("cdc.{table}.{operation}", "cdc.users.insert"),
        ("{database}/{slot}", "shop/bridge"),
        ("{{x}}{table}", "{x}users"),
        ("", ""),
    ],
)
def test_placeholders_are_filled_in(text: str, rendered: str) -> None:
    template = Template(text).for_slot("bridge")
    assert template.render(make_event()) == rendered
    assert template.text == text


def test_each_table_operation_and_database_has_its_own_text() -> None:
    template = Template("{database}.{schema}.{table}.{operation}")
    other = make_relation({"id": "int8"}, schema="sales", table="orders")
    for _ in range(2):
        assert template.render(make_event()) == "shop.public.users.insert"
        assert template.render(make_event(row=("1",), relation=other)) == "shop.sales.orders.insert"
        deleted = make_event(operation=Operation.DELETE, old=("1", "x"))
        assert template.render(deleted) == "shop.public.users.delete"
        assert template.render(make_event(source=OTHER_SOURCE)) == "archive.public.users.insert"


def test_a_logical_message_counts_as_a_table() -> None:
    assert Template("{schema}.{table}.{operation}").render(make_message()) == (
        "pg_logical.message.message"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{tabel}", "Did you mean {table}?"),
        ("{}", "unknown placeholder"),
        ("{0}", "unknown placeholder"),
        ("{table!r}", "unknown placeholder"),
        ("{table:>10}", "unknown placeholder"),
        ("{table.x}", "unknown placeholder"),
        ("{xyzzy}", "Known placeholders: {schema}, {table}, {operation}, {database}, {slot}."),
        ("a{table", "brace"),
        ("a}b", "brace"),
    ],
)
def test_a_template_that_means_nothing_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Template(text)
    assert message in str(caught.value)
    assert repr(text) in str(caught.value)


def test_only_allowed_placeholders_are_known() -> None:
    with pytest.raises(ConfigError, match=r"Known placeholders: \{slot\}\."):
        Template("{schema}", allowed=("slot",))


def test_a_template_knows_whether_it_depends_on_the_event() -> None:
    assert Template("events").constant == "events"
    assert Template("events-{slot}", slot="a").constant == "events-a"
    assert Template("{table}").constant is None
