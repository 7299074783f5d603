"""Accounts, changes of them, and what a projection makes of those."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from bridge.config.event_store import StoreConfig
from bridge.config.projections import AggregateConfig, ProjectionConfig
from bridge.core.events import CdcEvent, Operation, Texts
from bridge.core.relation import Relation, ReplicaIdentity
from bridge.eventsourcing.records import NewEvent, Write
from bridge.projecting import Projection, make_projections
from tests.fixtures.events import make_event, make_relation

ACCOUNTS = make_relation(
    {"id": "int8", "balance": "numeric", "owner": "text"},
    key=["id"],
    table="user_accounts",
    replica_identity=ReplicaIdentity.FULL,
)
KEYS_ONLY = make_relation(
    {"id": "int8", "balance": "numeric", "owner": "text"}, key=["id"], table="user_accounts"
)
MEMORY = StoreConfig(type="memory")


def project_with(**settings: Any) -> Projection:
    """Return a projection that is called ``accounts``."""
    [projection] = make_projections([ProjectionConfig(name="accounts", store=MEMORY, **settings)])
    return projection


def of_table(**settings: Any) -> Projection:
    """Return a projection of the table of accounts."""
    return project_with(aggregates=(AggregateConfig(table="public.user_accounts", **settings),))


def change(
    operation: str,
    row: Texts | None = None,
    old: Texts | None = None,
    *,
    relation: Relation = ACCOUNTS,
    ordinal: int = 0,
) -> CdcEvent:
    """Return a change of an account."""
    kind = Operation[operation.upper()]
    return make_event(ordinal=ordinal, row=row, old=old, operation=kind, relation=relation)


def told(projection: Projection, *changes: CdcEvent) -> list[tuple[str, str, str, Any]]:
    """Return type and id of the aggregate, type and data of each event, in order."""
    return [
        (write.aggregate_type, write.aggregate_id, event.event_type, json.loads(event.data))
        for write in projection.project(changes)
        for event in write.events
    ]


def events_of(writes: Sequence[Write]) -> list[NewEvent]:
    """Return the events of all writes."""
    return [event for write in writes for event in write.events]
