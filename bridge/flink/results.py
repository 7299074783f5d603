"""The tables of Flink SQL that results go to, and how values look in them.

A result has the JSON of the bridge's own (``docs/processors.md``), without ``event_id`` and
``delivery_id``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from bridge.core.errors import ConfigError
from bridge.flink.sources import create_table
from bridge.flink.topics import connection
from bridge.flink.types import DOUBLE, STRING, FlinkType, literal, quoted
from bridge.flink.values import Sql

if TYPE_CHECKING:
    from sinks.kafka.config import KafkaConfig

_ZEROS: Final = r"'\.?0+$'"
"""Of a timestamp with six digits after the point: those that the server does not print."""


def shown(value: Sql) -> Sql:
    """Return a value as results write it: decimals and times are texts."""
    match value.type.kind:
        case "decimal" | "date":
            return Sql(f"CAST({value.text} AS STRING)", STRING)
        case "timestamp" | "instant":
            text = f"REGEXP_REPLACE(CAST({value.text} AS STRING), {_ZEROS}, '')"
            text = f"REPLACE({text}, ' ', 'T')"
            return Sql(f"{text} || 'Z'" if value.type.kind == "instant" else text, STRING)
        case "float":
            return Sql(value.text, DOUBLE) if value.type is DOUBLE else value
        case _:
            return value


def row(values: Mapping[str, Sql]) -> Sql:
    """Return a JSON object with these members."""
    members = {name: shown(value) for name, value in values.items()}
    fields = ", ".join(f"{quoted(name)} {value.type}" for name, value in members.items())
    listed = ", ".join(value.text for value in members.values())
    return Sql(f"ROW({listed})", FlinkType(f"ROW<{fields}>", "opaque"))


def rows(values: Mapping[str, Sequence[Mapping[str, Sql]]]) -> Sql:
    """Return a JSON object whose members are lists of objects."""
    members, fields = [], []
    for name, items in values.items():
        listed = [row(item) for item in items]
        members.append(f"ARRAY[{', '.join(item.text for item in listed)}]")
        fields.append(f"{quoted(name)} ARRAY<{listed[0].type}>")
    return Sql(f"ROW({', '.join(members)})", FlinkType(f"ROW<{', '.join(fields)}>", "opaque"))


def insert(
    processor: str,
    kind: str,
    members: Mapping[str, Sql],
    query: str,
    sinks: Mapping[str, KafkaConfig],
) -> tuple[list[str], list[str]]:
    """Return the tables of the results, and the statements that fill them.

    Args:
        processor: its name.
        kind: ``type`` of the results.
        members: of a result after ``processor``.
        query: everything behind the select list.
        sinks: the Kafka sinks that get the results; without one they are printed.
    """
    every = {
        "type": Sql(literal(kind), STRING),
        "processor": Sql(literal(processor), STRING),
        **members,
    }
    lines = [f"{quoted(name)} {value.type}" for name, value in every.items()]
    selected = ",\n  ".join(value.text for value in every.values())
    tables, inserts = [], []
    targets = {name: _kafka(settings) for name, settings in sinks.items()} or {
        "print": {"connector": "print"}
    }
    for name, options in targets.items():
        table = quoted(processor if len(targets) == 1 else f"{processor}_{name}")
        tables.append(create_table(table, lines, options))
        inserts.append(f"INSERT INTO {table}\nSELECT\n  {selected}\n{query};")
    return tables, inserts


def _kafka(settings: KafkaConfig) -> dict[str, str]:
    if "{" in settings.topic or settings.routes:
        raise ConfigError(
            "Flink writes all results of a processor into one topic",
            remedy="Give the result sink a topic without placeholders and routes.",
        )
    return {
        "connector": "kafka",
        "topic": settings.topic,
        **connection(settings),
        "format": "json",
        "json.encode.decimal-as-plain-number": "true",
    }
