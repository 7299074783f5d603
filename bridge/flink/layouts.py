"""How an event lies in a message of a topic, and which Flink SQL reads its parts.

One class for each format of the sink (``docs/formats.md``). A layout collects the columns that
expressions read, and declares those alone: a column of a type that Flink cannot read does no harm
where nobody asks for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Protocol

from bridge.core.errors import ConfigError
from bridge.core.relation import Relation, ReplicaIdentity
from bridge.expressions.names import nearest
from bridge.expressions.tree import ColumnName
from bridge.flink.types import BIGINT, STRING, TEXTUAL, FlinkType, flink_type, literal, quoted
from bridge.flink.values import Sql

_UNSENT: Final = "__debezium_unavailable_value"

TIME_FORM: Final = "ISO-8601"
"""How timestamps look in all formats, in Flink's words."""


class Layout(Protocol):
    """Reads the messages of one table.

    Attributes:
        events: what reads the properties of an event, by name.
        commit_us: reads the time of the commit, in microseconds.
        identity: reads a text that tells events apart and sorts as their positions do.
        from_snapshot: a condition that holds for rows that existed before the stream.
        options: of the table in Flink, ``format`` and what belongs to it.
    """

    events: Mapping[str, Sql]
    commit_us: str
    identity: str
    from_snapshot: str
    options: Mapping[str, str]

    def column(self, node: ColumnName) -> Sql:
        """Return what reads a column of the row; raises ConfigError if nothing can."""

    def selects(self, operations: Iterable[str]) -> str | None:
        """Return the condition for an event of these operations; None if none is needed."""

    def declarations(self) -> list[str]:
        """Return the physical and metadata columns that were asked for."""


class _Columns:
    """The types of a table's columns, and errors for those that cannot be read."""

    def __init__(self, relation: Relation) -> None:
        self._table = relation.qualified_name
        self._types = {column.name: flink_type(column) for column in relation.columns}

    def type_of(self, name: str) -> FlinkType:
        if name not in self._types:
            raise ConfigError(f"{self._table} has no column {name}{nearest(name, self._types)}")
        found = self._types[name]
        if found is None:
            raise ConfigError(f"Flink SQL cannot read the column {name} as it is in the topic")
        return found


class Envelope:
    """``debezium`` or ``native``: the new and the old row as objects of their own."""

    def __init__(self, relation: Relation, operations: Iterable[str], *, debezium: bool) -> None:
        self._columns = _Columns(relation)
        self._debezium = debezium
        self._deletes = "delete" in operations
        # Only then the server leaves out what an update did not touch.
        self._gaps = debezium and relation.replica_identity is not ReplicaIdentity.FULL
        self._rows: dict[str, dict[str, FlinkType]] = {"new": {}, "old": {}}
        self._places = (
            {"new": "after", "old": "before"}
            if debezium
            else {"new": "new_values", "old": "old_values"}
        )
        self._codes = (
            {"insert": "c", "update": "u", "delete": "d", "read": "r"}
            if debezium
            else {"insert": "Insert", "update": "Update", "delete": "Delete", "read": "Read"}
        )
        self._operation = quoted("op" if debezium else "operation")
        prefix = "`source`." if debezium else ""
        self.commit_us = f"{prefix}{quoted('ts_us' if debezium else 'timestamp')}"
        self.identity = f"{prefix}`event_id`"
        self.from_snapshot = f"{self._operation} = {literal(self._codes['read'])}"
        self.options: Mapping[str, str] = {
            "format": "json",
            "json.timestamp-format.standard": TIME_FORM,
        }
        named = " ".join(
            f"WHEN {literal(code)} THEN {literal(name)}" for name, code in self._codes.items()
        )
        self.events: Mapping[str, Sql] = {
            "operation": Sql(f"CASE {self._operation} {named} END", STRING),
            "schema": Sql(f"{prefix}`schema`", STRING),
            "table": Sql(f"{prefix}`table`", STRING),
            "event_id": Sql(self.identity, STRING),
        }

    def column(self, node: ColumnName) -> Sql:
        if node.row not in ("new", "old") and self._deletes:
            new, old = self._read("new", node.name), self._read("old", node.name)
            deleted = f"{self._operation} = {literal(self._codes['delete'])}"
            return Sql(f"CASE WHEN {deleted} THEN {old.text} ELSE {new.text} END", new.type)
        return self._read("old" if node.row == "old" else "new", node.name)

    def _read(self, row: str, name: str) -> Sql:
        found = self._rows[row][name] = self._columns.type_of(name)
        text = f"{quoted(self._places[row])}.{quoted(name)}"
        if self._gaps and row == "new" and found.kind in TEXTUAL:
            text = f"NULLIF({text}, {literal(_UNSENT)})"
        return Sql(text, found)

    def selects(self, operations: Iterable[str]) -> str | None:
        return _among(self._operation, [self._codes[name] for name in operations])

    def declarations(self) -> list[str]:
        rows = [
            f"{quoted(self._places[row])} ROW<{_fields(columns)}>"
            for row, columns in self._rows.items()
            if columns
        ]
        facts = {"event_id": STRING, "schema": STRING, "table": STRING}
        if self._debezium:
            source = _fields({**facts, "ts_us": BIGINT})
            return [*rows, "`op` STRING", f"`source` ROW<{source}>"]
        facts |= {"operation": STRING, "timestamp": BIGINT}
        return [*rows, *_lines(facts)]


