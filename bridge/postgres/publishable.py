"""Which tables a publication can take, and which of them a configuration means."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bridge.core.errors import EnvironmentProblem
from bridge.core.table_patterns import EVERY_TABLE, TablePattern
from bridge.postgres.connection import Connection
from sql import load

_KINDS = {
    "v": "a view",
    "m": "a materialized view",
    "f": "a foreign table",
    "S": "a sequence",
}
_PERSISTENCE = {
    "u": "unlogged, so its changes are not in the WAL",
    "t": "temporary, so its changes are not in the WAL",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class UserRelation:
    """A relation that is not the system's.

    Attributes:
        oid: of the relation.
        schema: its schema.
        name: its name.
        obstacle: why it can never be published, in words that follow "is"; None if it can.
        ancestors: OIDs of the partitioned tables that it is a partition of.
        inherited: whether ordinary tables inherit from it.
        has_identity: whether UPDATE and DELETE work on it once it is published.
    """

    oid: int
    schema: str
    name: str
    obstacle: str | None
    ancestors: frozenset[int]
    inherited: bool
    has_identity: bool

    @property
    def qualified_name(self) -> str:
        """``schema.name``, unquoted."""
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What patterns mean.

    Attributes:
        tables: to be published, by name; a partitioned table stands for its partitions.
        skipped: matched by a pattern with a star, but not publishable.
    """

    tables: tuple[UserRelation, ...]
    skipped: tuple[UserRelation, ...] = ()


def user_relations(session: Connection) -> list[UserRelation]:
    """Return every relation of users, by name.

    Raises:
        psycopg.Error: the server does not answer.
    """
    # No arguments, but the text is written for a statement that has some.
    rows = session.execute(load("publications/relations.sql"), {}).fetchall()
    return [
        UserRelation(
            oid=oid,
            schema=schema,
            name=name,
            obstacle=_KINDS.get(kind) or _PERSISTENCE.get(persistence),
            ancestors=frozenset(ancestors),
            inherited=inherited,
            has_identity=bool(has_identity),
        )
        for oid, schema, name, kind, persistence, ancestors, inherited, has_identity in rows
    ]


def select_tables(patterns: Sequence[str], relations: Iterable[UserRelation]) -> Wanted:
    """Return the tables that the patterns mean.

    Raises:
        ConfigError: a pattern is none.
        EnvironmentProblem: a pattern matches nothing, or names something that is no table.
    """
    relations = list(relations)
    chosen: dict[int, UserRelation] = {}
    skipped: dict[int, UserRelation] = {}
    for text in patterns:
        pattern = TablePattern.parse(text, setting="source.tables")
        matching = [r for r in relations if pattern.matches(r.schema, r.name)]
        usable = [r for r in matching if r.obstacle is None]
        if pattern.names_one and matching and not usable:
            raise EnvironmentProblem(
                f"{matching[0].qualified_name} cannot be published: it is {matching[0].obstacle}.",
                remedy="Leave it out of source.tables.",
            )
        if not usable and text.strip() != EVERY_TABLE:
            raise _nothing_matches(pattern, relations)
        chosen.update((r.oid, r) for r in usable)
        skipped.update((r.oid, r) for r in matching if r.obstacle is not None)
    tables = (r for r in chosen.values() if not r.ancestors & chosen.keys())
    return Wanted(
        tuple(sorted(tables, key=lambda r: r.qualified_name)),
        # Nobody expects changes of views and sequences.
        tuple(r for r in skipped.values() if r.obstacle in _PERSISTENCE.values()),
    )


def _nothing_matches(
    pattern: TablePattern, relations: Sequence[UserRelation]
) -> EnvironmentProblem:
    names = [r.qualified_name for r in relations if r.obstacle is None]
    near = difflib.get_close_matches(pattern.text.strip(), names, n=1, cutoff=0.5)
    if pattern.names_one:
        remedy = f"Did you mean {near[0]}?" if near else "Create it first, or correct the name."
        return EnvironmentProblem(f"There is no table {pattern.text.strip()}.", remedy=remedy)
    schemas = sorted({r.schema for r in relations})
    return EnvironmentProblem(
        f"No table matches {pattern.text.strip()}.",
        remedy=f"The schemas with tables are: {', '.join(schemas) or 'none'}.",
    )
