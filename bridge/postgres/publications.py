"""Publications: which tables the server sends (https://www.postgresql.org/docs/current/logical-replication-publication.html).

A publication must exist before the slot: the server looks it up in the catalog as it was at each
change. And it acts on the application too: UPDATE and DELETE fail on a published table that has no
replica identity. So a change of a publication is planned first, and refused if it would do that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import sql

from bridge.core.errors import EnvironmentProblem
from bridge.core.table_patterns import EVERY_TABLE
from bridge.postgres.connection import Connection, Database
from bridge.postgres.publishable import (
    UserRelation,
    Wanted,
    select_tables,
    user_relations,
)
from bridge.postgres.server_errors import explain
from sql import load

ALL_OPERATIONS = ("insert", "update", "delete", "truncate")

_NEEDS_IDENTITY = {"update", "delete"}
_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """A publication as it is.

    Attributes:
        name: of the publication.
        oid: changes when it is dropped and created again.
        owner: the role.
        all_tables: whether it is FOR ALL TABLES.
        via_root: whether partitions are sent under the name of their root.
        operations: what it sends, out of ``ALL_OPERATIONS``.
        table_oids: of the tables that it names.
        schemas: that it names as a whole (PostgreSQL 15 and newer).
    """

    name: str
    oid: int
    owner: str
    all_tables: bool
    via_root: bool
    operations: tuple[str, ...]
    table_oids: frozenset[int]
    schemas: tuple[str, ...]

    def includes(self, relation: UserRelation) -> bool:
        """Whether the publication covers a table, by itself or with what it is a part of."""
        return (
            self.all_tables
            or relation.oid in self.table_oids
            or bool(relation.ancestors & self.table_oids)
            or relation.schema in self.schemas
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicationPlan:
    """What has to be done so that a publication holds the tables that are wanted.

    Attributes:
        name: of the publication.
        exists: whether it exists already.
        statements: SQL to run, in order; empty if all is well.
        added: names of tables that come in.
        removed: names of tables that go out.
        notes: what an operator should know, in sentences.
    """

    name: str
    exists: bool
    statements: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Publications:
    """Works on the publications of a database.

    Every method may raise ``Transient`` if the server is away and ``EnvironmentProblem`` if it
    refuses; further errors are named with the methods.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, name: str) -> Publication | None:
        """Return the publication, None if there is none of this name."""
        with self._session(f"looking at publication {name!r}") as session:
            return _get(session, name)

    def ensure(self, name: str, tables: Sequence[str] | None) -> PublicationPlan:
        """Make the publication hold these tables: ``plan`` and ``apply`` in one."""
        plan = self.plan(name, tables)
        self.apply(plan)
        return plan

    def plan(self, name: str, tables: Sequence[str] | None) -> PublicationPlan:
        """Find out what has to be done. Changes nothing.

        Args:
            name: of the publication.
            tables: patterns, see ``bridge.core.table_patterns``; ``["*"]`` for every table,
                those of the future too. None to take the publication as it is.

        Raises:
            ConfigError: a pattern is none.
            EnvironmentProblem: the publication is missing and nobody says what it should hold; a
                table is missing; or publishing a table would break the application's writes.
        """
        with self._session(f"looking at publication {name!r}") as session:
            existing = _get(session, name)
            if tables is None:
                return _adopt(name, existing)
            wanted = select_tables(tables, relations := user_relations(session))
            if existing is None:
                return _create(session, name, wanted, every=_means_every(tables))
            if existing.all_tables:
                return _keep_all_tables(existing, wanted, every=_means_every(tables))
            return _alter(session, existing, wanted, relations, every=_means_every(tables))

    def apply(self, plan: PublicationPlan) -> None:
        """Carry out a plan, as a whole or not at all."""
        if not plan.statements:
            return
        verb = "changing" if plan.exists else "creating"
        with (
            self._session(f"{verb} publication {plan.name!r}") as session,
            session.transaction(),
        ):
            for statement in plan.statements:
                session.execute(statement.encode())

    @contextmanager
    def _session(self, doing: str) -> Iterator[Connection]:
        with self._database.connect() as connection:
            try:
                yield connection
            except psycopg.Error as error:
                raise explain(error, doing=doing) from error


def _get(session: Connection, name: str) -> Publication | None:
    row = session.execute(load("publications/get.sql"), {"name": name}).fetchone()
    if row is None:
        return None
    oid, all_tables, via_root, operations, owner, table_oids = row
    schemas: list[tuple[str]] = []
    if session.info.server_version >= 150000:
        schemas = session.execute(load("publications/schemas.sql"), {"publication": oid}).fetchall()
    return Publication(
        name=name,
        oid=oid,
        owner=owner,
        all_tables=all_tables,
        via_root=via_root,
        operations=tuple(operations),
        table_oids=frozenset(table_oids),
        schemas=tuple(schema for (schema,) in schemas),
    )


