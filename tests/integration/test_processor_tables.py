"""`pgbridge doctor`, and a first start, hold processors against the tables of a real server."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge.cli import main
from tests.fixtures.databases import Database
from tests.fixtures.logs import logging_restored

PATTERN = {"steps": [{"begin": "a", "where": "new.amount > 1"}, {"next": "b"}]}


def findings(directory: Path, dsn: str, capsys: Any, *processors: Any) -> list[dict[str, str]]:
    """Return what the doctor says of the processors."""
    document = {
        "source": {"dsn": dsn, "publication": "p"},
        "sinks": [{"type": "null"}, {"type": "null", "name": "results"}],
        "state": {"dir": str(directory / "state")},
        "processors": [{"name": f"p{i}", "to": ["results"], **p} for i, p in enumerate(processors)],
    }
    path = directory / "pgbridge.yaml"
    path.write_text(yaml.safe_dump(document))
    with logging_restored():
        main(["doctor", "--json", "-c", str(path)])
    checks = json.loads(capsys.readouterr().out)["checks"]
    return [check for check in checks if check["name"] == "publication.processors"]


def test_columns_types_and_tables_are_named_with_their_place(
    newest_database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    newest_database.connect().execute(
        """
        CREATE TABLE orders (id int PRIMARY KEY, amount numeric, status text);
        CREATE TABLE others (id int PRIMARY KEY);
        CREATE PUBLICATION p FOR TABLE orders;
        """
    )
    orders = {"tables": ["public.orders"]}
    count = {"window": {"type": "tumbling", "size": "1m"}, "aggregates": {"n": "count()"}}
    sums = {**count, "aggregates": {"s": "sum(new.status)"}}
    join = {"left": {**orders, "key": ["id"]}, "right": {**orders, "key": ["nr"]}}
    found = findings(
        tmp_path,
        newest_database.dsn,
        capsys,
        {"from": orders, **sums},
        {"from": {"tables": ["public.others"]}, **count},
        {"join": {"type": "interval", "after": "1m"}, **join},
        {"from": orders, "key": ["customer"], "pattern": PATTERN},
    )
    assert {check["status"] for check in found} == {"fail"}
    messages = [check["message"] for check in found]
    assert len(messages) == 4
    assert "processors[0].aggregates.s" in messages[0]
    assert "'p1' reads public.others, which the publication does not send" in messages[1]
    assert "processors[2].right.key[0]" in messages[2]
    assert "processors[3].key[0]" in messages[3]

    right = [{"from": orders, **count}, {"from": orders, "key": ["status"], "pattern": PATTERN}]
    [fine] = findings(tmp_path, newest_database.dsn, capsys, *right)
    assert fine["status"] == "pass"


@pytest.mark.parametrize(
    ("source", "says", "code"),
    [
        ({"where": "new.amuont > 1"}, r"processors\[0\]\.where: .*did you mean amount\\?", 2),
        (
            {"where": "new.amount > 1", "aggregates": {"s": "sum(new.status)"}},
            "this aggregate takes numbers",
            2,
        ),
        ({"from": {"tables": ["public.other"]}}, r"reads public\.other, which the publ", 3),
    ],
)
def test_a_first_start_refuses_what_does_not_fit_and_makes_no_slot(
    newest_database: Database,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    source: dict[str, Any],
    says: str,
    code: int,
) -> None:
    admin = newest_database.connect()
    admin.execute("CREATE TABLE orders (id int PRIMARY KEY, amount numeric, status text)")
    count = {"window": {"type": "tumbling", "size": "1m"}, "aggregates": {"n": "count()"}}
    document = {
        "source": {"dsn": newest_database.dsn, "tables": ["public.orders"], "slot": "unmade"},
        "sinks": [{"type": "null"}, {"type": "null", "name": "results"}],
        "state": {"dir": str(tmp_path / "state")},
        "processors": [
            {
                "name": "p",
                "from": {"tables": ["public.orders"]},
                "to": ["results"],
                **count,
                **source,
            }
        ],
    }
    path = tmp_path / "pgbridge.yaml"
    path.write_text(yaml.safe_dump(document))
    with logging_restored():
        assert main(["run", "-c", str(path)]) == code
    assert re.search(says, capsys.readouterr().err)
    made = admin.execute("SELECT FROM pg_replication_slots WHERE slot_name = 'unmade'").fetchall()
    assert made == []
