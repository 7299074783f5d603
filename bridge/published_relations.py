"""The published tables as the stream describes them, before it begins."""

from __future__ import annotations

from bridge.core.relation import Relation, make_columns
from bridge.core.types import BUILTIN_TYPES
from bridge.core.values import ValueStyle
from bridge.postgres.catalog import Catalog
from bridge.postgres.connection import Database


def published_relations(database: Database, publication: str, style: ValueStyle) -> list[Relation]:
    """Return the tables of a publication as they are in the database now.

    Args:
        database: the source.
        publication: its name; it has to exist.
        style: how values are written.

    Raises:
        EnvironmentProblem: the server refuses to answer.
        Transient: the server is away.
    """
    catalog = Catalog(database)
    tables = catalog.published_tables(publication)
    oids = {column.type_oid for table in tables for column in table.columns}
    types = {**BUILTIN_TYPES, **catalog.types(oids - set(BUILTIN_TYPES))}
    return [
        Relation(
            oid=table.oid,
            schema=table.schema,
            table=table.table,
            replica_identity=table.replica_identity,
            columns=make_columns(
                [(c.name, c.type_oid, c.type_modifier, c.in_identity) for c in table.columns],
                types,
                style,
            ),
            primary_key=table.primary_key,
        )
        for table in tables
    ]
