"""The catalog as the decoder and the snapshot need it; the stream itself is the judge."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from bridge.core.errors import EnvironmentProblem
from bridge.core.relation import ReplicaIdentity
from bridge.core.types import BUILTIN_TYPES
from bridge.postgres.catalog import Catalog, PublishedTable
from bridge.postgres.connection import Database
from decoders.messages import RelationMessage
from decoders.parse import parse_message
from tests.fixtures.catalog_types import read_types
from tests.fixtures.databases import Database as FreshDatabase

pytestmark = pytest.mark.postgres(ordinary="ends")

SLOT = "catalog_test"


def described_by_the_stream(
    admin: psycopg.Connection[Any], slot: str, publication: str
) -> dict[str, RelationMessage]:
    """Return the Relation messages that pgoutput sends, by table."""
    messages = admin.execute(
        "SELECT data FROM pg_logical_slot_get_binary_changes("
        "%s, NULL, NULL, 'proto_version', '1', 'publication_names', %s)",
        [slot, publication],
    ).fetchall()
    parsed = (parse_message(data) for (data,) in messages)
    # Via a partition root the leaf is described too, after its root.
    return {r.name: r for r in parsed if isinstance(r, RelationMessage)}


def assert_as_in_the_stream(table: PublishedTable, relation: RelationMessage) -> None:
    assert (table.oid, table.schema, table.replica_identity) == (
        relation.oid,
        relation.namespace,
        relation.replica_identity,
    )
    assert [(c.name, c.type_oid, c.type_modifier, c.in_identity) for c in table.columns] == [
        (c.name, c.type_oid, c.type_modifier, c.part_of_key) for c in relation.columns
    ]


def test_built_in_types_are_what_the_core_knows_by_heart(database: FreshDatabase) -> None:
    found = Catalog(Database(database.dsn)).types(BUILTIN_TYPES)

    assert found == {oid: info for oid, info in BUILTIN_TYPES.items() if oid in found}
    assert 23 in found


def test_a_type_comes_with_everything_that_it_is_made_of(database: FreshDatabase) -> None:
    admin = database.connect()
    admin.execute(
        """
        CREATE SCHEMA app;
        CREATE TYPE app.mood AS ENUM ('sad', 'happy');
        CREATE TYPE app.nothing AS ENUM ();
        CREATE DOMAIN app.moods AS app.mood[];
        CREATE DOMAIN app.checked_moods AS app.moods CHECK (array_length(VALUE, 1) < 3);
        CREATE TYPE app.person AS (name text, moods app.checked_moods, gone int);
        ALTER TYPE app.person DROP ATTRIBUTE gone;
        CREATE TYPE app.floats AS RANGE (subtype = float8);
        CREATE TABLE app.everything (person app.person[], span app.floats, n app.nothing, b box[]);
        """
    )
    (columns,) = admin.execute(
        "SELECT array_agg(atttypid::int8) FROM pg_attribute"
        " WHERE attrelid = 'app.everything'::regclass AND attnum > 0"
    ).fetchone()  # type: ignore[misc]

    found = Catalog(Database(database.dsn)).types(columns)

    known = read_types(admin)
    assert found == {oid: known[oid] for oid in found}
    assert {info.name for info in found.values()} == {
        "_person", "person", "text", "checked_moods", "moods", "_mood", "mood", "floats",
        "float8", "nothing", "_box", "box", "point",
    }  # fmt: skip


@pytest.mark.postgres(min=14)
def test_a_multirange_comes_with_its_range(database: FreshDatabase) -> None:
    catalog = Catalog(Database(database.dsn))

    assert {info.name for info in catalog.types([6151]).values()} == {
        "_nummultirange",
        "nummultirange",
        "numrange",
        "numeric",
    }


def test_a_type_that_is_gone_is_left_out(newest_database: FreshDatabase) -> None:
    assert set(Catalog(Database(newest_database.dsn)).types([4_000_000_000, 23])) == {23}


def test_the_primary_key_has_the_order_of_the_key(newest_database: FreshDatabase) -> None:
    admin = newest_database.connect()
    admin.execute("CREATE TABLE t (a int, b int, c int, PRIMARY KEY (c, a) INCLUDE (b))")
    admin.execute("CREATE TABLE keyless (a int UNIQUE)")

    def key(table: str) -> tuple[str, ...]:
        (oid,) = admin.execute("SELECT %s::regclass::oid", [table]).fetchone()  # type: ignore[misc]
        return Catalog(admin).primary_key(oid)

    assert key("t") == ("c", "a")
    assert key("keyless") == ()


def test_every_replica_identity_marks_the_columns_that_the_stream_marks(
    database: FreshDatabase,
) -> None:
    admin = database.connect()
    admin.execute(
        """
        CREATE TABLE by_key (a int, "B b" varchar(9), c numeric(9, 2), PRIMARY KEY (c, a));
        CREATE TABLE by_index (a int PRIMARY KEY, b int NOT NULL);
        CREATE UNIQUE INDEX by_index_b ON by_index (b) INCLUDE (a);
        ALTER TABLE by_index REPLICA IDENTITY USING INDEX by_index_b;
        CREATE TABLE whole (a int PRIMARY KEY, dropped int, b text);
        ALTER TABLE whole REPLICA IDENTITY FULL, DROP COLUMN dropped;
        CREATE TABLE nothing (a int PRIMARY KEY);
        ALTER TABLE nothing REPLICA IDENTITY NOTHING;
        CREATE TABLE keyless (a int);
        CREATE TABLE generated (a int PRIMARY KEY, b int GENERATED ALWAYS AS (a * 2) STORED);
        CREATE TABLE parent (a int PRIMARY KEY);
        CREATE TABLE child (b int, PRIMARY KEY (a)) INHERITS (parent);
        CREATE PUBLICATION p FOR ALL TABLES;
        """
    )
    admin.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [SLOT])
    tables = ["by_key", "by_index", "whole", "nothing", "keyless", "generated", "parent", "child"]
    for table in tables:
        values = {"by_key": "1, 'x', 2", "by_index": "1, 1"}.get(table, "1")
        admin.execute(f"INSERT INTO {table} VALUES ({values})")

    published = {t.table: t for t in Catalog(Database(database.dsn)).published_tables("p")}

    streamed = described_by_the_stream(admin, SLOT, "p")
    assert set(published) == set(streamed) == set(tables)
    for table in tables:
        assert_as_in_the_stream(published[table], streamed[table])
    assert published["whole"].replica_identity is ReplicaIdentity.FULL
    assert published["by_key"].primary_key == ("c", "a")
    assert admin.execute(published["parent"].query()).fetchall() == [(1,)]
    assert admin.execute(published["by_key"].query()).fetchone() is not None


@pytest.mark.postgres(min=15)
def test_row_filters_and_column_lists_hold_for_the_query_too(database: FreshDatabase) -> None:
    admin = database.connect()
    admin.execute(
        """
        CREATE SCHEMA app;
        CREATE TYPE app.mood AS ENUM ('sad', 'happy');
        CREATE TABLE orders (id int PRIMARY KEY, secret text, state app.mood, note text);
        INSERT INTO orders VALUES (1, 's', 'sad', '50%'), (2, 's', 'happy', '{}');
        CREATE PUBLICATION p
            FOR TABLE orders (id, note, state) WHERE (id > 1 AND note <> '50%');
        """
    )
    admin.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [SLOT])
    admin.execute("INSERT INTO orders VALUES (3, 's', 'sad', 'n')")

    (orders,) = Catalog(Database(database.dsn)).published_tables("p")

    assert_as_in_the_stream(orders, described_by_the_stream(admin, SLOT, "p")["orders"])
    assert [column.name for column in orders.columns] == ["id", "state", "note"]
    with Database(database.dsn).connect() as session:
        assert session.execute(orders.query()).fetchall() == [(2, "happy", "{}"), (3, "sad", "n")]


@pytest.mark.postgres(min=18)
def test_generated_columns_are_read_where_the_publication_sends_them(
    database: FreshDatabase,
) -> None:
    admin = database.connect()
    admin.execute(
        """
        CREATE TABLE t (a int PRIMARY KEY, b int GENERATED ALWAYS AS (a * 2) STORED);
        CREATE PUBLICATION stored FOR TABLE t WITH (publish_generated_columns = stored);
        CREATE PUBLICATION listed FOR TABLE t (a, b);
        CREATE PUBLICATION without FOR TABLE t;
        """
    )
    admin.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [SLOT])
    catalog = Catalog(Database(database.dsn))

    for publication, names in (("stored", ["a", "b"]), ("listed", ["a", "b"]), ("without", ["a"])):
        admin.execute("DELETE FROM t")
        admin.execute("INSERT INTO t VALUES (1)")
        (table,) = catalog.published_tables(publication)
        assert [column.name for column in table.columns] == names
        streamed = described_by_the_stream(admin, SLOT, publication)["t"]
        assert_as_in_the_stream(table, streamed)


@pytest.mark.parametrize("via_root", [True, False])
def test_partitions_stand_under_the_name_that_the_stream_uses(
    database: FreshDatabase, via_root: bool
) -> None:
    admin = database.connect()
    admin.execute(
        f"""
        CREATE TABLE measures (day int, v int, PRIMARY KEY (day)) PARTITION BY RANGE (day);
        CREATE TABLE early PARTITION OF measures FOR VALUES FROM (0) TO (10);
        CREATE TABLE late (v int, day int NOT NULL);
        ALTER TABLE measures ATTACH PARTITION late FOR VALUES FROM (10) TO (20);
        CREATE PUBLICATION p FOR TABLE measures WITH (publish_via_partition_root = {via_root});
        """
    )
    admin.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [SLOT])
    admin.execute("INSERT INTO measures VALUES (1, 1), (11, 2)")
    admin.execute("ANALYZE")

    published = {t.table: t for t in Catalog(Database(database.dsn)).published_tables("p")}

    assert set(published) == ({"measures"} if via_root else {"early", "late"})
    streamed = described_by_the_stream(admin, SLOT, "p")
    for name, table in published.items():
        assert_as_in_the_stream(table, streamed[name])
        assert table.partitioned is via_root
    assert sum(len(admin.execute(t.query()).fetchall()) for t in published.values()) == 2
    assert sum(t.estimated_rows for t in published.values()) == 2


def test_a_missing_publication_sends_nothing(newest_database: FreshDatabase) -> None:
    assert Catalog(Database(newest_database.dsn)).published_tables("nowhere") == []


def test_a_failed_query_is_explained(newest_database: FreshDatabase) -> None:
    session = newest_database.connect()
    session.execute("SET default_transaction_read_only = on")
    session.execute("BEGIN")
    with pytest.raises(psycopg.Error):
        session.execute("SELECT 1 / 0")

    with pytest.raises(EnvironmentProblem, match="Reading the types failed"):
        Catalog(session).types([23])
