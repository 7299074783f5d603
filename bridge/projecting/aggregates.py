"""Tables whose rows are aggregates: which change of a row becomes which event."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from bridge.config.inputs import RowOperation
from bridge.config.projections import AggregateConfig, EventRuleConfig
from bridge.core.errors import ConfigError
from bridge.core.events import CdcEvent, Operation, Texts
from bridge.core.relation import Relation
from bridge.core.table_patterns import TablePattern
from bridge.dataflow.places import at_place
from bridge.dataflow.results import row_id_of
from bridge.dataflow.rows import row_of
from bridge.expressions import Condition, Expression
from bridge.projecting.data import EventData
from bridge.projecting.happening import Happening, OldValues, Rejection
from bridge.projecting.names import DEFAULT_EVENTS, aggregate_type_of

_OPERATIONS: Final = ("insert", "update", "delete", "read")


class _Rule(NamedTuple):
    name: str
    on: RowOperation
    when: Condition | None
    data: EventData
    version: int


class AggregateEvents:
    """The events of one type of aggregate.

    An update that changes the id of the aggregate ends one aggregate and begins another: the rules
    for ``delete`` apply to the row before it, those for ``insert`` to the row after it.

    Args:
        config: the definition.
        place: of the definition, for errors.

    Raises:
        ConfigError: with the place, if an expression is wrong.
    """

    def __init__(self, config: AggregateConfig, place: str) -> None:
        self._place = place
        self._pattern = TablePattern.parse(config.table, setting=f"{place}.table")
        self.tables: Sequence[str] = (config.table,)
        self._type = config.type
        self._expressions: dict[str, Expression] = {}
        self._id: Expression | None = None
        if config.id is not None:
            with at_place(f"{place}.id"):
                self._id = self._expressions[f"{place}.id"] = Expression(config.id)
        self._rules = [
            self._make_rule(rule, f"{place}.events[{n}]") for n, rule in enumerate(config.events)
        ]
        if not self._rules:
            self._rules = [  # whose names depend on the table
                _Rule("", "insert", None, EventData(None, place), 1),
                _Rule("", "update", None, EventData(None, place), 1),
                _Rule("", "delete", None, EventData(None, place), 1),
            ]
        by_operation = {
            Operation[name.upper()]: [rule for rule in self._rules if rule.on == name]
            for name in _OPERATIONS
        }
        by_operation[Operation.READ] = (
            by_operation[Operation.READ] or by_operation[Operation.INSERT]
        )
        self._by_operation = by_operation
        self.old_values = self._find_old_values()

    def _make_rule(self, config: EventRuleConfig, place: str) -> _Rule:
        when = None
        if config.when is not None:
            with at_place(f"{place}.when"):
                when = self._expressions[f"{place}.when"] = Condition(config.when)
        data = EventData(config.data, f"{place}.data")
        self._expressions |= data.expressions
        return _Rule(config.name, config.on, when, data, config.version)

    def _find_old_values(self) -> OldValues:
        rows: str | None = None
        columns = {name for _, name in self._id.columns} if self._id is not None else set()
        follows = any(rule.on in ("update", "delete") for rule in self._rules)
        needed = columns if follows else set()
        for rule in self._rules:
            read = [*(rule.when.columns if rule.when is not None else ())]
            read += [it for e in rule.data.expressions.values() for it in e.columns]
            for row, name in read:
                if rule.on == "update" and row == "old":
                    rows = rows or f"old.{name}"
                elif rule.on == "delete":
                    needed = needed | {name}
        return OldValues(frozenset(needed), rows)

    def selects(self, relation: Relation) -> bool:
        """See ``EventSource``."""
        schema, table = relation.schema, relation.table
        return schema is not None and table is not None and self._pattern.matches(schema, table)

    def check(self, relation: Relation) -> None:
        """See ``EventSource``."""
        for place, expression in self._expressions.items():
            with at_place(place):
                expression.check(relation)
        if self._id is None and not relation.key:
            raise ConfigError(
                f"{self._place}.id: {relation.qualified_name} has no key by which its rows could "
                "be told apart.",
                remedy="Say with id which column is the id of the aggregate, or give the table a "
                "primary key.",
            )

    def project(self, event: CdcEvent) -> list[Happening]:
        """See ``EventSource``."""
        match event.operation:
            case Operation.TRUNCATE:
                raise Rejection(
                    "TRUNCATE does not say which rows there were: their aggregates stay as they are"
                )
            case Operation.UPDATE if event.old is not None:
                before = _with_row(event, Operation.DELETE, None, event.old)
                if self._aggregate_id(before) != self._aggregate_id(event):
                    after = _with_row(event, Operation.INSERT, row_of(event), None)
                    return [*self._apply_rules(before), *self._apply_rules(after)]
        return self._apply_rules(event)

    def _apply_rules(self, event: CdcEvent) -> list[Happening]:
        rules = [
            rule
            for rule in self._by_operation.get(event.operation, ())
            if rule.when is None or rule.when(event)
        ]
        if not rules:
            return []
        aggregate_type = self._type or aggregate_type_of(event.table or "")
        aggregate_id = self._aggregate_id(event)
        return [
            Happening(
                aggregate_type,
                aggregate_id,
                rule.name or f"{aggregate_type}{DEFAULT_EVENTS[rule.on]}",
                rule.version,
                rule.data(event),
            )
            for rule in rules
        ]

    def _aggregate_id(self, event: CdcEvent) -> str:
        found = event.row_id if self._id is None else row_id_of((self._id(event),))
        if found is None:
            raise Rejection("the id of the aggregate is NULL")
        return found


def _with_row(
    event: CdcEvent, operation: Operation, new: Texts | None, old: Texts | None
) -> CdcEvent:
    return CdcEvent(
        event.transaction, event.ordinal, event.lsn, operation, event.relation, new, old
    )
