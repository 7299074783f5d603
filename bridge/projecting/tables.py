"""Whether the server sends what projections read: asked before the stream begins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bridge.core.errors import BridgeError, EnvironmentProblem
from bridge.core.table_patterns import TablePattern
from bridge.postgres.catalog import Catalog, PublishedTable
from bridge.postgres.changelog_tables import full_identity
from bridge.postgres.connection import Database
from bridge.postgres.preflight.finding import Finding, failed, passed
from bridge.postgres.publications import Publications
from bridge.projecting.projection import Projection

_SINCE_MESSAGES = 140_000
"""The first version of the server that sends logical messages through a publication."""


def check_projected_tables(
    database: Database, publication: str, projections: Sequence[Projection]
) -> None:
    """Check that everything that projections read comes.

    Args:
        database: the source.
        publication: its name.
        projections: all of them.

    Raises:
        EnvironmentProblem: something would be missing in silence.
        Transient: the server is away.
    """
    if projections:
        for message, remedy in _problems(database, publication, projections):
            raise EnvironmentProblem(message, remedy=remedy)


def projection_findings(
    database: Database, publication: str, projections: Sequence[Projection]
) -> list[Finding]:
    """Return the same as findings of ``pgbridge doctor``.

    A server that is away and a publication that does not exist yet have findings of their own.
    """
    name = "publication.projections"
    try:
        if not projections or Publications(database).get(publication) is None:
            return []
        problems = list(_problems(database, publication, projections))
    except BridgeError:
        return []
    if not problems:
        return [passed(name, "Tables of projections are published, with the old rows they need.")]
    return [failed(name, message, remedy) for message, remedy in problems]


def _problems(
    database: Database, publication: str, projections: Sequence[Projection]
) -> Iterator[tuple[str, str]]:
    """Yield what is wrong, and what helps; the publication has to exist."""
    published = Catalog(database).published_tables(publication)
    for projection in projections:
        if projection.messages and database.server_version < _SINCE_MESSAGES:
            yield (
                f"Projection {projection.name!r} takes messages, which this server does not send.",
                "Use PostgreSQL 14 or newer, or an outbox table.",
            )
        for source in projection.sources:
            for name in source.tables:
                pattern = TablePattern.parse(name, setting="tables")
                tables = [it for it in published if pattern.matches(it.schema, it.table)]
                if not tables:
                    yield (
                        f"Projection {projection.name!r} reads {name}, which publication "
                        f"{publication!r} does not send.",
                        "Add it to source.tables, or to the publication; names are compared as "
                        "they are in the catalog.",
                    )
                for table in tables:
                    lacking = source.old_values.lacking(table.replica_identity, _columns(table))
                    if lacking is not None:
                        yield (
                            f"Projection {projection.name!r} reads {lacking} of "
                            f"{table.qualified_name}, of which the server does not send what a row "
                            "was before it changed.",
                            f"Run: {full_identity([table])}",
                        )


def _columns(table: PublishedTable) -> dict[str, bool]:
    return {column.name: column.in_identity for column in table.columns}
