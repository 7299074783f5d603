"""docs/projections.md: its examples tell what the page says they tell."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from bridge.config import Config, load_config
from bridge.core.relation import ReplicaIdentity
from bridge.projecting import make_projections
from tests.fixtures.events import make_relation
from tests.unit.projecting.accounts import change, project_with, told

PAGE = (Path(__file__).parents[3] / "docs/projections.md").read_text(encoding="utf-8")
USERS = make_relation(
    {"id": "int8", "name": "text", "balance": "numeric"},
    key=["id"],
    replica_identity=ReplicaIdentity.FULL,
)
POOR, RICH = ("7", "Ada", "10"), ("7", "Ada", "35.50")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def config_of(text: str, tmp_path: Path) -> Config:
    file = tmp_path / "pgbridge.yaml"
    file.write_text(text if "source:" in text else f"source: {{dsn: x}}\n{text}")
    return load_config(file, {}, {"DATABASE_URL": "host=localhost"})


def test_the_rules_tell_what_stands_behind_the_statements(tmp_path: Path) -> None:
    promised = re.findall(r"-- (\w+) (\{.*\})", blocks("sql")[0])
    [projection] = make_projections(config_of(blocks("yaml")[0], tmp_path).projections)
    changes = [
        change("insert", POOR, relation=USERS),
        change("update", RICH, POOR, relation=USERS),
        change("update", POOR, RICH, relation=USERS),
    ]
    assert told(projection, *changes) == [
        ("User", "7", name, json.loads(data)) for name, data in promised
    ]


def test_every_other_definition_is_one(tmp_path: Path) -> None:
    for text in blocks("yaml")[:2]:
        assert make_projections(config_of(text, tmp_path).projections)
    assert config_of(blocks("yaml")[2], tmp_path).projections[0].python == "shop.events:accounts"


def test_the_function_tells_of_deposits() -> None:
    names: dict[str, Any] = {}
    exec(blocks("python")[1], names)
    globals()["accounts"] = names["accounts"]
    projection = project_with(python=f"{__name__}:accounts")
    found = told(projection, change("update", RICH, POOR, relation=USERS))
    assert found == [("User", "7", "MoneyDeposited", {"balance": "35.50"})]
    assert told(projection, change("update", RICH, RICH, relation=USERS)) == []
