"""The topics that the Kafka sink writes, as sources of Flink."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from bridge.core.errors import ConfigError
from bridge.core.relation import Relation
from bridge.core.table_patterns import TablePattern

if TYPE_CHECKING:
    from bridge.config import Config, SinkConfig
    from sinks.kafka.config import KafkaConfig

READABLE: Final = ("debezium", "native", "flat")
"""The formats that Flink SQL can read."""


class Topics:
    """Where the events of each table are.

    Args:
        sink: of type ``kafka``.
        slot: of the source, for the names of topics.

    Raises:
        ConfigError: Flink would read something else than the processors do.
    """

    def __init__(self, sink: SinkConfig, slot: str) -> None:
        self._sink = sink
        self._slot = slot
        settings: KafkaConfig = sink.settings
        self._settings = settings
        self.format = settings.format
        if settings.format not in READABLE or settings.schema_registry is not None:
            raise self._wrong(
                "writes messages that are not read here",
                f"Give Flink a sink with format {', '.join(READABLE)} and no schema_registry.",
            )
        if sink.columns or sink.rename or sink.filter.where or sink.filter.function:
            raise self._wrong(
                "leaves out or renames what the processors see",
                "Give Flink a sink without columns, rename, and filter.where or filter.function.",
            )
        if settings.routes or settings.topic == "outbox":
            raise self._wrong(
                "chooses topics by rules", "Give Flink a sink without routes and outbox."
            )

    def options(
        self, relation: Relation, operations: Sequence[str], *, changelog: bool
    ) -> dict[str, str]:
        """Return the options of the Flink table that reads the events of a table.

        Raises:
            ConfigError: the topic does not hold just what the processor looks at.
        """
        settings, chosen = self._settings, self._sink.filter
        if chosen.operations is not None and not set(operations) <= set(chosen.operations):
            raise self._wrong("leaves out operations", "Give Flink a sink without filter.")
        if chosen.tables is not None and not any(
            TablePattern.parse(text, setting="filter.tables").matches(
                str(relation.schema), str(relation.table)
            )
            for text in chosen.tables
        ):
            raise self._wrong(
                f"does not get {relation.qualified_name}", "Add the table to filter.tables."
            )
        if changelog:
            if settings.key not in ("row_id", "table"):
                raise self._wrong(
                    "has a key that does not keep the changes of a row in order",
                    "Give Flink a sink with key: row_id, or key: table.",
                )
        elif settings.tombstones or (settings.tombstones is None and self.format == "debezium"):
            raise self._wrong(
                "makes two events of one update (tombstones)",
                "Set tombstones: false, or use mode: changelog.",
            )
        return {
            "connector": "kafka",
            "topic": self._topic(relation, operations),
            **connection(settings),
            "properties.group.id": "pgbridge-flink",
            "scan.startup.mode": "earliest-offset",
            **(
                {"properties.isolation.level": "read_committed"}
                if settings.delivery == "exactly_once"
                else {}
            ),
        }

    def _topic(self, relation: Relation, operations: Sequence[str]) -> str:
        template = self._settings.topic
        if "{table}" not in template or "{schema}" not in template:
            raise self._wrong(
                "puts several tables into one topic, whose columns Flink cannot tell apart",
                'Give Flink a sink with a topic such as "{schema}.{table}".',
            )
        if "{database}" in template or ("{operation}" in template and len(operations) > 1):
            raise self._wrong(
                "has topics by {database} or {operation}",
                'Give Flink a sink with a topic such as "{schema}.{table}".',
            )
        return template.format(
            schema=relation.schema, table=relation.table, slot=self._slot, operation=operations[0]
        )

    def _wrong(self, problem: str, remedy: str) -> ConfigError:
        return ConfigError(f"the sink {self._sink.name!r} {problem}", remedy=remedy)


def connection(settings: KafkaConfig) -> dict[str, str]:
    """Return the options that reach a cluster, without secrets."""
    options = {"properties.bootstrap.servers": settings.brokers}
    if settings.sasl is not None or settings.tls is not None:
        security = ("SASL_" if settings.sasl else "") + ("SSL" if settings.tls else "PLAINTEXT")
        options["properties.security.protocol"] = security
    if settings.sasl is not None:
        options["properties.sasl.mechanism"] = settings.sasl.mechanism
    return options


def choose_sink(config: Config, name: str | None) -> SinkConfig:
    """Return the Kafka sink whose topics Flink reads.

    Args:
        config: the configuration.
        name: of the sink; None for the only one.

    Raises:
        ConfigError: there is none, or it is not clear which.
    """
    results = {sink for processor in config.processors for sink in processor.targets}
    found = [s for s in config.sinks if s.type == "kafka" and s.name not in results]
    if name is not None:
        found = [sink for sink in found if sink.name == name]
    if len(found) == 1:
        return found[0]
    if name is not None:
        raise ConfigError(f"No sink of type kafka that gets changes is called {name!r}.")
    if not found:
        raise ConfigError(
            "Flink reads the topics of a sink of type kafka that gets changes, and there is none.",
            remedy='Add one, such as {type: kafka, brokers: ..., topic: "{schema}.{table}"}.',
        )
    raise ConfigError(
        "There are several sinks of type kafka.", remedy="Name one of them with --sink."
    )


def result_sinks(config: Config, names: Sequence[str]) -> Mapping[str, KafkaConfig]:
    """Return the settings of the Kafka sinks among these, by name."""
    return {s.name: s.settings for s in config.sinks if s.type == "kafka" and s.name in names}
