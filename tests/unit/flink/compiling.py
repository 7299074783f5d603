"""Processors as text, over two tables and one Kafka sink."""

from __future__ import annotations

from pathlib import Path

from bridge.config import load_config
from bridge.core.values import ValueStyle
from bridge.flink import compile_processors
from bridge.flink.schema import relations_of_file

SCHEMA = """
public.orders: {id: bigint, customer_id: integer, status: text, kind: enum, code: "char(3)",
                amount: "numeric(10, 2)", rate: numeric, weight: double precision, details: jsonb,
                placed_on: date, created_at: timestamptz, local_time: timestamp}
public.payments: {id: bigint, order_id: bigint, card: text, amount: "numeric(10,2)",
                  paid_at: timestamptz}
"""

CHANGES = '{name: changes, type: kafka, brokers: "k:9092", topic: "{schema}.{table}"}'
ANSWERS = '{name: answers, type: kafka, brokers: "k:9092", topic: answers}'


def compiled(
    directory: Path,
    *processors: str,
    changes: str = CHANGES,
    answers: str = ANSWERS,
    schema: str = SCHEMA,
    sink: str | None = None,
) -> str:
    """Return the SQL of processors, each an entry of the list in YAML without ``to``."""
    entries = "".join(f"  - {processor[:-1]}, to: [answers]}}\n" for processor in processors)
    configuration = (
        "source: {dsn: host=localhost, slot: shop}\n"
        f"sinks:\n  - {changes}\n  - {answers}\nprocessors:\n{entries}"
    )
    return compiled_text(directory, configuration, schema, sink)


def compiled_text(directory: Path, configuration: str, schema: str, sink: str | None = None) -> str:
    """Return the SQL of a whole configuration, over the tables of a file."""
    config, tables = directory / "pgbridge.yaml", directory / "schema.yaml"
    config.write_text(configuration)
    tables.write_text(schema)
    settings = load_config(config, environ={})
    return compile_processors(settings, relations_of_file(tables, ValueStyle()), sink=sink)
