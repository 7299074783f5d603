"""What the catalog knows and the stream does not tell: types, primary keys, what is published."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from bridge.core.relation import ReplicaIdentity
from bridge.core.types import CompositeAttribute, TypeInfo
from bridge.postgres.connection import Connection, Database
from bridge.postgres.server_errors import explain
from sql import load


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedColumn:
    """A column that a publication sends."""

    name: str
    type_oid: int
    type_modifier: int
    in_identity: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedTable:
    """A table as a publication sends it.

    With ``publish_via_partition_root`` a partitioned table stands for its partitions, else each
    partition stands for itself: as in the stream.

    Attributes:
        oid: of the table.
        schema: its schema.
        table: its name.
        columns: those that are sent, in order: column lists apply, and generated columns are left
            out where the server does not send them.
        primary_key: names of its columns, in the order of the key; they need not all be sent.
        replica_identity: what the server logs of old rows.
        row_filter: the publication's WHERE condition as an SQL expression; None for all rows.
        partitioned: whether it is the root of partitions.
        estimated_rows: as of the last VACUUM or ANALYZE; 0 if there was none.
    """

    oid: int
    schema: str
    table: str
    columns: tuple[PublishedColumn, ...]
    primary_key: tuple[str, ...]
    replica_identity: ReplicaIdentity
    row_filter: str | None
    partitioned: bool
    estimated_rows: int

    @property
    def qualified_name(self) -> str:
        """``schema.table``, unquoted."""
        return f"{self.schema}.{self.table}"

    def query(self) -> sql.Composed:
        """Return the SELECT of the rows and columns that the publication would send."""
        # Rows of tables that inherit from this one are published as those tables' own.
        query = sql.SQL("SELECT {} FROM {}{}").format(
            sql.SQL(", ").join(sql.Identifier(column.name) for column in self.columns),
            sql.SQL("" if self.partitioned else "ONLY "),
            sql.Identifier(self.schema, self.table),
        )
        if self.row_filter is not None:
            query += sql.SQL(" WHERE " + self.row_filter)
        return query


class Catalog:
    """Reads the system catalogs (https://www.postgresql.org/docs/current/catalogs.html).

    Args:
        source: a database, to read as of now over a session of its own each time; or a session,
            to read what its transaction sees.

    Every method may raise ``Transient`` or ``EnvironmentProblem`` for a server that does not
    answer.
    """

    def __init__(self, source: Database | Connection) -> None:
        self._source = source

    def types(self, oids: Iterable[int]) -> dict[int, TypeInfo]:
        """Return these types and every type that they are made of, by OID.

        A type that does not exist (any more) is not in the result.
        """
        with self._session("reading the types") as connection:
            rows = connection.execute(load("catalog/types.sql"), {"oids": list(oids)}).fetchall()
        return {row[0]: _type_info(row) for row in rows}

    def primary_key(self, relation_oid: int) -> tuple[str, ...]:
        """Return the columns of a table's primary key, in its order; empty without one."""
        with self._session("reading a primary key") as connection:
            statement = load("catalog/primary_key.sql")
            rows = connection.execute(statement, {"relation": relation_oid}).fetchall()
        return tuple(name for (name,) in rows)

    def published_tables(self, publication: str) -> list[PublishedTable]:
        """Return what the publication sends, ordered by name; empty if it does not exist."""
        with self._session(f"reading publication {publication!r}") as connection:
            arguments = {
                "publication": publication,
                "sends_generated": connection.info.server_version >= 180000,
            }
            rows = connection.execute(load("catalog/published_tables.sql"), arguments).fetchall()
        return [_published_table(row) for row in rows]

    @contextmanager
    def _session(self, doing: str) -> Iterator[Connection]:
        try:
            if isinstance(self._source, Database):
                with self._source.connect() as connection:
                    yield connection
            else:
                yield self._source
        except psycopg.Error as error:
            raise explain(error, doing=doing) from error


def _type_info(row: tuple[Any, ...]) -> TypeInfo:
    oid, schema, name, kind, base_oid, element_oid, delimiter, attributes = row
    return TypeInfo(
        oid=oid,
        schema=schema,
        name=name,
        kind=kind,
        base_oid=base_oid,
        element_oid=element_oid,
        delimiter=delimiter,
        attributes=tuple(
            CompositeAttribute(name=attribute, type_oid=type_oid)
            for attribute, type_oid in attributes or ()
        ),
    )


def _published_table(row: tuple[Any, ...]) -> PublishedTable:
    oid, partitioned, schema, table, identity, row_filter, columns, primary_key, rows = row
    return PublishedTable(
        oid=oid,
        schema=schema,
        table=table,
        columns=tuple(
            PublishedColumn(
                name=name, type_oid=type_oid, type_modifier=modifier, in_identity=in_identity
            )
            for name, type_oid, modifier, in_identity in columns or ()
        ),
        primary_key=tuple(primary_key),
        replica_identity=ReplicaIdentity(identity),
        row_filter=row_filter,
        partitioned=partitioned,
        estimated_rows=rows,
    )
