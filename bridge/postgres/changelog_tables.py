"""Tables whose changes take back what was: the server has to send the whole old row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bridge.core.errors import EnvironmentProblem
from bridge.core.relation import ReplicaIdentity
from bridge.core.table_patterns import TablePattern
from bridge.postgres.catalog import Catalog, PublishedTable
from bridge.postgres.connection import Database


def check_changelog_tables(database: Database, publication: str, tables: Sequence[str]) -> None:
    """Check that the server sends whole old rows of tables.

    Args:
        database: the source.
        publication: its name.
        tables: names, as processors in changelog mode write them.

    Raises:
        EnvironmentProblem: the replica identity of one of them is not FULL.
    """
    if not tables:
        return
    lacking = without_old_rows(Catalog(database).published_tables(publication), tables)
    if lacking:
        names = ", ".join(table.qualified_name for table in lacking)
        raise EnvironmentProblem(
            f"Processors in changelog mode read {names}, of which the server does not send what a "
            "row was before it changed.",
            remedy=f"Run: {full_identity(lacking)}",
        )


def without_old_rows(
    published: Iterable[PublishedTable], tables: Sequence[str]
) -> list[PublishedTable]:
    """Return those of the tables whose replica identity is not FULL."""
    patterns = [TablePattern.parse(text, setting="processors") for text in tables]
    return [
        table
        for table in published
        if table.replica_identity is not ReplicaIdentity.FULL
        and any(pattern.matches(table.schema, table.table) for pattern in patterns)
    ]


def full_identity(tables: Iterable[PublishedTable]) -> str:
    """Return the commands after which the server sends them."""
    return " ".join(
        f"ALTER TABLE {_quoted(table.schema)}.{_quoted(table.table)} REPLICA IDENTITY FULL;"
        for table in tables
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
