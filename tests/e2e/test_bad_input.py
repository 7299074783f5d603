"""What is wrong is named with its remedy and the documented exit code, and loses nothing."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest

from bridge.core.errors import EXIT_CONFIG, EXIT_ENVIRONMENT, EXIT_RUNTIME
from tests.fixtures.bridge_process import SLOT, BridgeProcess
from tests.fixtures.databases import Database
from tests.fixtures.pooler import pooler
from tests.fixtures.postgres import PrivateServerFactory
from tests.fixtures.proxy import Proxy
from tests.fixtures.small_disk import fill, small_disk

MakeBridge = Callable[..., BridgeProcess]
CANARY = "sw0rdfish-canary"


def refused(bridge: BridgeProcess, *flags: str, code: int, says: str) -> str:
    """Start a bridge that must end with ``code`` and a sentence and a remedy; return both."""
    if not bridge.running:
        bridge.start(*flags)
    assert bridge.wait() == code, bridge.stderr
    text = bridge.stderr
    assert re.search(says, text), text
    sentences = [line for line in text.splitlines() if not line.startswith("{")]
    assert len(sentences) >= 2, f"no remedy: {text}"
    assert "Traceback" not in text
    assert CANARY not in text
    return text


@pytest.fixture
def table(newest_database: Database) -> psycopg.Connection[Any]:
    connection = newest_database.connect()
    connection.execute("CREATE TABLE t (id int PRIMARY KEY, name text)")
    return connection


def test_an_unreachable_server(make_bridge: MakeBridge) -> None:
    bridge = make_bridge(f"host=127.0.0.1 port=1 user=app password={CANARY} dbname=shop")
    refused(bridge, code=EXIT_ENVIRONMENT, says=r"127\.0\.0\.1:1/shop")


def test_a_wrong_password(private_server: PrivateServerFactory, make_bridge: MakeBridge) -> None:
    server = private_server(listen=True)
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute("CREATE ROLE app LOGIN REPLICATION PASSWORD 'right'")
        (hba,) = admin.execute("SHOW hba_file").fetchone() or ()
        Path(hba).write_text("local all postgres trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
        admin.execute("SELECT pg_reload_conf()")
    dsn = f"host=127.0.0.1 port={server.port} user=app password={CANARY} dbname=postgres"
    refused(make_bridge(dsn), code=EXIT_ENVIRONMENT, says="password")


def test_a_server_without_logical_wal(
    private_server: PrivateServerFactory, make_bridge: MakeBridge
) -> None:
    server = private_server(wal_level="replica")
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute("CREATE TABLE t (id int PRIMARY KEY)")
    refused(make_bridge(server.dsn()), code=EXIT_ENVIRONMENT, says="wal_level")


def test_an_account_without_the_replication_right(
    newest_database: Database, table: psycopg.Connection[Any], make_bridge: MakeBridge
) -> None:
    role = f"plain_{newest_database.name}"
    table.execute(f'CREATE ROLE "{role}" LOGIN')
    try:
        dsn = newest_database.server.dsn(dbname=newest_database.name, user=role)
        refused(make_bridge(dsn), code=EXIT_ENVIRONMENT, says="REPLICATION")
    finally:
        table.execute(f'DROP ROLE "{role}"')


def test_a_pooler_in_place_of_a_server(
    newest_database: Database, tmp_path: Path, make_bridge: MakeBridge
) -> None:
    with pooler(newest_database, tmp_path) as dsn:
        refused(make_bridge(dsn), code=EXIT_ENVIRONMENT, says="pooler")


def test_a_missing_table_and_the_nearest_one(
    newest_database: Database, table: psycopg.Connection[Any], make_bridge: MakeBridge
) -> None:
    table.execute("CREATE TABLE customers (id int PRIMARY KEY)")
    bridge = make_bridge(newest_database.dsn, tables=["public.custmers"])
    text = refused(bridge, code=EXIT_ENVIRONMENT, says="public.custmers")
    assert "public.customers" in text


def test_a_missing_publication(newest_database: Database, make_bridge: MakeBridge) -> None:
    bridge = make_bridge(newest_database.dsn, source={"tables": None, "publication": "nobodys"})
    refused(bridge, code=EXIT_ENVIRONMENT, says="nobodys")


def test_a_table_without_a_replica_identity(
    newest_database: Database, table: psycopg.Connection[Any], make_bridge: MakeBridge
) -> None:
    table.execute("CREATE TABLE keyless (v int)")
    bridge = make_bridge(newest_database.dsn, tables=["public.*"])
    text = refused(bridge, code=EXIT_ENVIRONMENT, says=r"public\.keyless")
    assert "REPLICA IDENTITY" in text
    table.execute("INSERT INTO keyless VALUES (1)")
    table.execute("UPDATE keyless SET v = 2")  # the application's writes go on


def test_a_slot_of_another_plugin(
    newest_database: Database, table: psycopg.Connection[Any], make_bridge: MakeBridge
) -> None:
    table.execute("SELECT pg_create_logical_replication_slot(%s, 'test_decoding')", [SLOT])
    refused(make_bridge(newest_database.dsn), code=EXIT_ENVIRONMENT, says="test_decoding")


def test_a_slot_of_another_database(
    newest_database: Database, table: psycopg.Connection[Any], make_bridge: MakeBridge
) -> None:
    elsewhere = newest_database.server.dsn()
    with psycopg.connect(elsewhere, autocommit=True) as other:
        other.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [SLOT])
        try:
            refused(make_bridge(newest_database.dsn), code=EXIT_ENVIRONMENT, says="'postgres'")
        finally:
            other.execute("SELECT pg_drop_replication_slot(%s)", [SLOT])


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ("source: {dsn: [", "line 1"),
        ("source: {dsn: x=1}\nsinks: [{type: file, path: a}]\nsourse: {}\n", "source"),
        ("source: {dsn: '${NOT_SET_ANYWHERE}'}\nsinks: [{type: null}]\n", "NOT_SET_ANYWHERE"),
        ("source: {dsn: dbname=x}\nsinks: [{type: flie, path: a}]\n", "'file'"),
        ("source: {dsn: dbname=x}\nsinks: [{type: file, pth: a}]\n", "path"),
    ],
    ids=["malformed", "unknown key", "unset variable", "unknown sink", "unknown setting"],
)
def test_a_configuration_that_cannot_be_used(document: str, says: str, tmp_path: Path) -> None:
    config = tmp_path / "pgbridge.yaml"
    config.write_text(document)
    done = subprocess.run(
        [sys.executable, "-m", "bridge.cli", "run", "-c", str(config)],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == EXIT_CONFIG
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_path_that_cannot_be_written(
    newest_database: Database, table: psycopg.Connection[Any], make_bridge: MakeBridge
) -> None:
    table.execute("INSERT INTO t VALUES (1, 'there before')")
    bridge = make_bridge(
        newest_database.dsn,
        sinks=[{"type": "file", "path": "/proc/no/events.jsonl"}],
        source={"snapshot": "initial"},
    )
    refused(bridge, code=EXIT_ENVIRONMENT, says="/proc/no")
    slots = table.execute("SELECT FROM pg_replication_slots WHERE slot_name = %s", [SLOT])
    assert slots.fetchall() == []  # nobody reads it, so the server must not keep WAL for it


def test_a_full_disk_of_the_target_is_waited_for_and_nothing_is_confirmed(
    newest_database: Database,
    table: psycopg.Connection[Any],
    tmp_path: Path,
    make_bridge: MakeBridge,
) -> None:
    with small_disk(tmp_path / "disk") as disk:
        bridge = make_bridge(
            newest_database.dsn,
            sinks=[{"type": "file", "path": str(disk / "events.jsonl")}],
        ).start()
        bridge.wait_until_logged("stream_started")
        with table.transaction():
            table.execute(
                "INSERT INTO t SELECT i, repeat('x', 500) FROM generate_series(1, 3000) i"
            )
        entry = bridge.wait_until_logged("sink_retry", count=2)
        assert "events.jsonl" in entry["error"]
        assert not bridge.checkpoint().confirmed > _commit_of_rows(table)
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        events = bridge.wait_for_events(3000)
        assert [e["row_id"] for e in events] == [str(i) for i in range(1, 3001)]
        assert bridge.terminate() == 0


def _commit_of_rows(connection: psycopg.Connection[Any]) -> int:
    (lsn,) = connection.execute("SELECT (pg_current_wal_lsn() - '0/0')::bigint").fetchone() or (0,)
    return int(lsn)


def test_a_full_disk_of_the_state_ends_the_run_and_loses_nothing(
    newest_database: Database,
    table: psycopg.Connection[Any],
    tmp_path: Path,
    make_bridge: MakeBridge,
) -> None:
    with small_disk(tmp_path / "disk") as disk:
        bridge = make_bridge(newest_database.dsn, state={"dir": str(disk / "state")}).start()
        bridge.wait_until_logged("stream_started")
        filler = disk / "filler"
        fill(filler)
        for i in range(200):
            if not bridge.running:
                break
            table.execute("INSERT INTO t VALUES (%s, 'x')", [i])
        refused(bridge, code=EXIT_ENVIRONMENT, says=str(disk / "state"))
        filler.unlink()
        count = table.execute("SELECT count(*) FROM t").fetchone()
        assert count is not None
        bridge.start()
        bridge.wait_until_logged("stream_started")
        events = bridge.wait_for_events(count[0])
        assert len({event["event_id"] for event in events}) == count[0]
        assert bridge.terminate() == 0


def test_garbage_on_the_wire_is_a_typed_error_and_confirms_nothing(
    private_server: PrivateServerFactory, make_bridge: MakeBridge
) -> None:
    server = private_server()
    socket_path = str(server.socket_dir / f".s.PGSQL.{server.port}")

    def lie_about_the_length(data: bytes) -> bytes:
        return data.replace(b"t\x00\x00\x00\x06CANARY", b"t\x00\x00\x00\x07CANARY")

    with ExitStack() as stack:
        admin = stack.enter_context(psycopg.connect(server.dsn(), autocommit=True))
        proxy = stack.enter_context(Proxy(socket_path, rewrite=lie_about_the_length))
        admin.execute("CREATE TABLE t (id int PRIMARY KEY, name text)")
        bridge = make_bridge(
            f"host=127.0.0.1 port={proxy.port} user=postgres dbname=postgres"
        ).start()
        bridge.wait_until_logged("stream_started")
        admin.execute("INSERT INTO t VALUES (1, 'sound')")
        bridge.wait_for_events(1)
        admin.execute("INSERT INTO t VALUES (2, 'CANARY')")
        assert bridge.wait() == EXIT_RUNTIME, bridge.stderr
        assert "Insert" in bridge.stderr
        assert "CANARY" not in bridge.stderr
        assert "Traceback" not in bridge.stderr
        bridge.settings["source"]["dsn"] = server.dsn()
        bridge.start()
        events = bridge.wait_for_events(2)
        assert [event["row_id"] for event in events] == ["1", "2"]
        assert bridge.terminate() == 0
