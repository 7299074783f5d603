"""The least that a role needs to run the bridge: the right to replicate, and to read tables.

The stream itself asks for no right on tables: whoever may replicate receives all rows of a
publication. Reading is for the snapshot
(https://www.postgresql.org/docs/current/logical-replication-security.html).
"""

from __future__ import annotations

from collections.abc import Sequence

import psycopg
from psycopg import sql

from bridge.postgres.catalog import Catalog
from bridge.postgres.connection import Connection, Database
from bridge.postgres.preflight.facts import read_facts
from bridge.postgres.publishable import select_tables, user_relations
from bridge.postgres.server_errors import explain
from sql import load


def plan_grants(
    database: Database, role: str, *, publication: str, tables: Sequence[str] | None
) -> tuple[str, ...]:
    """Return the statements that give a role what it needs. Changes nothing.

    Args:
        database: the source.
        role: an existing role.
        publication: its name.
        tables: patterns of tables, as for the publication; None for what is in it.

    Raises:
        ConfigError: a pattern is none.
        EnvironmentProblem: a table is missing, or the server refuses.
        Transient: the server is away.
    """
    try:
        with database.connect() as session:
            facts = read_facts(session)
            names = _tables(session, publication, tables)
            grantee = sql.Identifier(role)
            may_replicate = facts.cloud.replication_sql.format(role=grantee.as_string(session))
            schemas = dict.fromkeys(schema for schema, _ in names)
            grants = [
                sql.SQL(load("grants/connect.sql")).format(
                    database=sql.Identifier(facts.database), role=grantee
                ),
                *(
                    sql.SQL(load("grants/use_schema.sql")).format(
                        schema=sql.Identifier(schema), role=grantee
                    )
                    for schema in schemas
                ),
                *(
                    sql.SQL(load("grants/select.sql")).format(
                        table=sql.Identifier(schema, table), role=grantee
                    )
                    for schema, table in names
                ),
            ]
            return (may_replicate, *(grant.as_string(session).strip() for grant in grants))
    except psycopg.Error as error:
        raise explain(error, doing=f"looking at what role {role!r} needs") from error


def apply_grants(database: Database, statements: Sequence[str]) -> None:
    """Run the statements, all or none.

    Raises:
        EnvironmentProblem: this role may not, or the other one does not exist.
        Transient: the server is away.
    """
    try:
        with database.connect() as session, session.transaction():
            for statement in statements:
                session.execute(statement.encode())
    except psycopg.Error as error:
        raise explain(error, doing="granting rights") from error


def _tables(
    session: Connection, publication: str, tables: Sequence[str] | None
) -> list[tuple[str, str]]:
    if tables is None:
        return [(t.schema, t.table) for t in Catalog(session).published_tables(publication)]
    wanted = select_tables(tables, user_relations(session))
    return [(relation.schema, relation.name) for relation in wanted.tables]
