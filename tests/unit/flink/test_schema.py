"""Where the types of columns come from: a file, or the catalog; and the verb that asks for them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.core.errors import ConfigError
from bridge.core.relation import Relation
from bridge.core.values import ValueStyle
from bridge.flink.schema import relations_of_file
from bridge.flink.types import flink_type
from tests.fixtures.logs import logging_restored
from tests.unit.flink.compiling import ANSWERS, CHANGES, SCHEMA

CONFIG = f"""
source: {{dsn: host=localhost, slot: shop}}
sinks:
  - {CHANGES}
  - {ANSWERS}
processors:
  - name: per_minute
    from: {{tables: [public.orders]}}
    window: {{type: tumbling, size: 1m}}
    aggregates: {{revenue: sum(new.amount)}}
    to: [answers]
"""


def types_of(relation: Relation) -> dict[str, str]:
    return {column.name: str(flink_type(column)) for column in relation.columns}


def test_a_file_names_types_as_postgresql_does(tmp_path: Path) -> None:
    path = tmp_path / "schema.yaml"
    path.write_text(SCHEMA)
    orders, payments = relations_of_file(path, ValueStyle())
    assert payments.qualified_name == "public.payments"
    assert types_of(orders) == {
        "id": "BIGINT", "customer_id": "INT", "status": "STRING", "kind": "STRING",
        "code": "STRING", "amount": "DECIMAL(10, 2)", "rate": "STRING", "weight": "DOUBLE",
        "details": "None", "placed_on": "DATE", "created_at": "TIMESTAMP_LTZ(6)",
        "local_time": "TIMESTAMP(6)",
    }  # fmt: skip


@pytest.mark.parametrize(
    "text",
    ["- a", "orders: {id: bigint}", "public.orders: []", "public.orders: {id: bigg}",
     "public.orders: {id: 'numeric(1,2,3)'}", "public.orders: {", ""],
)  # fmt: skip
def test_a_file_of_another_form_is_refused_by_name(text: str, tmp_path: Path) -> None:
    path = tmp_path / "schema.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"schema\.yaml"):
        relations_of_file(path, ValueStyle())
    with pytest.raises(ConfigError, match="missing"):
        relations_of_file(tmp_path / "missing", ValueStyle())


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "pgbridge.yaml").write_text(CONFIG)
    (tmp_path / "schema.yaml").write_text(SCHEMA)
    monkeypatch.chdir(tmp_path)
    with logging_restored():
        yield tmp_path


def test_the_verb_prints_sql_or_writes_a_file(
    files: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from bridge.cli import main

    assert main(["flink-sql", "--schema", "schema.yaml"]) == 0
    printed = capfd.readouterr().out
    assert "INSERT INTO `per_minute`" in printed
    assert main(["flink-sql", "--schema", "schema.yaml", "-o", "job.sql", "--sink", "changes"]) == 0
    assert (files / "job.sql").read_text() == printed
    assert "per_minute" in capfd.readouterr().err
    assert main(["flink-sql", "--schema", "schema.yaml", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["sql"] == printed


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["--schema", "nowhere.yaml"], 2), (["--schema", "schema.yaml", "--sink", "answers"], 2),
     (["--schema", "schema.yaml", "-o", "nowhere/job.sql"], 3)],
)  # fmt: skip
def test_the_verb_fails_with_a_sentence(
    files: Path, capfd: pytest.CaptureFixture[str], arguments: list[str], code: int
) -> None:
    from bridge.cli import main

    assert main(["flink-sql", *arguments]) == code
    assert "pgbridge:" in capfd.readouterr().err
