"""Checks of the publication: is it what the configuration says, and what does it do to tables."""

from __future__ import annotations

from collections.abc import Iterator

from bridge.core.errors import BridgeError
from bridge.postgres.catalog import Catalog
from bridge.postgres.connection import Connection, Database
from bridge.postgres.preflight.facts import Expected, Facts
from bridge.postgres.preflight.finding import Finding, failed, passed, some, warned
from bridge.postgres.preflight.table_checks import check_tables
from bridge.postgres.publications import Publication, PublicationPlan, Publications
from bridge.postgres.publishable import user_relations
from bridge.postgres.slot_view import ReplicationSlot
from sql import load

_SLOT_IS_OLDER = (
    "Where it decodes a change from before, PostgreSQL 17 and older stop with `publication does "
    "not exist`, and 18 leaves the change out."
)
_PUBLICATION_FIRST = (
    "If the stream stops so, drop the slot and start again with a snapshot. Always make the "
    "publication first."
)


def check_publication(
    database: Database,
    session: Connection,
    facts: Facts,
    expected: Expected,
    slot: ReplicationSlot | None,
) -> Iterator[Finding]:
    """Check the publication and the tables in it.

    Args:
        database: to plan with.
        session: to ask further.
        facts: what is known already.
        expected: what the bridge is configured to do.
        slot: its slot; None if it does not exist yet.
    """
    publications = Publications(database)
    publication = publications.get(expected.publication)
    try:
        plan = publications.plan(expected.publication, expected.tables)
    except BridgeError as error:
        yield failed("publication.tables", error.message, error.remedy)
    else:
        yield from _check_plan(session, facts, plan, publication)
    if publication is None:
        if slot is not None:
            yield warned(
                "publication.age",
                f"Slot {slot.name!r} exists before its publication. {_SLOT_IS_OLDER}",
                _PUBLICATION_FIRST,
            )
        return
    yield _identities(session, publication)
    if slot is not None:
        yield _age(session, publication, slot)
    tables = Catalog(session).published_tables(expected.publication)
    if not tables:
        yield warned(
            "publication.content",
            f"Publication {publication.name!r} holds no table: there is nothing to stream.",
            "Add tables to it, or list them in source.tables.",
        )
        return
    yield from check_tables(
        session,
        facts,
        tables,
        snapshot=expected.snapshot and slot is None,
        changelog=expected.changelog_tables,
    )


def _check_plan(
    session: Connection,
    facts: Facts,
    plan: PublicationPlan,
    publication: Publication | None,
) -> Iterator[Finding]:
    name = f"Publication {plan.name!r}"
    for note in plan.notes:
        yield warned("publication.notes", note)
    if not plan.statements:
        yield passed("publication.tables", f"{name} holds what it should.")
        return
    statements = "; ".join(" ".join(statement.split()) for statement in plan.statements)
    if publication is None:
        message = f"{name} does not exist yet."
    else:
        changes = [f"{table} is missing" for table in plan.added]
        changes += [f"{table} is too much" for table in plan.removed]
        message = f"{name} is not what source.tables says: {some(changes)}."
    obstacles = list(_obstacles(session, facts, plan, publication))
    if obstacles:
        yield failed(
            "publication.tables",
            f"{message} This role cannot change that: {'; '.join(obstacles)}.",
            f"Let the owner of the tables or a superuser run: {statements};",
        )
    else:
        yield warned(
            "publication.tables",
            f"{message} The next start changes that.",
            f"`pgbridge init` runs it now: {statements};",
        )


def _obstacles(
    session: Connection, facts: Facts, plan: PublicationPlan, publication: Publication | None
) -> Iterator[str]:
    if facts.superuser:
        return
    if any("FOR ALL TABLES" in statement for statement in plan.statements):
        yield "FOR ALL TABLES needs a superuser"
        return
    if publication is None and not facts.may_create:
        yield f"it has no CREATE on database {facts.database}"
    if publication is not None:
        arguments = {"name": publication.name}
        row = session.execute(load("preflight/publication_rights.sql"), arguments).fetchone()
        if row is not None and not row[0]:
            yield f"the publication belongs to {publication.owner}"
    arguments_of_tables = {"names": list(plan.added)}
    foreign = session.execute(load("preflight/not_owned.sql"), arguments_of_tables).fetchall()
    if foreign:
        yield f"it does not own {some([table for (table,) in foreign])}"


def _identities(session: Connection, publication: Publication) -> Finding:
    name = "publication.replica_identity"
    if not {"update", "delete"} & set(publication.operations):
        return passed(name, "No replica identity is needed: only INSERT and TRUNCATE are sent.")
    bad = [
        relation
        for relation in user_relations(session)
        if relation.obstacle is None
        and not relation.has_identity
        and publication.includes(relation)
    ]
    partitioned = frozenset().union(*(relation.ancestors for relation in bad))
    names = [relation.qualified_name for relation in bad if relation.oid not in partitioned]
    if not names:
        return passed(name, "Every published table has a replica identity.")
    return failed(
        name,
        f"The application's UPDATE and DELETE fail on {some(names)}: published, but without a "
        "replica identity.",
        f"Give each a primary key, or run: ALTER TABLE {names[0]} REPLICA IDENTITY FULL; or take "
        "it out of the publication.",
    )


def _age(session: Connection, publication: Publication, slot: ReplicationSlot) -> Finding:
    name, arguments = "publication.age", {"name": publication.name}
    row = session.execute(load("preflight/publication_rights.sql"), arguments).fetchone()
    if row is None or slot.catalog_xmin_age is None or row[1] > slot.catalog_xmin_age:
        return passed(name, "The publication is older than the slot's position.")
    return warned(
        name,
        f"Publication {publication.name!r} was made or changed after the position of slot "
        f"{slot.name!r}. {_SLOT_IS_OLDER}",
        _PUBLICATION_FIRST,
    )