class Flat:
    """``flat``: the columns of the new row beside what happened."""

    def __init__(self, relation: Relation, operations: Iterable[str]) -> None:
        self._columns = _Columns(relation)
        if "delete" in operations:
            raise ConfigError("the format flat does not tell old rows from new ones")
        self._read: dict[str, FlinkType] = {}
        self.commit_us = "`__source_ts_us`"
        self.identity = "`__event_id`"
        self.from_snapshot = "`__op` = 'r'"
        self.options: Mapping[str, str] = {
            "format": "json",
            "json.timestamp-format.standard": TIME_FORM,
        }
        self.events: Mapping[str, Sql] = {
            "operation": Sql(
                "CASE `__op` WHEN 'c' THEN 'insert' WHEN 'u' THEN 'update' "
                "WHEN 'd' THEN 'delete' WHEN 'r' THEN 'read' END",
                STRING,
            ),
            "schema": Sql("`__schema`", STRING),
            "table": Sql("`__table`", STRING),
            "event_id": Sql(self.identity, STRING),
        }

    def column(self, node: ColumnName) -> Sql:
        if node.row == "old":
            raise ConfigError("the format flat has no old row")
        if node.name.startswith("__"):
            raise ConfigError("the format flat may have this column under another name")
        found = self._read[node.name] = self._columns.type_of(node.name)
        return Sql(quoted(node.name), found)

    def selects(self, operations: Iterable[str]) -> str | None:
        letters = {"insert": "c", "update": "u", "read": "r"}
        return _among("`__op`", [letters[name] for name in operations])

    def declarations(self) -> list[str]:
        facts = dict.fromkeys(("__event_id", "__op", "__schema", "__table"), STRING)
        return _lines({**self._read, **facts, "__source_ts_us": BIGINT})


class Changelog:
    """``debezium`` as changes of a table: Flink takes back what updates and deletes replace."""

    def __init__(self, relation: Relation) -> None:
        self._columns = _Columns(relation)
        self._read: dict[str, FlinkType] = {}
        self.commit_us = "CAST(`__source`['ts_us'] AS BIGINT)"
        self.identity = "`__source`['event_id']"
        self.from_snapshot = "`__source`['snapshot'] = 'true'"
        self.options: Mapping[str, str] = {
            "format": "debezium-json",
            "debezium-json.timestamp-format.standard": TIME_FORM,
        }
        self.events: Mapping[str, Sql] = {
            "schema": Sql("`__source`['schema']", STRING),
            "table": Sql("`__source`['table']", STRING),
            "event_id": Sql(self.identity, STRING),
        }

    def column(self, node: ColumnName) -> Sql:
        if node.row == "old":
            raise ConfigError("in changelog mode Flink reads each version of a row as the new one")
        found = self._read[node.name] = self._columns.type_of(node.name)
        return Sql(quoted(node.name), found)

    def selects(self, operations: Iterable[str]) -> str | None:
        return None

    def declarations(self) -> list[str]:
        return [
            *_lines(self._read),
            "`__source` MAP<STRING, STRING> METADATA FROM 'value.source.properties' VIRTUAL",
        ]


def _among(place: str, codes: list[str]) -> str:
    listed = ", ".join(map(literal, codes))
    return f"{place} IN ({listed})" if len(codes) > 1 else f"{place} = {listed}"


def _lines(columns: Mapping[str, FlinkType]) -> list[str]:
    return [f"{quoted(name)} {found}" for name, found in columns.items()]


def _fields(columns: Mapping[str, FlinkType]) -> str:
    return ", ".join(_lines(columns))