def _adopt(name: str, existing: Publication | None) -> PublicationPlan:
    if existing is None:
        raise EnvironmentProblem(
            f"There is no publication {name!r}, and source.tables does not say what it should "
            "hold.",
            remedy="List the tables in source.tables and run `pgbridge init`, or let the owner of "
            f"the tables run: CREATE PUBLICATION {_quoted(name)} FOR TABLE ... WITH "
            "(publish_via_partition_root = true);",
        )
    return PublicationPlan(name=name, exists=True)


def _create(session: Connection, name: str, wanted: Wanted, *, every: bool) -> PublicationPlan:
    _check_identities(name, wanted.tables)
    if every:
        statement = sql.SQL(load("publications/create_for_all_tables.sql")).format(
            publication=sql.Identifier(name)
        )
    else:
        statement = _statement("create", name, wanted.tables)
    return PublicationPlan(
        name=name,
        exists=False,
        statements=(_text(statement, session),),
        added=_names(wanted.tables),
        notes=_notes_on(wanted),
    )


def _keep_all_tables(existing: Publication, wanted: Wanted, *, every: bool) -> PublicationPlan:
    if not every:
        raise EnvironmentProblem(
            f"Publication {existing.name!r} is FOR ALL TABLES, but source.tables lists some.",
            remedy='Say tables: ["*"] or leave source.tables out; or use another publication and '
            "a new slot.",
        )
    endangered = _without_identity(wanted.tables)
    notes = _notes_on(wanted)
    if endangered and _NEEDS_IDENTITY & set(existing.operations):
        notes += (f"UPDATE and DELETE fail on {_listed(endangered)}: no replica identity.",)
    return PublicationPlan(name=existing.name, exists=True, notes=notes)


def _alter(
    session: Connection,
    existing: Publication,
    wanted: Wanted,
    relations: Iterable[UserRelation],
    *,
    every: bool,
) -> PublicationPlan:
    added = tuple(r for r in wanted.tables if not existing.includes(r))
    if _NEEDS_IDENTITY & set(existing.operations):
        _check_identities(existing.name, added)
    wanted_oids = {r.oid for r in wanted.tables}
    removed = tuple(
        r for r in relations if r.oid in existing.table_oids and r.oid not in wanted_oids
    )
    statements = []
    if added:
        statements.append(_statement("add_tables", existing.name, added))
    if removed:
        statements.append(_statement("drop_tables", existing.name, removed))
    notes = _notes_on(wanted)
    if every:
        notes += (
            f"Publication {existing.name!r} lists its tables: tables that are created later are "
            "not in it until `pgbridge init` or `run` is started again.",
        )
    if not existing.via_root and any(r.ancestors for r in relations if existing.includes(r)):
        notes += (
            f"Publication {existing.name!r} sends partitions under their own names "
            "(publish_via_partition_root = false).",
        )
    missing = [o for o in ALL_OPERATIONS if o not in existing.operations]
    if missing:
        notes += (f"Publication {existing.name!r} does not send {', '.join(missing)}.",)
    return PublicationPlan(
        name=existing.name,
        exists=True,
        statements=tuple(_text(statement, session) for statement in statements),
        added=_names(added),
        removed=_names(removed),
        notes=notes,
    )


def _check_identities(publication: str, tables: Iterable[UserRelation]) -> None:
    endangered = _without_identity(tables)
    if not endangered:
        return
    example = endangered[0].qualified_name
    raise EnvironmentProblem(
        f"Publication {publication!r} cannot take {_listed(endangered)}: without a replica "
        "identity, the application's UPDATE and DELETE would fail there as soon as it is "
        "published.",
        remedy=f"Give each a primary key, or run: ALTER TABLE {example} REPLICA IDENTITY FULL; "
        "(for partitions on each partition), or leave it out of source.tables.",
    )


def _without_identity(tables: Iterable[UserRelation]) -> list[UserRelation]:
    return [table for table in tables if not table.has_identity]


def _notes_on(wanted: Wanted) -> tuple[str, ...]:
    return tuple(f"{r.qualified_name} is left out: it is {r.obstacle}." for r in wanted.skipped)


def _statement(file: str, publication: str, tables: Iterable[UserRelation]) -> sql.Composed:
    # ONLY keeps tables that inherit from this one out; partitions always come with their root.
    names = (
        sql.SQL("ONLY {}" if table.inherited else "{}").format(
            sql.Identifier(table.schema, table.name)
        )
        for table in tables
    )
    return sql.SQL(load(f"publications/{file}.sql").strip()).format(
        publication=sql.Identifier(publication), tables=sql.SQL(", ").join(names)
    )


def _text(statement: sql.Composed, session: Connection) -> str:
    return statement.as_string(session).strip()


def _means_every(tables: Sequence[str]) -> bool:
    return [pattern.strip() for pattern in tables] == [EVERY_TABLE]


def _names(tables: Iterable[UserRelation]) -> tuple[str, ...]:
    return tuple(table.qualified_name for table in tables)


def _listed(tables: Sequence[UserRelation]) -> str:
    names = ", ".join(_names(tables[:_SHOWN]))
    more = len(tables) - _SHOWN
    return f"{names} and {more} more" if more > 0 else names


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
