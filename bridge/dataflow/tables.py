"""Whether the tables that processors read have what their definitions name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bridge.core.errors import BridgeError, ConfigError
from bridge.core.relation import Relation
from bridge.core.values import ValueStyle
from bridge.dataflow.dataflow import Dataflow
from bridge.postgres.connection import Database
from bridge.postgres.preflight.finding import Finding, failed, passed
from bridge.postgres.publications import Publications
from bridge.published_relations import published_relations

_NAME = "publication.processors"


def processor_findings(
    database: Database, publication: str, style: ValueStyle, dataflows: Sequence[Dataflow]
) -> list[Finding]:
    """Return what ``pgbridge doctor`` says of the tables of processors.

    A server that is away and a publication that does not exist yet have findings of their own.

    Args:
        database: the source.
        publication: its name.
        style: how values are written.
        dataflows: all of them.
    """
    try:
        if not dataflows or Publications(database).get(publication) is None:
            return []
        relations = published_relations(database, publication, style)
    except BridgeError:
        return []
    problems = [problem for dataflow in dataflows for problem in _problems(dataflow, relations)]
    if not problems:
        return [passed(_NAME, "Tables have the columns that processors name.")]
    return [failed(_NAME, message, remedy) for message, remedy in problems]


def _problems(dataflow: Dataflow, relations: Sequence[Relation]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong, and what helps."""
    for source in dataflow.inputs:
        for pattern in source.tables:
            if not any(pattern.matches(r.schema or "", r.table or "") for r in relations):
                yield (
                    f"Processor {dataflow.name!r} reads {pattern.text}, which the publication does "
                    "not send.",
                    "Add it to source.tables, or to the publication; names are compared as they "
                    "are in the catalog.",
                )
        for relation in relations:
            try:
                source.selects(relation)
            except ConfigError as error:
                yield error.message, error.remedy
