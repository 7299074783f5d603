"""The settings of projections: one ``ProjectionConfig`` for each entry of ``projections``.

As ``bridge.config.model``, this is a vocabulary without behaviour. ``docs/projections.md`` says
what the settings mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from bridge.config.event_store import StoreConfig
from bridge.config.inputs import EXPRESSION, RowOperation

_NAME: Final[dict[str, Any]] = {
    "pattern": r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$",
    "form": "at most 63 letters, digits, dots, dashes and underscores",
}
_TYPE: Final[dict[str, Any]] = {"min_length": 1, "max_length": 200}
_COLUMN: Final[dict[str, Any]] = {"min_length": 1, "max_length": 63}


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRuleConfig:
    """Which change of a row becomes which event.

    Attributes:
        name: the type of the event, such as ``MoneyDeposited``.
        on: ``insert``, ``update``, ``delete``, or ``read`` (existing rows, to which the rules for
            ``insert`` apply if there is none for ``read``).
        when: an SQL condition, such as ``new.balance > old.balance``; what is unknown does not
            hold.
        data: by the name in the event's data, SQL expressions such as
            ``new.balance - old.balance``; the whole row by default.
        version: of the schema of the data.
    """

    name: str = field(metadata=_TYPE)
    on: RowOperation
    when: str | None = field(default=None, metadata=EXPRESSION)
    data: Mapping[str, str] | None = None
    version: int = field(default=1, metadata={"ge": 1})


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregateConfig:
    """A table whose rows are aggregates.

    Attributes:
        table: its name, with its schema.
        type: of the aggregates; the name of the table in the singular by default: ``User`` for
            ``public.users``.
        id: a column or an SQL expression that gives the id of the aggregate; the key of the row by
            default.
        events: which changes become which events; by default ``UserCreated``, ``UserUpdated`` and
            ``UserDeleted``, with the whole row.
    """

    table: str = field(metadata={"min_length": 1})
    type: str | None = field(default=None, metadata=_TYPE)
    id: str | None = field(default=None, metadata=EXPRESSION)
    events: tuple[EventRuleConfig, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxConfig:
    """A table into which the application writes its events; it may delete them at once.

    Attributes:
        table: its name, with its schema.
        id: column with the identifier of the event, a UUID.
        aggregate_type: column with the type of the aggregate.
        aggregate_id: column with the id of the aggregate.
        event_type: column with the type of the event.
        payload: column with the data of the event, a JSON object.
        version: column with the version of the schema of the data; left out, every event has 1.
    """

    table: str = field(metadata={"min_length": 1})
    id: str = field(default="id", metadata=_COLUMN)
    aggregate_type: str = field(default="aggregatetype", metadata=_COLUMN)
    aggregate_id: str = field(default="aggregateid", metadata=_COLUMN)
    event_type: str = field(default="type", metadata=_COLUMN)
    payload: str = field(default="payload", metadata=_COLUMN)
    version: str | None = field(default=None, metadata=_COLUMN)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectionConfig:
    """From changes to domain events in a store.

    Attributes:
        name: of the projection, unique; its position in the store is kept under it.
        store: where the events are kept.
        aggregates: tables whose rows are aggregates.
        outbox: tables into which the application writes its events.
        messages: whether events that the application gives to ``pgbridge.emit`` are taken.
        python: ``package.module:function`` of a function with ``@projection``, in place of the
            three before.
    """

    name: str = field(metadata=_NAME)
    store: StoreConfig
    aggregates: tuple[AggregateConfig, ...] = ()
    outbox: tuple[OutboxConfig, ...] = ()
    messages: bool = False
    python: str | None = field(
        default=None,
        metadata={
            "pattern": r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$",
            "form": "of the form package.module:function",
        },
    )
