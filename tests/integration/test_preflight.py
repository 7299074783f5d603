"""The preflight: each thing that is wrong is found, named, and answered with its cure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from bridge.core.errors import EnvironmentProblem
from bridge.postgres.connection import Database
from bridge.postgres.embedded import EmbeddedPostgres
from bridge.postgres.preflight import Expected, Finding, Status, run_checks
from bridge.postgres.preflight.clouds import SELF_MANAGED, detect_cloud
from bridge.postgres.slots import ReplicationConfig, ReplicationSlotManager
from tests.fixtures.databases import Database as FreshDatabase

CANARY = "canary-51cb"


def checks_of(dsn: str, slot: str = "pgbridge", **expected: Any) -> list[Finding]:
    wanted = {"publication": "p", **expected}
    return run_checks(Database(dsn), Expected(slot=slot, **wanted))


def one(findings: list[Finding], name: str) -> Finding:
    (found,) = [finding for finding in findings if finding.name == name]
    return found


def bad(findings: list[Finding]) -> dict[str, Finding]:
    """Return what is not fine, without what every untouched server gets."""
    return {
        finding.name: finding
        for finding in findings
        if finding.status is not Status.PASS and finding.name != "server.max_slot_wal_keep_size"
    }


@contextmanager
def role_of(database: FreshDatabase, options: str) -> Iterator[str]:
    """Make a role for the time of a test, and return the connection string of it."""
    name = f"role_{database.name}"
    role = sql.Identifier(name)
    with psycopg.connect(database.dsn, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN " + options).format(role))
        try:
            yield make_conninfo(database.dsn, user=name)
        finally:
            admin.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(role))
            admin.execute(sql.SQL("DROP ROLE {}").format(role))


def make_shop(database: FreshDatabase) -> psycopg.Connection[Any]:
    admin = database.connect()
    admin.execute("CREATE TABLE users (id int PRIMARY KEY, name text)")
    admin.execute("CREATE PUBLICATION p FOR TABLE users")
    return admin


@pytest.fixture
def shop(database: FreshDatabase) -> psycopg.Connection[Any]:
    return make_shop(database)


@pytest.fixture
def newest_shop(newest_database: FreshDatabase) -> psycopg.Connection[Any]:
    return make_shop(newest_database)


def test_a_server_that_is_ready_passes(
    database: FreshDatabase, shop: psycopg.Connection[Any]
) -> None:
    findings = checks_of(database.dsn, own(database))

    assert bad(findings) == {}
    names = [finding.name for finding in findings]
    assert len(set(names)) == len(names)
    assert names[0] == "connection.reachable"
    assert "public.users.name" in one(findings, "publication.toast").message


def own(database: FreshDatabase) -> str:
    """Return a slot name that no other test uses on the same server."""
    return database.name


def test_every_complaint_has_a_remedy(newest_database: FreshDatabase) -> None:
    findings = checks_of(newest_database.dsn, failover=True, tables=("public.nothing",))

    assert len(bad(findings)) >= 2
    assert all(finding.remedy for finding in bad(findings).values())


def test_an_unreachable_server_is_one_finding() -> None:
    (finding,) = checks_of(f"host=/nonexistent dbname=x password={CANARY}")

    assert (finding.name, finding.status) == ("connection.reachable", Status.FAIL)
    assert finding.category == "connection"
    assert CANARY not in str(finding)


def test_a_connection_without_verified_tls_is_told(
    private_server: Callable[..., EmbeddedPostgres],
) -> None:
    server = private_server(listen=True)
    remote = make_conninfo(
        server.dsn(), host="db.example.com", hostaddr="0.0.0.0", sslmode="disable"
    )

    assert one(checks_of(remote), "connection.tls").status is Status.WARN


def test_a_server_without_logical_wal_and_room_fails(
    private_server: Callable[..., EmbeddedPostgres],
) -> None:
    server = private_server(
        wal_level="replica", max_replication_slots="1", max_wal_senders="1", wal_sender_timeout="9s"
    )
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute("SELECT pg_create_physical_replication_slot('backup')")

    findings = bad(checks_of(server.dsn()))

    assert findings["server.wal_level"].status is Status.FAIL
    assert "ALTER SYSTEM SET wal_level = logical" in findings["server.wal_level"].remedy
    assert findings["server.max_replication_slots"].status is Status.FAIL
    assert findings["server.max_wal_senders"].status is Status.WARN
    assert findings["server.wal_sender_timeout"].status is Status.WARN


def test_settings_of_the_newest_server_that_endanger_the_slot_are_told(
    private_server: Callable[..., EmbeddedPostgres],
) -> None:
    server = private_server(
        18,
        idle_replication_slot_timeout="1h",
        max_slot_wal_keep_size="2GB",
        synchronized_standby_slots="standby_a",
    )

    findings = checks_of(server.dsn(), failover=True)

    assert one(findings, "server.idle_replication_slot_timeout").status is Status.WARN
    assert "2GB" in one(findings, "server.max_slot_wal_keep_size").message
    assert one(findings, "server.max_slot_wal_keep_size").status is Status.PASS
    failover = one(findings, "server.failover")
    assert failover.status is Status.FAIL
    assert "standby_a" in failover.message


def test_a_plugin_that_is_not_allowed_is_told(
    private_server: Callable[..., EmbeddedPostgres],
) -> None:
    server = private_server()
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        if not admin.execute(
            "SELECT 1 FROM pg_settings WHERE name = 'output_plugin_libraries'"
        ).fetchone():
            pytest.skip("this minor version has no output_plugin_libraries")
        admin.execute("ALTER SYSTEM SET output_plugin_libraries = 'test_decoding'")
        admin.execute("SELECT pg_reload_conf()")

    finding = one(checks_of(server.dsn()), "server.output_plugin_libraries")

    assert finding.status is Status.FAIL


@pytest.mark.postgres(max=16)
def test_failover_needs_a_newer_server(
    database: FreshDatabase, shop: psycopg.Connection[Any]
) -> None:
    findings = bad(checks_of(database.dsn, failover=True))

    assert findings["server.failover"].status is Status.FAIL


def test_a_database_without_an_encoding_is_told(newest_database: FreshDatabase) -> None:
    name = sql.Identifier(f"{newest_database.name}_ascii")
    admin = newest_database.connect()
    admin.execute(
        sql.SQL("CREATE DATABASE {} ENCODING 'SQL_ASCII' TEMPLATE template0 LOCALE 'C'").format(
            name
        )
    )
    try:
        dsn = make_conninfo(newest_database.dsn, dbname=f"{newest_database.name}_ascii")
        assert one(checks_of(dsn), "server.encoding").status is Status.WARN
    finally:
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


def test_a_prepared_transaction_that_holds_wal_back_is_named(
    database: FreshDatabase, shop: psycopg.Connection[Any]
) -> None:
    shop.execute("BEGIN")
    shop.execute("INSERT INTO users VALUES (1, 'a')")
    shop.execute(sql.SQL("PREPARE TRANSACTION {}").format(sql.Literal(database.name)))

    findings = checks_of(database.dsn)

    held = [f.message for f in findings if f.name == "server.long_transactions"]
    assert any(f"prepared transaction '{database.name}'" in message for message in held)


def test_a_role_without_rights_learns_all_of_them_at_once(
    newest_database: FreshDatabase, newest_shop: psycopg.Connection[Any]
) -> None:
    newest_shop.execute('CREATE SCHEMA "Sales"; CREATE TABLE "Sales".orders (id int PRIMARY KEY)')
    newest_shop.execute('ALTER PUBLICATION p ADD TABLE "Sales".orders')
    with role_of(newest_database, "") as dsn:
        findings = bad(checks_of(dsn, own(newest_database), tables=("public.users", '"Sales".*')))
        created = bad(
            checks_of(dsn, own(newest_database), publication="q", tables=("public.users",))
        )

    role = f'"role_{newest_database.name}"'
    assert findings["permissions.replication"].remedy == (
        f"As a superuser run: ALTER ROLE {role} REPLICATION;"
    )
    grants = findings["permissions.snapshot"].remedy
    assert f'GRANT SELECT ON "public"."users" TO {role};' in grants
    assert f'GRANT USAGE ON SCHEMA "Sales" TO {role};' in grants
    assert f'GRANT SELECT ON "Sales"."orders" TO {role};' in grants
    assert "publication.tables" not in findings
    assert created["publication.tables"].status is Status.FAIL
    assert "no CREATE on database" in created["publication.tables"].message
    assert "does not own public.users" in created["publication.tables"].message
    assert (
        'CREATE PUBLICATION "q" FOR TABLE "public"."users"' in created["publication.tables"].remedy
    )


def test_a_role_with_the_rights_and_no_more_passes(
    database: FreshDatabase, shop: psycopg.Connection[Any]
) -> None:
    with role_of(database, "REPLICATION") as dsn:
        role = sql.Identifier(f"role_{database.name}")
        shop.execute(sql.SQL("GRANT SELECT ON users TO {}").format(role))

        assert bad(checks_of(dsn, own(database))) == {}
        assert bad(checks_of(dsn, own(database), tables=("public.users",))) == {}


def test_rows_that_a_policy_hides_are_told(
    newest_database: FreshDatabase, newest_shop: psycopg.Connection[Any]
) -> None:
    newest_shop.execute("ALTER TABLE users ENABLE ROW LEVEL SECURITY")
    with role_of(newest_database, "REPLICATION") as dsn:
        newest_shop.execute(
            sql.SQL("GRANT SELECT ON users TO {}").format(
                sql.Identifier(f"role_{newest_database.name}")
            )
        )

        finding = bad(checks_of(dsn, own(newest_database)))["permissions.snapshot"]

    assert "public.users" in finding.message
    assert "BYPASSRLS" in finding.remedy


def test_a_missing_publication_is_made_by_the_next_start_or_fails(
    newest_database: FreshDatabase, newest_shop: psycopg.Connection[Any]
) -> None:
    unknown = bad(checks_of(newest_database.dsn, own(newest_database), publication="q"))
    listed = bad(
        checks_of(
            newest_database.dsn, own(newest_database), publication="q", tables=("public.users",)
        )
    )

    assert unknown["publication.tables"].status is Status.FAIL
    assert listed["publication.tables"].status is Status.WARN
    assert "CREATE PUBLICATION" in listed["publication.tables"].remedy


def test_a_publication_that_differs_from_the_configuration_is_told(
    newest_database: FreshDatabase, newest_shop: psycopg.Connection[Any]
) -> None:
    newest_shop.execute("CREATE TABLE orders (id int PRIMARY KEY); CREATE TABLE log (line text)")

    differs = bad(checks_of(newest_database.dsn, own(newest_database), tables=("public.orders",)))
    misspelt = bad(checks_of(newest_database.dsn, own(newest_database), tables=("public.order",)))
    refused = bad(checks_of(newest_database.dsn, own(newest_database), tables=("public.*",)))

    assert "public.orders is missing, public.users is too much" in (
        differs["publication.tables"].message
    )
    assert "public.orders?" in misspelt["publication.tables"].remedy
    assert refused["publication.tables"].status is Status.FAIL
    assert "public.log" in refused["publication.tables"].message


def test_tables_on_which_updates_fail_are_named(
    newest_database: FreshDatabase, newest_shop: psycopg.Connection[Any]
) -> None:
    newest_shop.execute(
        """
        CREATE TABLE log (line text);
        CREATE TABLE parted (a int) PARTITION BY LIST (a);
        CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1);
        ALTER PUBLICATION p ADD TABLE log, parted;
        """
    )

    finding = bad(checks_of(newest_database.dsn, own(newest_database)))[
        "publication.replica_identity"
    ]

    assert finding.status is Status.FAIL
    assert "public.log, public.parted_1:" in finding.message


def test_an_empty_publication_is_told(
    newest_database: FreshDatabase, newest_shop: psycopg.Connection[Any]
) -> None:
    newest_shop.execute("ALTER PUBLICATION p DROP TABLE users")

    assert (
        bad(checks_of(newest_database.dsn, own(newest_database)))["publication.content"].status
        is Status.WARN
    )


@pytest.mark.postgres(min=15)
def test_filters_and_column_lists_are_shown(
    database: FreshDatabase, shop: psycopg.Connection[Any]
) -> None:
    shop.execute("ALTER PUBLICATION p SET TABLE users (id) WHERE (id > 5)")

    finding = one(checks_of(database.dsn, own(database)), "publication.parts")

    assert "public.users WHERE (id > 5), public.users without name" in finding.message


def make_slot(admin: psycopg.Connection[Any], name: str, plugin: str = "pgoutput") -> None:
    admin.execute("SELECT pg_create_logical_replication_slot(%s, %s)", [name, plugin])


def test_a_slot_of_ours_passes(database: FreshDatabase, shop: psycopg.Connection[Any]) -> None:
    make_slot(shop, own(database))

    findings = checks_of(database.dsn, own(database))

    assert bad(findings) == {}
    assert one(findings, "slot.kind").status is Status.PASS


def test_a_slot_that_is_older_than_its_publication_is_told(
    database: FreshDatabase, shop: psycopg.Connection[Any]
) -> None:
    make_slot(shop, own(database))
    shop.execute("CREATE PUBLICATION late FOR TABLE users")

    late = bad(checks_of(database.dsn, own(database), publication="late"))
    missing = bad(
        checks_of(database.dsn, own(database), publication="later", tables=("public.users",))
    )

    assert late["publication.age"].status is Status.WARN
    assert missing["publication.age"].status is Status.WARN


def test_a_slot_that_is_not_ours_fails(
    newest_database: FreshDatabase, newest_shop: psycopg.Connection[Any]
) -> None:
    make_slot(newest_shop, own(newest_database), "test_decoding")
    elsewhere = make_conninfo(newest_database.dsn, dbname="postgres")

    plugin = bad(checks_of(newest_database.dsn, own(newest_database)))
    foreign = bad(checks_of(elsewhere, own(newest_database)))

    assert "test_decoding" in plugin["slot.plugin"].message
    assert newest_database.name in foreign["slot.database"].message


@pytest.mark.postgres(min=14)
def test_a_two_phase_slot_fails(database: FreshDatabase, shop: psycopg.Connection[Any]) -> None:
    shop.execute(
        "SELECT pg_create_logical_replication_slot(%s, 'pgoutput', false, true)", [own(database)]
    )

    assert "slot.two_phase" in bad(checks_of(database.dsn, own(database)))


def test_a_physical_slot_fails(newest_database: FreshDatabase) -> None:
    admin = newest_database.connect()
    admin.execute("SELECT pg_create_physical_replication_slot(%s)", [own(newest_database)])
    try:
        findings = bad(checks_of(newest_database.dsn, own(newest_database)))
    finally:
        admin.execute("SELECT pg_drop_replication_slot(%s)", [own(newest_database)])

    assert "physical" in findings["slot.kind"].message


def test_a_slot_in_use_is_told(
    newest_database: FreshDatabase, newest_shop: psycopg.Connection[Any]
) -> None:
    make_slot(newest_shop, own(newest_database))
    connection = Database(newest_database.dsn).connect_replication()
    pid = connection.info.backend_pid
    with closing(connection):
        connection.pgconn.exec_(
            f'START_REPLICATION SLOT "{own(newest_database)}" LOGICAL 0/0'
            " (proto_version '1', publication_names 'p')".encode()
        )

        finding = bad(checks_of(newest_database.dsn, own(newest_database)))["slot.active"]

    assert f"pid {pid} " in finding.message
    assert finding.status is Status.WARN


def test_a_lost_slot_fails(private_server: Callable[..., EmbeddedPostgres]) -> None:
    server = private_server(max_slot_wal_keep_size="1MB", wal_keep_size="0", max_wal_size="32MB")
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute("CREATE TABLE users (id int PRIMARY KEY)")
        admin.execute("CREATE PUBLICATION p FOR TABLE users")
        make_slot(admin, "pgbridge")
        for _ in range(4):
            admin.execute("SELECT pg_logical_emit_message(false, 'x', repeat('x', 1000))")
            admin.execute("SELECT pg_switch_wal()")
        admin.execute("CHECKPOINT")

    finding = bad(checks_of(server.dsn()))["slot.wal_status"]

    assert finding.status is Status.FAIL
    assert "lost" in finding.message
    assert "slots drop" in finding.remedy


def test_a_managed_cloud_is_recognised_and_told_its_own_way(
    private_server: Callable[..., EmbeddedPostgres],
) -> None:
    server = private_server(wal_level="replica")
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute(
            "CREATE ROLE rds_superuser; CREATE ROLE rds_replication; CREATE ROLE me LOGIN"
        )

    without = bad(checks_of(server.dsn(user="me")))
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute("GRANT rds_replication TO me")
    granted = bad(checks_of(server.dsn(user="me")))

    assert "rds.logical_replication = 1" in without["server.wal_level"].remedy
    assert without["permissions.replication"].remedy == (
        'As the master user run: GRANT rds_replication TO "me";'
    )
    # Only on the real RDS does that role let one in: here the server itself still says no.
    assert "permissions.replication" not in granted
    assert "connection.replication" in granted


def test_a_server_is_nobodys_cloud_without_a_sign() -> None:
    assert detect_cloud(["postgres"], ["wal_level"]) is SELF_MANAGED
    assert detect_cloud([], ["cloudsql.logical_decoding"]).name == "Google Cloud SQL"
    assert detect_cloud(["azure_pg_admin"], []).name == "Azure Database for PostgreSQL"


@pytest.mark.parametrize(("major", "status"), [(15, Status.FAIL), (18, Status.WARN)])
def test_a_standby_is_told(
    private_server: Callable[..., EmbeddedPostgres], major: int, status: Status
) -> None:
    server = private_server(major)
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute("CREATE TABLE users (id int PRIMARY KEY)")
        admin.execute("CREATE PUBLICATION p FOR TABLE users")
    server.shut_down()
    (server.data_dir / "standby.signal").touch()
    server.start()

    findings = checks_of(server.dsn())

    assert one(findings, "server.primary").status is status
    assert "target_session_attrs" in one(findings, "server.primary").remedy
    manager = ReplicationSlotManager(ReplicationConfig(), Database(server.dsn()))
    assert manager.list_slots() == []
    with pytest.raises(EnvironmentProblem):
        manager.create_slot("on_a_standby", timeout_seconds=1)
