"""Publications: planned, shown, applied, and refused where they would break the application."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from bridge.core.errors import ConfigError, EnvironmentProblem
from bridge.postgres.catalog import Catalog
from bridge.postgres.connection import Database
from bridge.postgres.publications import Publications
from tests.fixtures.databases import Database as FreshDatabase

SHOP = """
CREATE SCHEMA sales;
CREATE TABLE public.users (id int PRIMARY KEY, name text);
CREATE TABLE sales.orders (id int PRIMARY KEY);
CREATE TABLE sales."Odd Name" (id int PRIMARY KEY);
CREATE UNLOGGED TABLE sales.cache (id int PRIMARY KEY);
CREATE VIEW sales.totals AS SELECT count(*) FROM sales.orders;
CREATE MATERIALIZED VIEW sales.report AS SELECT 1 AS n;
"""

LOG = "CREATE TABLE public.log (line text)"


@pytest.fixture
def shop(database: FreshDatabase) -> psycopg.Connection[Any]:
    admin = database.connect()
    admin.execute(SHOP)
    return admin


def publications_of(database: FreshDatabase) -> Publications:
    return Publications(Database(database.dsn))


def published(database: FreshDatabase, name: str = "p") -> list[str]:
    tables = Catalog(Database(database.dsn)).published_tables(name)
    return [table.qualified_name for table in tables]


def test_the_plan_shows_the_statement_and_changes_nothing(
    database: FreshDatabase, shop: psycopg.Connection[Any]
) -> None:
    plan = publications_of(database).plan("p", ["public.users", 'sales."Odd Name"'])

    assert plan.statements == (
        'CREATE PUBLICATION "p" FOR TABLE "public"."users", "sales"."Odd Name"\n'
        "    WITH (publish_via_partition_root = true)",
    )
    assert not plan.exists
    assert plan.added == ("public.users", "sales.Odd Name")
    assert publications_of(database).get("p") is None


def test_a_new_publication_sends_everything_of_its_tables(
    database: FreshDatabase, shop: psycopg.Connection[Any]
) -> None:
    publications = publications_of(database)

    publications.ensure("p", ["public.users", "sales.*"])

    assert published(database) == ["public.users", "sales.Odd Name", "sales.orders"]
    publication = publications.get("p")
    assert publication is not None
    assert publication.operations == ("insert", "update", "delete", "truncate")
    assert publication.via_root
    assert not publication.all_tables


def test_what_is_not_in_the_wal_is_left_out_and_told(
    database: FreshDatabase, shop: psycopg.Connection[Any]
) -> None:
    plan = publications_of(database).plan("p", ["sales.*"])

    (note,) = plan.notes
    assert "sales.cache is left out" in note
    assert "unlogged" in note


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("sales.totals", "it is a view"),
        ("sales.report", "it is a materialized view"),
        ("sales.cache", "it is unlogged"),
    ],
)
def test_naming_something_that_is_no_table_is_an_error(
    database: FreshDatabase, shop: psycopg.Connection[Any], table: str, says: str
) -> None:
    with pytest.raises(EnvironmentProblem, match=says):
        publications_of(database).plan("p", ["public.users", table])


def test_a_missing_table_is_answered_with_the_nearest_name(
    database: FreshDatabase, shop: psycopg.Connection[Any]
) -> None:
    publications = publications_of(database)

    with pytest.raises(EnvironmentProblem, match=r"no table public\.user\.") as caught:
        publications.plan("p", ["public.user"])
    assert "public.users" in caught.value.remedy

    with pytest.raises(EnvironmentProblem, match=r"No table matches sails\.\*") as caught:
        publications.plan("p", ["sails.*"])
    assert "public, sales" in caught.value.remedy

    with pytest.raises(ConfigError):
        publications.plan("p", ["users"])


def test_adding_and_removing_makes_the_publication_match(
    database: FreshDatabase, shop: psycopg.Connection[Any]
) -> None:
    publications = publications_of(database)
    publications.ensure("p", ["public.users"])

    plan = publications.ensure("p", ["sales.orders"])

    assert plan.exists
    assert (plan.added, plan.removed) == (("sales.orders",), ("public.users",))
    assert published(database) == ["sales.orders"]
    assert publications.ensure("p", ["sales.orders"]).statements == ()


def test_a_table_without_a_replica_identity_is_not_published(
    database: FreshDatabase, shop: psycopg.Connection[Any]
) -> None:
    shop.execute(LOG)
    shop.execute("INSERT INTO log VALUES ('a')")
    publications = publications_of(database)

    for tables in (["public.*"], ["*"], ["public.log"]):
        with pytest.raises(EnvironmentProblem, match=r"public\.log.* replica identity") as caught:
            publications.ensure("p", tables)
        assert "ALTER TABLE public.log REPLICA IDENTITY FULL" in caught.value.remedy

    shop.execute("UPDATE log SET line = 'b'")  # the application goes on
    publications.ensure("p", ["public.users"])
    with pytest.raises(EnvironmentProblem, match=r"public\.log"):
        publications.ensure("p", ["public.*"])

    shop.execute("ALTER TABLE log REPLICA IDENTITY FULL")
    publications.ensure("p", ["public.*"])
    shop.execute("UPDATE log SET line = 'c'")


@pytest.mark.parametrize(
    "spoil",
    [
        "ALTER TABLE users REPLICA IDENTITY NOTHING",
        "ALTER TABLE users DROP CONSTRAINT users_pkey",
        "ALTER TABLE users DROP CONSTRAINT users_pkey, ADD PRIMARY KEY (id) DEFERRABLE",
        "CREATE UNIQUE INDEX u ON users (id); ALTER TABLE users REPLICA IDENTITY USING INDEX u;"
        "DROP INDEX u",
    ],
)
def test_an_identity_that_does_not_work_counts_as_none(
    database: FreshDatabase, shop: psycopg.Connection[Any], spoil: str
) -> None:
    shop.execute(spoil)

    with pytest.raises(EnvironmentProblem, match=r"public\.users"):
        publications_of(database).plan("p", ["public.users"])

    # The server agrees.
    shop.execute("CREATE PUBLICATION anyway FOR TABLE users")
    shop.execute("INSERT INTO users VALUES (1, 'a')")
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
        shop.execute("UPDATE users SET name = 'b'")


def test_a_publication_that_sends_no_updates_needs_no_identity(
    database: FreshDatabase, shop: psycopg.Connection[Any]
) -> None:
    shop.execute(LOG)
    shop.execute("CREATE PUBLICATION p FOR TABLE users WITH (publish = 'insert')")

    plan = publications_of(database).ensure("p", ["public.*"])

    assert plan.added == ("public.log",)
    assert any("does not send update, delete, truncate" in note for note in plan.notes)


def test_every_table_means_those_of_the_future_too(
    database: FreshDatabase, shop: psycopg.Connection[Any]
) -> None:
    publications = publications_of(database)

    plan = publications.ensure("p", ["*"])

    assert "FOR ALL TABLES" in plan.statements[0]
    shop.execute("CREATE TABLE later (id int PRIMARY KEY)")
    assert "public.later" in published(database)
    assert publications.ensure("p", ["*"]).statements == ()
    shop.execute(LOG)
    assert any("public.log" in note for note in publications.plan("p", ["*"]).notes)
    with pytest.raises(EnvironmentProblem, match="FOR ALL TABLES"):
        publications.plan("p", ["public.users"])


def test_every_table_in_a_publication_that_lists_them_is_those_of_today(
    database: FreshDatabase, shop: psycopg.Connection[Any]
) -> None:
    publications = publications_of(database)
    publications.ensure("p", ["public.users"])

    plan = publications.ensure("p", ["*"])

    assert plan.added == ("sales.Odd Name", "sales.orders")
    assert any("created later" in note for note in plan.notes)
    assert published(database) == ["public.users", "sales.Odd Name", "sales.orders"]


def test_without_tables_the_publication_stays_as_the_dba_made_it(
    database: FreshDatabase, shop: psycopg.Connection[Any]
) -> None:
    publications = publications_of(database)
    with pytest.raises(EnvironmentProblem, match="no publication 'p'") as caught:
        publications.ensure("p", None)
    assert "CREATE PUBLICATION" in caught.value.remedy

    shop.execute("CREATE PUBLICATION p FOR TABLE users WITH (publish = 'insert')")

    assert publications.ensure("p", None).statements == ()
    assert published(database) == ["public.users"]


@pytest.mark.postgres(min=15)
def test_a_publication_of_a_schema_holds_its_tables(
    database: FreshDatabase, shop: psycopg.Connection[Any]
) -> None:
    shop.execute("CREATE PUBLICATION p FOR TABLES IN SCHEMA sales")
    publications = publications_of(database)

    assert publications.ensure("p", ["sales.orders"]).statements == ()
    assert publications.ensure("p", ["sales.*", "public.users"]).added == ("public.users",)
    publication = publications.get("p")
    assert publication is not None
    assert publication.schemas == ("sales",)


def test_a_partitioned_table_stands_for_its_partitions(database: FreshDatabase) -> None:
    admin = database.connect()
    admin.execute(
        """
        CREATE TABLE measures (day int PRIMARY KEY) PARTITION BY RANGE (day);
        CREATE TABLE early PARTITION OF measures FOR VALUES FROM (0) TO (10);
        CREATE TABLE late PARTITION OF measures FOR VALUES FROM (10) TO (20)
            PARTITION BY RANGE (day);
        CREATE TABLE latest PARTITION OF late FOR VALUES FROM (15) TO (20);
        """
    )
    publications = publications_of(database)

    plan = publications.ensure("p", ["public.*"])

    assert plan.added == ("public.measures",)
    assert published(database) == ["public.measures"]
    assert publications.ensure("p", ["public.measures", "public.early"]).statements == ()
    assert publications.plan("p", ["public.early"]).added == ()

    admin.execute("CREATE TABLE unkeyed (a int) PARTITION BY LIST (a)")
    admin.execute("CREATE TABLE unkeyed_1 PARTITION OF unkeyed FOR VALUES IN (1)")
    admin.execute("ALTER TABLE unkeyed REPLICA IDENTITY FULL")
    with pytest.raises(EnvironmentProblem, match=r"public\.unkeyed"):  # its partition has none
        publications.plan("p", ["public.*"])
    admin.execute("ALTER TABLE unkeyed_1 REPLICA IDENTITY FULL")
    assert publications.plan("p", ["public.*"]).added == ("public.unkeyed",)


def test_tables_that_inherit_come_in_by_their_own_name_only(database: FreshDatabase) -> None:
    database.connect().execute(
        """
        CREATE TABLE parent (id int PRIMARY KEY);
        CREATE TABLE child (PRIMARY KEY (id)) INHERITS (parent);
        """
    )

    publications_of(database).ensure("p", ["public.parent"])

    assert published(database) == ["public.parent"]
    assert publications_of(database).ensure("p", ["public.parent"]).statements == ()


def test_names_that_need_quoting_are_quoted(newest_database: FreshDatabase) -> None:
    admin = newest_database.connect()
    admin.execute('CREATE SCHEMA "s.1"; CREATE TABLE "s.1"."a""b%s{}" (id int PRIMARY KEY)')

    publications_of(newest_database).ensure('odd "name"', ['"s.1".*'])

    assert published(newest_database, 'odd "name"') == ['s.1.a"b%s{}']


def test_a_change_that_fails_changes_nothing(
    database: FreshDatabase, shop: psycopg.Connection[Any], request: pytest.FixtureRequest
) -> None:
    role = sql.Identifier(f"capture_{database.name}")
    shop.execute(sql.SQL("CREATE ROLE {} LOGIN REPLICATION").format(role))
    shop.execute(sql.SQL("ALTER TABLE users OWNER TO {}").format(role))
    shop.execute(sql.SQL("GRANT USAGE ON SCHEMA sales TO {}").format(role))

    def drop_role() -> None:
        with psycopg.connect(database.dsn, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(role))
            connection.execute(sql.SQL("DROP ROLE {}").format(role))

    request.addfinalizer(drop_role)
    limited = Publications(Database(make_conninfo(database.dsn, user=f"capture_{database.name}")))

    with pytest.raises(EnvironmentProblem, match="permission denied for database") as caught:
        limited.ensure("p", ["public.users"])
    assert "GRANT CREATE ON DATABASE" in caught.value.remedy
    database_name = sql.Identifier(database.name)
    shop.execute(sql.SQL("GRANT CREATE ON DATABASE {} TO {}").format(database_name, role))
    with pytest.raises(EnvironmentProblem, match="owner of table") as caught:
        limited.ensure("p", ["public.users", "sales.orders"])
    assert "tables' owner" in caught.value.remedy
    with pytest.raises(EnvironmentProblem, match="FOR ALL TABLES"):
        limited.ensure("p", ["*"])
    assert limited.get("p") is None

    limited.ensure("p", ["public.users"])
    assert published(database) == ["public.users"]
