"""Whether the tables that processors read have what their definitions name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bridge.core.errors import BridgeError, ConfigError, EnvironmentProblem
from bridge.core.relation import Relation
from bridge.core.values import ValueStyle
from bridge.dataflow.dataflow import Dataflow
from bridge.postgres.connection import Database
from bridge.postgres.preflight.finding import Finding, failed, passed
from bridge.postgres.publications import Publications
from bridge.published_relations import published_relations

_NAME = "publication.processors"


def check_processor_tables(
    database: Database, publication: str, style: ValueStyle, dataflows: Sequence[Dataflow]
) -> None:
    """Check that a stream that begins now has what processors name, before anything of it is made.

    A stream that goes on may be behind its tables, so only the stream itself can tell then.

    Args:
        database: the source.
        publication: its name; it has to exist.
        style: how values are written.
        dataflows: all of them.

    Raises:
        ConfigError: a table lacks what a definition names, or has it in another type.
        EnvironmentProblem: a table that a definition names would not come.
        Transient: the server is away.
    """
    if not dataflows:
        return
    relations = published_relations(database, publication, style)
    for dataflow in dataflows:
        for problem in _problems(dataflow, relations, every_pattern=False):
            raise problem


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
    problems = [
        problem
        for dataflow in dataflows
        for problem in _problems(dataflow, relations, every_pattern=True)
    ]
    if not problems:
        return [passed(_NAME, "Tables have the columns that processors name.")]
    return [failed(_NAME, problem.message, problem.remedy) for problem in problems]


def _problems(
    dataflow: Dataflow, relations: Sequence[Relation], *, every_pattern: bool
) -> Iterator[BridgeError]:
    """Yield what is wrong.

    Args:
        dataflow: the processor.
        relations: all tables that are published.
        every_pattern: whether those such as ``sales.*`` have to cover one of them, too. They may
            be for tables that are still to be made.
    """
    for source in dataflow.inputs:
        for pattern in source.tables:
            needed = every_pattern or pattern.names_one
            if needed and not any(
                pattern.matches(r.schema or "", r.table or "") for r in relations
            ):
                yield EnvironmentProblem(
                    f"Processor {dataflow.name!r} reads {pattern.text}, which the publication does "
                    "not send.",
                    remedy="Add it to source.tables, or to the publication; names are compared as "
                    "they are in the catalog.",
                )
        for relation in relations:
            try:
                source.selects(relation)
            except ConfigError as error:
                yield error
