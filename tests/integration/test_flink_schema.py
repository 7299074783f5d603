"""`pgbridge flink-sql` takes the types of columns from a real server."""

from __future__ import annotations

from pathlib import Path

from bridge.config import load_config
from bridge.core.relation import ReplicaIdentity
from bridge.flink.schema import relations_of_database
from bridge.flink.types import flink_type
from tests.fixtures.databases import Database


def test_types_are_those_of_the_published_columns(database: Database, tmp_path: Path) -> None:
    database.connect().execute(
        """
        CREATE TYPE mood AS ENUM ('sad', 'happy');
        CREATE DOMAIN price AS numeric(8, 3);
        CREATE TABLE items (id bigint PRIMARY KEY, amount numeric(10, 2), rate numeric,
                            feeling mood, cost price, made_at timestamptz, details jsonb);
        ALTER TABLE items REPLICA IDENTITY FULL;
        CREATE PUBLICATION flink_types FOR TABLE items;
        """
    )
    path = tmp_path / "pgbridge.yaml"
    path.write_text(
        f"source: {{dsn: '{database.dsn}', publication: flink_types}}\nsinks: [{{type: stdout}}]\n"
    )
    (items,) = relations_of_database(load_config(path, environ={}))
    assert items.qualified_name == "public.items"
    assert items.replica_identity is ReplicaIdentity.FULL
    types = {column.name: flink_type(column) for column in items.columns}
    assert {name: None if t is None else t.name for name, t in types.items()} == {
        "id": "BIGINT",
        "amount": "DECIMAL(10, 2)",
        "rate": "STRING",
        "feeling": "STRING",
        "cost": "STRING",
        "made_at": "TIMESTAMP_LTZ(6)",
        "details": None,
    }
