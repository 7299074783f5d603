"""The verbs that work on a server: ``init``, ``doctor`` and ``slots``, as a person runs them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from psycopg import sql
from psycopg.conninfo import make_conninfo

from bridge.cli import main
from tests.fixtures.databases import Database
from tests.fixtures.logs import logging_restored


@dataclass(frozen=True)
class Outcome:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed for machines."""
        return json.loads(self.out)


Run = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    with logging_restored():
        yield tmp_path


@pytest.fixture
def shop(newest_database: Database) -> psycopg.Connection[Any]:
    admin = newest_database.connect()
    admin.execute("CREATE TABLE users (id int PRIMARY KEY)")
    return admin


@pytest.fixture
def run(newest_database: Database, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs a command line in this process; keyword arguments go into ``source``."""

    def run(*argv: str, dsn: str = newest_database.dsn, **source: Any) -> Outcome:
        settings = {
            "source": {"dsn": dsn, "slot": newest_database.name, "publication": "p", **source},
            "sinks": [{"name": "out", "type": "null"}],
        }
        Path("pgbridge.yaml").write_text(yaml.safe_dump(settings))
        capfd.readouterr()
        code = main(argv)
        captured = capfd.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run


def slots_of(database: Database) -> list[str]:
    rows = database.connect().execute(
        "SELECT slot_name FROM pg_replication_slots WHERE database = current_database() ORDER BY 1"
    )
    return [name for (name,) in rows]


def test_init_shows_the_statement_that_it_runs(
    run: Run, shop: psycopg.Connection[Any], newest_database: Database
) -> None:
    dry = run("init", "--dry-run", tables=["public.users"])
    assert dry.code == 0
    assert 'CREATE PUBLICATION "p" FOR TABLE "public"."users"' in dry.out
    assert shop.execute("SELECT count(*) FROM pg_publication").fetchone() == (0,)

    wet = run("init", "--yes", tables=["public.users"])
    assert wet.code == 0
    assert dry.out in wet.out
    assert shop.execute("SELECT count(*) FROM pg_publication_rel").fetchone() == (1,)
    assert slots_of(newest_database) == []  # the first start makes it, with its snapshot

    again = run("init", tables=["public.users"])
    assert "Nothing to change" in again.out


def test_init_makes_the_slot_where_no_snapshot_is_wanted(
    run: Run, shop: psycopg.Connection[Any], newest_database: Database
) -> None:
    shop.execute("CREATE PUBLICATION p FOR TABLE users")  # as a DBA would

    made = run("init", "--json", snapshot="never")
    adopted = run("init", "--json", snapshot="never")

    assert made.json["slot"]["existed"] is False
    assert made.json["statements"][-1].startswith("SELECT pg_create_logical_replication_slot")
    assert slots_of(newest_database) == [newest_database.name]
    assert adopted.json["slot"] == {**made.json["slot"], "existed": True}
    assert adopted.json["statements"] == []


def test_init_gives_a_role_what_it_needs(
    run: Run, shop: psycopg.Connection[Any], newest_database: Database
) -> None:
    name = f"capture_{newest_database.name}"
    role = sql.Identifier(name)
    shop.execute(sql.SQL("CREATE ROLE {} LOGIN").format(role))
    try:
        granted = run("init", "--grant-to", name, tables=["public.users"])
        limited = make_conninfo(newest_database.dsn, user=name)
        checked = run("doctor", "--json", dsn=limited, tables=["public.users"])
    finally:
        shop.execute(sql.SQL("DROP OWNED BY {}").format(role))
        shop.execute(sql.SQL("DROP ROLE {}").format(role))

    assert f'ALTER ROLE "{name}" REPLICATION;' in granted.out
    assert checked.code == 0
    assert checked.json["summary"]["fail"] == 0


def test_init_refuses_what_would_break_the_application(
    run: Run, shop: psycopg.Connection[Any]
) -> None:
    shop.execute("CREATE TABLE log (line text)")

    refused = run("init", tables=["*"])

    assert refused.code == 3
    assert "public.log" in refused.err
    assert "REPLICA IDENTITY FULL" in refused.err
    assert "Traceback" not in refused.err


def test_doctor_prints_each_finding_with_its_fix(run: Run, shop: psycopg.Connection[Any]) -> None:
    sick = run("doctor", "--quiet", tables=["public.user"])
    shop.execute("CREATE PUBLICATION p FOR TABLE users")
    well = run("doctor", tables=["public.users"])

    assert sick.code == 3
    assert "✗ publication.tables" in sick.out
    assert "→ Did you mean public.users?" in sick.out
    assert "✓" not in sick.out
    assert well.code == 0
    assert "✓ server.wal_level" in well.out
    assert "0 to fix" in well.out


def test_doctor_for_machines(run: Run, shop: psycopg.Connection[Any]) -> None:
    report = run("doctor", "--json").json

    assert set(report) == {"checks", "summary"}
    assert set(report["checks"][0]) == {"name", "category", "status", "message", "remedy"}
    assert sum(report["summary"].values()) == len(report["checks"])


def test_a_server_that_is_away_is_one_finding(run: Run) -> None:
    away = run("doctor", dsn="host=/nonexistent dbname=x")

    assert away.code == 3
    assert "✗ connection.reachable" in away.out


def test_slots_from_creation_to_drop(
    run: Run, shop: psycopg.Connection[Any], newest_database: Database
) -> None:
    name = f"{newest_database.name}_cli"
    created = run("slots", "create", name, "--json")
    assert created.json["name"] == name
    assert created.json["created_by_us"]
    shop.execute("INSERT INTO users VALUES (1)")
    (end,) = shop.execute("SELECT pg_current_wal_lsn()::text").fetchone()  # type: ignore[misc]

    lag = run("slots", "lag", name, "--json").json
    assert lag["unconfirmed_bytes"] > 0
    assert run("slots", "advance", name, end, "--json").json["confirmed_flush_lsn"] == end
    listed = run("slots", "list")
    assert f"{name}  pgoutput" in listed.out
    assert name in [slot["name"] for slot in run("slots", "list", "--json").json]
    assert run("slots", "drop", name).code == 0
    assert slots_of(newest_database) == []


def test_slots_that_cannot_be_worked_on_are_errors_of_the_environment(run: Run) -> None:
    for command in (["drop", "nowhere"], ["advance", "nowhere", "0/1"], ["lag", "nowhere"]):
        outcome = run("slots", *command)
        assert outcome.code == 3
        assert "no slot 'nowhere'" in outcome.err

    assert run("slots", "create", "Not-A-Name").code == 2
    assert run("slots", "advance", "nowhere", "later").code == 2


def test_cleanup_drops_what_we_made_and_forgot(
    run: Run, newest_database: Database, directory: Path
) -> None:
    ours, foreign = f"{newest_database.name}_a", f"{newest_database.name}_b"
    run("slots", "create", ours)
    newest_database.connect().execute(
        "SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [foreign]
    )
    settings = "\nslots: {stale_threshold_seconds: 0.001}\n"

    def cleanup(*flags: str) -> Any:
        path = Path("hasty.yaml")
        path.write_text(Path("pgbridge.yaml").read_text() + settings)
        return run("slots", "cleanup", "--json", "-c", str(path), *flags).json

    assert list(cleanup("--dry-run")["stale"]) == [ours]
    assert slots_of(newest_database) == [ours, foreign]
    assert cleanup()["dropped"] == [ours]
    assert slots_of(newest_database) == [foreign]
