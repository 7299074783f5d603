"""Whether the tables that processors read have what their definitions name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

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
    database: Database,
    publication: str,
    style: ValueStyle,
    dataflows: Sequence[Dataflow],
    *,
    reached: Callable[[Relation], bool] = lambda relation: True,
) -> None:
    """Check that the stream has what processors name that begin now.

    Args:
        database: the source.
        publication: its name; it has to exist.
        style: how values are written.
        dataflows: those that begin, made for this alone.
        reached: whether the stream has come to where a table looks like this. One that is behind
            may bring rows of an older form yet, which the definition fits.

    Raises:
        ConfigError: a table lacks what a definition names, or has it in another type.
        EnvironmentProblem: a table that a definition names would not come.
        Transient: the server is away.
    """
    if not dataflows:
        return
    relations = published_relations(database, publication, style)
    for dataflow in dataflows:
        for problem in _problems(dataflow, relations, reached=reached, every_pattern=False):
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
    problems = [problem for dataflow in dataflows for problem in _problems(dataflow, relations)]
    if not problems:
        return [passed(_NAME, "Tables have the columns that processors name.")]
    return [failed(_NAME, problem.message, problem.remedy) for problem in problems]


def _problems(
    dataflow: Dataflow,
    relations: Sequence[Relation],
    *,
    reached: Callable[[Relation], bool] = lambda relation: True,
    every_pattern: bool = True,
) -> Iterator[BridgeError]:
    """Yield what is wrong.

    Args:
        dataflow: the processor.
        relations: all tables that are published.
        reached: which of them the definition has to fit.
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
        for relation in filter(reached, relations):
            try:
                source.selects(relation)
            except ConfigError as error:
                yield error
