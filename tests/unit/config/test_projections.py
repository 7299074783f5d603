"""``projections`` in pgbridge.yaml: read, checked at each place, shown and described."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge.config import Config, json_schema, load_config, show
from bridge.config.event_store import StoreConfig
from bridge.config.problems import ConfigInvalid
from bridge.config.projections import AggregateConfig, EventRuleConfig, ProjectionConfig

DEPOSITED = {
    "name": "MoneyDeposited",
    "on": "update",
    "when": "new.balance > old.balance",
    "data": {"amount": "new.balance - old.balance"},
}
USERS = {"table": "public.users", "type": "User", "id": "id", "events": [DEPOSITED]}
ACCOUNTS: dict[str, Any] = {
    "name": "accounts",
    "store": {"type": "sqlite", "path": "./state/events.db"},
    "aggregates": [USERS],
}


def load(tmp_path: Path, *projections: Any, **sections: Any) -> Config:
    file = tmp_path / "pgbridge.yaml"
    document = {"source": {"dsn": "x"}, "projections": list(projections), **sections}
    file.write_text(yaml.safe_dump(document))
    return load_config(file, {}, {})


def test_a_projection_is_read_and_needs_no_sink_beside_it(tmp_path: Path) -> None:
    config = load(tmp_path, ACCOUNTS)
    assert config.sinks == ()
    assert config.projections == (
        ProjectionConfig(
            name="accounts",
            store=StoreConfig(type="sqlite", path=Path("./state/events.db")),
            aggregates=(
                AggregateConfig(
                    table="public.users",
                    type="User",
                    id="id",
                    events=(
                        EventRuleConfig(
                            name="MoneyDeposited",
                            on="update",
                            when="new.balance > old.balance",
                            data={"amount": "new.balance - old.balance"},
                        ),
                    ),
                ),
            ),
        ),
    )
    assert show(config)["projections"][0]["aggregates"][0]["events"][0]["on"] == "update"


def test_settings_are_described() -> None:
    schema = json_schema()
    described = schema["properties"]["projections"]["items"]["properties"]
    assert described["outbox"]["items"]["properties"]["payload"]["default"] == "payload"
    assert {"required": ["projections"]} in schema["anyOf"]


@pytest.mark.parametrize(
    ("changes", "place", "words"),
    [
        ({"aggregates": []}, "projections[0]", "needs aggregates, outbox, messages, or python"),
        ({"python": "a.b:c"}, "projections[0].aggregates", "does not belong"),
        ({"name": "a b"}, "projections[0].name", "letters, digits"),
        ({"store": None}, "projections[0].store", "type"),
        (
            {"aggregates": [{**USERS, "table": "users"}]},
            "projections[0].aggregates[0].table",
            "public.users",
        ),
        (
            {"aggregates": [{**USERS, "table": "public.*"}]},
            "projections[0].aggregates[0].table",
            "one table",
        ),
        (
            {"aggregates": [{**USERS, "id": "new.id"}]},
            "projections[0].aggregates[0].id",
            "not new.id",
        ),
        (
            {"aggregates": [{**USERS, "id": "id +"}]},
            "projections[0].aggregates[0].id",
            "^",
        ),
        (
            {"aggregates": [{**USERS, "events": [{**DEPOSITED, "on": "insert"}]}]},
            "projections[0].aggregates[0].events[0].when",
            "old.balance",
        ),
        (
            {"aggregates": [{**USERS, "events": [{**DEPOSITED, "when": None, "on": "delete"}]}]},
            "projections[0].aggregates[0].events[0].data.amount",
            "new.balance",
        ),
        (
            {"aggregates": [{**USERS, "events": [{**DEPOSITED, "when": "new.balance +"}]}]},
            "projections[0].aggregates[0].events[0].when",
            "^",
        ),
        (
            {"outbox": [{"table": "outbox"}]},
            "projections[0].outbox[0].table",
            "public.outbox",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_place(
    changes: dict[str, Any], place: str, words: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigInvalid) as raised:
        load(tmp_path, {**ACCOUNTS, **changes})
    found = {problem.path: problem.message for problem in raised.value.problems}
    assert place in found or f"{place}.type" in found, found
    assert words in found.get(place, "") + found.get(f"{place}.type", "")


def test_names_are_unique(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match=r"projections\[1\]\.name.*two projections"):
        load(tmp_path, ACCOUNTS, ACCOUNTS)
