"""Checks of the published tables: what comes of them, and may they be read for the snapshot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bridge.core.relation import ReplicaIdentity
from bridge.postgres.catalog import PublishedTable
from bridge.postgres.changelog_tables import full_identity, without_old_rows
from bridge.postgres.connection import Connection
from bridge.postgres.preflight.facts import Facts
from bridge.postgres.preflight.finding import Finding, failed, passed, some
from sql import load


@dataclass(frozen=True, slots=True)
class _Table:
    """A published table, and what the catalog knows besides."""

    published: PublishedTable
    may_use_schema: bool
    may_select: bool
    rows_hidden: bool
    large_columns: list[str]
    generated_columns: list[str]
    plain_columns: list[str]

    @property
    def name(self) -> str:
        return self.published.qualified_name

    @property
    def sent(self) -> set[str]:
        return {column.name for column in self.published.columns}

    @property
    def key(self) -> set[str]:
        return {column.name for column in self.published.columns if column.in_identity}


def check_tables(
    session: Connection,
    facts: Facts,
    published: Sequence[PublishedTable],
    *,
    snapshot: bool,
    changelog: Sequence[str] = (),
) -> Iterator[Finding]:
    """Check the tables of the publication.

    Args:
        session: to ask further.
        facts: what is known of the server.
        published: the tables.
        snapshot: whether their rows will be read.
        changelog: names of those that processors read in changelog mode.
    """
    arguments = {"oids": [table.oid for table in published]}
    rows = session.execute(load("preflight/tables.sql"), arguments).fetchall()
    known = {oid: rest for oid, *rest in rows}
    tables = [_Table(table, *known[table.oid]) for table in published if table.oid in known]
    yield passed("publication.content", f"Tables that are published: {len(published)}.")
    if changelog:
        yield _old_rows(published, changelog)
    yield from _partly_published(tables)
    yield from _large_values(tables)
    yield from _generated_columns(facts, tables)
    if snapshot:
        yield _readable(facts, tables)


def _partly_published(tables: Sequence[_Table]) -> Iterator[Finding]:
    parts = []
    for table in tables:
        hidden = [column for column in table.plain_columns if column not in table.sent]
        if table.published.row_filter is not None:
            parts.append(f"{table.name} WHERE {table.published.row_filter}")
        if hidden:
            parts.append(f"{table.name} without {', '.join(hidden)}")
    if parts:
        yield passed(
            "publication.parts",
            f"Only parts are published: {some(parts)}. An UPDATE that moves a row over the "
            "border of a filter comes as an Insert or a Delete.",
        )


def _old_rows(published: Sequence[PublishedTable], changelog: Sequence[str]) -> Finding:
    name = "publication.changelog"
    lacking = without_old_rows(published, changelog)
    if not lacking:
        return passed(name, "Tables of processors in changelog mode send their old rows.")
    return failed(
        name,
        f"Processors in changelog mode need the old rows of "
        f"{some([table.qualified_name for table in lacking])}, and the server does not send them.",
        f"Run: {full_identity(lacking)}",
    )


def _large_values(tables: Sequence[_Table]) -> Iterator[Finding]:
    large = [
        f"{table.name}.{column}"
        for table in tables
        if table.published.replica_identity is not ReplicaIdentity.FULL
        for column in table.large_columns
        if column in table.sent - table.key
    ]
    if large:
        yield passed(
            "publication.toast",
            "A large value that an UPDATE leaves alone is not sent, and named in `unchanged`: "
            f"{some(large)}.",
            "Where consumers need it: ALTER TABLE ... REPLICA IDENTITY FULL;",
        )


def _generated_columns(facts: Facts, tables: Sequence[_Table]) -> Iterator[Finding]:
    generated = [
        f"{table.name}.{column}"
        for table in tables
        for column in table.generated_columns
        if column not in table.sent
    ]
    if generated:
        yield passed(
            "publication.generated_columns",
            f"Generated columns are not sent: {some(generated)}.",
            "To send them: ALTER PUBLICATION ... SET (publish_generated_columns = stored);"
            if facts.major >= 18
            else "PostgreSQL 18 can send them.",
        )


def _readable(facts: Facts, tables: Sequence[_Table]) -> Finding:
    name = "permissions.snapshot"
    grants = []
    for table in tables:
        schema, relation = _quoted(table.published.schema), _quoted(table.published.table)
        if not table.may_use_schema:
            grants.append(f"GRANT USAGE ON SCHEMA {schema} TO {facts.quoted_role};")
        if not table.may_select:
            grants.append(f"GRANT SELECT ON {schema}.{relation} TO {facts.quoted_role};")
    if grants:
        return failed(
            name,
            f"Role {facts.role} may not read every published table, and the snapshot fails.",
            " ".join(dict.fromkeys(grants)),
        )
    hidden = [table.name for table in tables if table.rows_hidden]
    if hidden:
        return failed(
            name,
            f"Row-level security hides rows of {some(hidden)} from role {facts.role}.",
            f"As a superuser run: ALTER ROLE {facts.quoted_role} BYPASSRLS; (the stream sends all "
            "rows anyway).",
        )
    return passed(name, f"Role {facts.role} may read every published table.")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
