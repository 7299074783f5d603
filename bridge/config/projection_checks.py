"""Checks of projections that need no table: what they are made of, and whether SQL can be read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bridge.config.problems import Findings, Path
from bridge.config.projections import AggregateConfig, EventRuleConfig, ProjectionConfig
from bridge.core.errors import ConfigError
from bridge.core.table_patterns import TablePattern

_ROW_THAT_IS_NOT_THERE = {"insert": "old", "read": "old", "delete": "new"}
"""Operation to the row that it does not have."""


def check_projections(projections: Sequence[ProjectionConfig | None], findings: Findings) -> None:
    """Report what is missing, what excludes each other, and what cannot be read.

    Args:
        projections: in the order of the file; None stands for one that could not be read.
        findings: gets the problems.
    """
    taken: dict[str, int] = {}
    for i, projection in enumerate(projections):
        if projection is None:
            continue
        path: Path = ("projections", i)
        if taken.setdefault(projection.name, i) != i:
            findings.add(
                (*path, "name"),
                f"two projections are called {projection.name!r} (the other is "
                f"projections[{taken[projection.name]}]); give each a name of its own.",
            )
        _check_kind(projection, path, findings)
        _check_tables(projection, path, findings)
        for n, aggregate in enumerate(projection.aggregates):
            _check_aggregate(aggregate, (*path, "aggregates", n), findings)


def _check_kind(projection: ProjectionConfig, path: Path, findings: Findings) -> None:
    own = [name for name in ("aggregates", "outbox", "messages") if getattr(projection, name)]
    if projection.python is not None and own:
        findings.add((*path, own[0]), "does not belong to a projection with python.")
    if projection.python is None and not own:
        findings.add(path, "needs aggregates, outbox, messages, or python: what becomes an event.")


def _check_tables(projection: ProjectionConfig, path: Path, findings: Findings) -> None:
    tables = [(("aggregates", n, "table"), it.table) for n, it in enumerate(projection.aggregates)]
    tables += [(("outbox", n, "table"), it.table) for n, it in enumerate(projection.outbox)]
    for at, table in tables:
        try:
            pattern = TablePattern.parse(table, setting="table")
        except ConfigError as error:
            findings.add((*path, *at), str(error))
            continue
        if not pattern.names_one:
            findings.add((*path, *at), "has to be the name of one table, without `*`.")


def _check_aggregate(aggregate: AggregateConfig, path: Path, findings: Findings) -> None:
    from bridge.expressions import Expression  # its parser is imported on use

    if aggregate.id is not None:
        try:
            expression = Expression(aggregate.id)
        except ConfigError as error:
            findings.add((*path, "id"), str(error))
        else:
            foreign = [f"{row}.{name}" for row, name in expression.columns if row != "row"]
            if foreign:
                findings.add(
                    (*path, "id"),
                    f"has to name columns without new and old, not {foreign[0]}: it is read of the "
                    "row before and after a change.",
                )
    for n, rule in enumerate(aggregate.events):
        for at, message in _problems(rule):
            findings.add((*path, "events", n, *at), message)


def _problems(rule: EventRuleConfig) -> Iterator[tuple[Path, str]]:
    from bridge.expressions import Condition, Expression

    texts: list[tuple[Path, type[Expression], str]] = []
    if rule.when is not None:
        texts.append((("when",), Condition, rule.when))
    texts += [(("data", name), Expression, text) for name, text in (rule.data or {}).items()]
    lacking = _ROW_THAT_IS_NOT_THERE.get(rule.on)
    for at, kind, text in texts:
        try:
            expression = kind(text)
        except ConfigError as error:
            yield at, str(error)
            continue
        for row, name in expression.columns:
            if row == lacking:
                yield (
                    at,
                    f"names {row}.{name}, and the event is on {rule.on}: there is none.",
                )
                break
