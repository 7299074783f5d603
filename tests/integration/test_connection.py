"""Connections: pinned settings, the identity of the cluster, and what a failure tells."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from bridge.core.errors import BridgeError, ConfigError, EnvironmentProblem, Transient
from bridge.postgres.connection import Database, identify
from bridge.postgres.embedded import EmbeddedPostgres
from tests.fixtures.databases import Database as FreshDatabase

pytestmark = pytest.mark.postgres(ordinary="ends")

CANARY = "canary-51cb"

HOSTILE = {
    "datestyle": "German, DMY",
    "intervalstyle": "iso_8601",
    "timezone": "America/New_York",
    "bytea_output": "escape",
    "extra_float_digits": "-3",
    "search_path": "public",
    "statement_timeout": "1ms",
    "idle_in_transaction_session_timeout": "1ms",
}


def make_role(database: FreshDatabase, name: str, options: str, request: Any) -> None:
    admin = database.connect()
    role = sql.Identifier(name)
    admin.execute(sql.SQL("CREATE ROLE {} LOGIN " + options).format(role))

    def drop() -> None:
        with psycopg.connect(database.server.dsn(), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP OWNED BY {}").format(role))
            connection.execute(sql.SQL("DROP ROLE {}").format(role))

    request.addfinalizer(drop)


def failure_of(action: Callable[[], object]) -> BridgeError:
    with pytest.raises(BridgeError) as caught:
        action()
    return caught.value


def test_the_identity_names_cluster_timeline_and_database(database: FreshDatabase) -> None:
    identity = Database(database.dsn).identify()

    control = database.connect().execute("SELECT system_identifier FROM pg_control_system()")
    assert identity.system_identifier == str(control.fetchone()[0])  # type: ignore[index]
    assert identity.database == database.name
    assert identity.timeline >= 1
    assert identity.wal_lsn > 0


def test_a_session_shows_its_name_and_pins_what_values_depend_on(database: FreshDatabase) -> None:
    source = Database(database.dsn, application_name="pgbridge/orders")

    with closing(source.connect()) as connection:
        shown = {
            name: connection.execute(f"SHOW {name}").fetchone()[0]  # type: ignore[index]
            for name in ("application_name", "datestyle", "bytea_output", "statement_timeout")
        }

    assert shown == {
        "application_name": "pgbridge/orders",
        "datestyle": "ISO, MDY",
        "bytea_output": "hex",
        "statement_timeout": "0",
    }
    assert source.server_version // 10000 == database.server.major_version


def test_settings_of_a_role_do_not_reach_our_sessions(
    database: FreshDatabase, request: pytest.FixtureRequest
) -> None:
    role = f"hostile_{database.name}"
    make_role(database, role, "REPLICATION", request)
    admin = database.connect()
    for name, value in HOSTILE.items():
        setting = sql.SQL("ALTER ROLE {} IN DATABASE {} SET {} = {}")
        names = map(sql.Identifier, (role, database.name, name))
        admin.execute(setting.format(*names, sql.Literal(value)))
    source = Database(make_conninfo(database.dsn, user=role))

    connection = source.connect_replication()
    with closing(connection):
        date, interval, data = (
            connection.pgconn.exec_(query).get_value(0, 0)
            for query in (
                b"SELECT '0044-03-15 12:00+00 BC'::timestamptz",
                b"SELECT '1 year 2 mons -3 days'::interval",
                rb"SELECT '\x00ff'::bytea",
            )
        )

    assert date == b"0044-03-15 12:00:00+00 BC"
    assert interval == b"1 year 2 mons -3 days"
    assert data == rb"\x00ff"


def test_options_of_the_connection_string_stay_and_ours_win(newest_database: FreshDatabase) -> None:
    dsn = make_conninfo(newest_database.dsn, options="-c work_mem=77MB -c DateStyle=German")
    source = Database(dsn)

    connection = source.connect_replication(**{"test.path": "a b\\c"})
    with closing(connection):
        shown = [
            connection.pgconn.exec_(f"SHOW {name}".encode()).get_value(0, 0)
            for name in ("work_mem", "DateStyle", "test.path")
        ]

    assert shown == [b"77MB", b"ISO, MDY", b"a b\\c"]


def test_something_that_ignores_replication_looks_like_a_pooler(
    newest_database: FreshDatabase,
) -> None:
    error = failure_of(lambda: identify(newest_database.connect()))

    assert isinstance(error, EnvironmentProblem)
    assert "pooler" in str(error)
    assert "direct host" in error.remedy


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"dbname": "nowhere"}, 'database "nowhere" does not exist'),
        ({"user": "nobody_at_all"}, 'role "nobody_at_all" does not exist'),
        ({"host": "/nonexistent"}, "cannot be reached"),
        ({"host": "nowhere.invalid", "sslmode": "disable"}, "cannot be reached"),
        ({"host": "127.0.0.1", "port": "1"}, "cannot be reached"),
        ({"host": "127.0.0.1,127.0.0.1", "port": "1,2"}, "cannot be reached"),
    ],
)
def test_what_is_wrong_at_the_start_needs_an_operator(
    newest_database: FreshDatabase, parameters: dict[str, str], says: str
) -> None:
    dsn = make_conninfo(newest_database.dsn, password=CANARY, **parameters)

    error = failure_of(Database(dsn).connect)

    assert isinstance(error, EnvironmentProblem)
    assert says in error.message
    assert error.remedy
    assert CANARY not in str(error)


def test_an_outage_is_an_error_at_the_start_and_waited_out_later(
    private_server: Callable[..., EmbeddedPostgres],
) -> None:
    server = private_server()
    known, unknown = Database(server.dsn()), Database(server.dsn())
    known.connect().close()

    server.shut_down()

    assert isinstance(failure_of(known.connect), Transient)
    assert isinstance(failure_of(known.connect_replication), Transient)
    assert isinstance(failure_of(unknown.connect), EnvironmentProblem)


def test_a_refused_password_and_a_closed_pg_hba_are_told_apart(
    private_server: Callable[..., EmbeddedPostgres],
) -> None:
    server = private_server(listen=True)
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute("CREATE ROLE capture LOGIN REPLICATION PASSWORD 'right'")
        hba = server.data_dir / "pg_hba.conf"
        hba.write_text("local all postgres trust\nhost postgres all 127.0.0.1/32 scram-sha-256\n")
        admin.execute("SELECT pg_reload_conf()")
    address = make_conninfo(server.dsn(user="capture"), host="127.0.0.1")

    def connects(**parameters: str) -> Callable[[], object]:
        return Database(make_conninfo(address, **parameters)).connect

    wrong = failure_of(connects(password=CANARY))
    missing = failure_of(connects())
    closed = failure_of(connects(password="right", dbname="template1"))

    assert "refuses the password" in wrong.message
    assert "refuses the password" in missing.message
    assert "pg_hba.conf" in closed.message
    assert all(isinstance(error, EnvironmentProblem) for error in (wrong, missing, closed))
    assert CANARY not in str(wrong)


def test_a_role_without_the_right_to_replicate_is_told_which_one_it_needs(
    database: FreshDatabase, request: pytest.FixtureRequest
) -> None:
    role = f"plain_{database.name}"
    make_role(database, role, "", request)

    error = failure_of(Database(make_conninfo(database.dsn, user=role)).connect_replication)

    assert isinstance(error, EnvironmentProblem)
    assert "may not use replication" in error.message
    assert "ALTER ROLE" in error.remedy
    assert "rds_replication" in error.remedy


@pytest.mark.parametrize(
    "dsn", [CANARY, f"host=x {CANARY}", f"postgresql://u:{CANARY}@[::1", f"password='{CANARY}"]
)
def test_a_connection_string_that_cannot_be_read_is_not_repeated(dsn: str) -> None:
    error = failure_of(lambda: Database(dsn))

    assert isinstance(error, ConfigError)
    assert CANARY not in str(error)


def test_the_password_does_not_show(newest_database: FreshDatabase) -> None:
    source = Database(make_conninfo(newest_database.dsn, password=CANARY))

    assert CANARY not in repr(source)
    assert CANARY not in source.address
    assert conninfo_to_dict(newest_database.dsn)["dbname"] in source.address


def _certificate(directory: Path, name: str, *options: str) -> None:
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    subprocess.run(
        [*command, "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", *options,
         "-keyout", f"{directory}/{name}.key", "-out", f"{directory}/{name}.crt"],
        check=True,
        capture_output=True,
    )  # fmt: skip


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_a_remote_server_must_prove_its_name(
    private_server: Callable[..., EmbeddedPostgres], tmp_path: Path
) -> None:
    server = private_server(15, listen=True)
    _certificate(tmp_path, "db.example.com")
    for source, target in (("key", "server.key"), ("crt", "server.crt")):
        shutil.copy(tmp_path / f"db.example.com.{source}", server.data_dir / target)
        shutil.chown(server.data_dir / target, server.data_dir.owner(), server.data_dir.group())
        (server.data_dir / target).chmod(0o600)
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute("ALTER SYSTEM SET ssl = on")
        admin.execute("SELECT pg_reload_conf()")
    remote = make_conninfo(server.dsn(), host="db.example.com", hostaddr="127.0.0.1")
    authority = str(tmp_path / "db.example.com.crt")

    def connects(**parameters: str) -> Callable[[], object]:
        # Another name for this machine, so that it counts as another one.
        return Database(make_conninfo(remote, **parameters)).connect

    unknown = failure_of(connects(sslmode="verify-full", sslrootcert="system"))
    mismatch = failure_of(connects(host="other.example.com", sslmode="verify-full",
                                   sslrootcert=authority))  # fmt: skip

    assert "certificate" in unknown.message
    assert "certificate" in mismatch.message
    accepted = connects(sslmode="verify-full", sslrootcert=authority)()
    assert isinstance(accepted, psycopg.Connection)
    assert accepted.pgconn.ssl_in_use
    accepted.close()


def test_a_remote_server_without_tls_is_refused_unless_told_otherwise(
    private_server: Callable[..., EmbeddedPostgres],
) -> None:
    server = private_server(listen=True)
    # No machine but this one is at hand: 127.0.0.1 written so that it does not look local.
    remote = make_conninfo(server.dsn(), host="db.example.com", hostaddr="0.0.0.0")

    refused = failure_of(Database(remote).connect)

    assert isinstance(refused, EnvironmentProblem)
    assert "TLS" in refused.message
    assert "sslmode=disable" in refused.remedy
    opted_out = Database(make_conninfo(remote, sslmode="disable"))
    assert "unencrypted" in (opted_out.tls_note or "")
    opted_out.connect().close()
