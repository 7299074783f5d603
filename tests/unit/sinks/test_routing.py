"""Routes: rules in their order, Python functions, and the default."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bridge.core.errors import BridgeError, ConfigError
from bridge.core.events import CdcEvent, Operation
from sinks.routing import Route, Routes
from tests.fixtures.events import make_event, make_message, make_relation

ORDERS = make_relation({"id": "int8", "total": "numeric"}, key=["id"], table="orders")


def order(total: str | None) -> CdcEvent:
    return make_event(row=("1", total), relation=ORDERS)


RULES = (
    Route(where="operation = 'delete'", to="gone"),
    Route(tables=("public.ord*",), where="new.total > 1000", to="large-{table}"),
    Route(tables=("*.orders",), to="{table}-{operation}"),
    Route(where="table = 'lines'", to="few"),
)


def test_an_event_goes_where_the_first_rule_says_that_it_meets() -> None:
    routes = Routes("{schema}.{table}", RULES)
    lines = make_relation({"n": "int8"}, table="lines")
    assert routes.target(make_event(operation=Operation.DELETE, old=("1", "x"))) == "gone"
    assert routes.target(order("1000.01")) == "large-orders"
    assert routes.target(order("1000")) == "orders-insert"
    assert routes.target(make_event(row=("1",), relation=lines)) == "few"
    assert routes.target(make_event()) == "public.users"
    assert routes.target(make_message()) == "pg_logical.message"


def test_a_rule_without_tables_needs_its_columns_in_every_table() -> None:
    routes = Routes("x", (Route(where="new.total > 1000", to="y"),))
    with pytest.raises(ConfigError, match=r"public\.users has no column total"):
        routes.target(make_event())


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], str]:
    """Make a value importable, and return its name."""

    def installed(value: Any) -> str:
        module = ModuleType("invented_routes")
        module.route = value  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "invented_routes", module)
        return "invented_routes:route"

    return installed


@pytest.mark.parametrize(
    ("total", "target"), [("1000.01", "large"), ("1000", "public.orders"), (None, "public.orders")]
)
def test_unknown_counts_as_no(total: str | None, target: str) -> None:
    routes = Routes("{schema}.{table}", (Route(where="new.total > 1000", to="large"),))
    assert routes.target(order(total)) == target


def test_without_rules_all_go_to_the_default() -> None:
    routes = Routes("{slot}.{table}", slot="bridge")
    assert routes.target(make_event()) == "bridge.users"


def test_rules_know_the_slot_too() -> None:
    routes = Routes("x", (Route(to="{slot}"),), slot="bridge")
    assert routes.target(make_event()) == "bridge"


def test_a_target_that_never_changes_is_known_beforehand() -> None:
    assert Routes("events").constant == "events"
    assert Routes("{table}").constant is None
    assert Routes("events", (Route(where="true", to="x"),)).constant is None


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"where": "total >", "to": "x"}, "total"),
        ({"where": "true", "to": "{tabel}"}, "Did you mean {table}?"),
        ({"tables": ("orders",), "to": "x"}, "Write schema.table"),
    ],
)
def test_a_rule_that_means_nothing_is_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Route(**settings)
    assert words in str(caught.value)


def test_a_function_decides(install: Callable[[Any], str]) -> None:
    routes = Routes("default-{table}", install(lambda e: "deep" if e.row_id == "7" else None))
    assert routes.target(make_event(row=("7", "x"))) == "deep"
    assert routes.target(make_event(row=("8", "x"))) == "default-users"


def test_a_function_may_be_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "routes_in_the_working_directory.py").write_text(
        "def route(event): return 'here'\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    routes = Routes("x", "routes_in_the_working_directory:route")
    assert routes.target(make_event()) == "here"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no_colon", "package.module:function"),
        (":route", "package.module:function"),
        ("nowhere.at_all:route", "cannot be imported: ModuleNotFoundError"),
        ("invented_routes:missing", "has nothing called 'missing'"),
    ],
)
def test_a_function_that_is_not_there_is_refused(
    install: Callable[[Any], str], name: str, words: str
) -> None:
    install(None)
    with pytest.raises(ConfigError, match=words):
        Routes("x", name)


def test_what_is_no_function_is_refused(install: Callable[[Any], str]) -> None:
    with pytest.raises(ConfigError, match="not a function but 'int'"):
        Routes("x", install(7))


@pytest.mark.parametrize(("value", "words"), [(7, "of type int"), ("", "an empty text")])
def test_a_function_has_to_return_text(
    install: Callable[[Any], str], value: object, words: str
) -> None:
    routes = Routes("x", install(lambda event: value))
    with pytest.raises(ConfigError, match=words):
        routes.target(make_event())


def test_a_function_that_fails_tells_nothing_of_the_row(install: Callable[[Any], str]) -> None:
    def route(event: CdcEvent) -> str:
        raise ValueError(event.new_values)

    routes = Routes("x", install(route))
    with pytest.raises(BridgeError, match="failed at 0/1000:0 with ValueError") as caught:
        routes.target(make_event(row=("7", "secret")))
    assert "secret" not in repr(caught.value)
    assert caught.value.__cause__ is None
