"""The section ``read_models``: what is wrong with it is named at its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.config import json_schema, load_config, show
from bridge.config.problems import ConfigInvalid
from bridge.core.errors import ConfigError
from bridge.read_models import load_read_model

HEAD = """
source: {dsn: host=localhost}
projections:
  - {name: accounts, store: {type: sqlite, path: e.db}, messages: true}
  - {name: passing, store: {type: memory}, messages: true}
read_models:
"""
GOOD = (
    "  - {name: balances, events: accounts, python: 'bank:balances', "
    "store: {type: sqlite, path: v.db}}\n"
)


def load(path: Path, text: str) -> object:
    file = path / "pgbridge.yaml"
    file.write_text(text)
    return load_config(file, environ={})


def test_a_read_model_is_read_and_shown_without_secrets(tmp_path: Path) -> None:
    file = tmp_path / "pgbridge.yaml"
    file.write_text(
        HEAD
        + GOOD
        + "  - {name: others, events: accounts, python: 'bank:others', "
        + "store: {type: postgres, dsn: 'postgresql://u:hidden@host/db'}}\n"
    )

    config = load_config(file, environ={})

    first, second = config.read_models
    assert (first.name, first.events, first.store.path) == ("balances", "accounts", Path("v.db"))
    assert second.store.type == "postgres"
    assert "hidden" not in str(show(config))
    assert "read_models" in json_schema()["properties"]


@pytest.mark.parametrize(
    ("entry", "place", "message"),
    [
        (GOOD + GOOD, "read_models[1].name", "two read models are called 'balances'"),
        (
            GOOD.replace("accounts", "account"),
            "read_models[0].events",
            "there are: accounts, passing",
        ),
        (GOOD.replace("accounts", "passing"), "read_models[0].events", "are in memory"),
        (GOOD.replace("balances,", "Bal__ances,"), "read_models[0].name", "lower-case letters"),
        (GOOD.replace("bank:balances", "bank"), "read_models[0].python", "package.module:name"),
        (GOOD.replace(", path: v.db", ""), "read_models[0].store", "path is missing"),
        (GOOD.replace("path: v.db", "path: v.db, dsn: x"), "read_models[0].store", "dsn is given"),
        (GOOD.replace("sqlite", "postgres"), "read_models[0].store", "path is given"),
        (GOOD.replace("sqlite", "mysql"), "read_models[0].store.type", "one of sqlite, postgres"),
        ("  name: balances\n", "read_models", "has to be a list"),
    ],
)
def test_a_wrong_read_model_is_named(tmp_path: Path, entry: str, place: str, message: str) -> None:
    with pytest.raises(ConfigInvalid) as refused:
        load(tmp_path, HEAD + entry)

    (problem,) = refused.value.problems
    assert (problem.path, message in problem.message) == (place, True), problem


@pytest.mark.parametrize(
    ("python", "message"),
    [
        ("no_such_module:it", "balances: The read model 'no_such_module:it' cannot be imported"),
        ("tests.fixtures.bank_views:missing", "has nothing called 'missing'"),
        ("tests.fixtures.bank_views:opened", "is no ReadModel but 'function'"),
    ],
)
def test_python_that_is_no_read_model_is_refused(tmp_path: Path, python: str, message: str) -> None:
    file = tmp_path / "pgbridge.yaml"
    file.write_text(HEAD + GOOD.replace("bank:balances", python))
    (settings,) = load_config(file, environ={}).read_models

    with pytest.raises(ConfigError) as refused:
        load_read_model(settings)

    assert message in str(refused.value)
