"""From events to the bytes of messages: an id of a schema, and the payload that it describes.

The wire format is that of Confluent's serializers: a zero byte, the id as four bytes, big-endian,
and the payload.
https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from bridge.core.errors import EnvironmentProblem
from bridge.core.events import CdcEvent
from bridge.core.relation import Relation
from sinks.formats import Format, FormatConfig, make_format
from sinks.schema_registry.avro_events import debezium_events, native_events
from sinks.schema_registry.avro_rows import AvroKey
from sinks.schema_registry.client import SchemaRegistryClient, SchemaType
from sinks.schema_registry.config import SchemaRegistryConfig
from sinks.schema_registry.errors import SchemaRefused, Unencodable
from sinks.schema_registry.json_schemas import debezium_schema, json_key, key_schema, native_schema
from sinks.schema_registry.names import namespace, subject

Part: TypeAlias = Literal["key", "value"]

_ASK_AGAIN_S = 60.0
"""How long a refusal of the registry is taken for its last word."""


@dataclass(slots=True)
class _Form:
    """What one part of a relation's messages looks like.

    Attributes:
        kind: of the schema.
        name: full name of the record.
        schema: as the registry gets it.
        payload: from an event to the bytes; None where this part is empty.
        headers: the bytes in front, by topic, once the registry has given the id.
    """

    kind: SchemaType
    name: str
    schema: str
    payload: Callable[[CdcEvent], bytes | None]
    headers: dict[str, bytes] = field(default_factory=dict)


class SchemaEncoder:
    """Encodes keys and values under schemas that it registers before their first use.

    A schema is made once for each description of a table, and registered once for each subject.
    For one thread; blocks while the registry is asked.

    Args:
        config: of the registry.
        settings: format and server name of the sink.
        monotonic: a clock, in seconds.

    Raises:
        ConfigError: there are no schemas for the format, or a file of the TLS settings is missing.
    """

    def __init__(
        self,
        config: SchemaRegistryConfig,
        settings: FormatConfig,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        config.check_format(settings.format)
        self._config = config
        self._settings = settings
        self._format = make_format(settings)
        self._monotonic = monotonic
        self._client = SchemaRegistryClient(config)
        self._forms: dict[tuple[Part, str | None, str | None], tuple[Relation, _Form]] = {}
        self._refused: dict[tuple[str, str], tuple[float, str]] = {}

    @property
    def encodes_keys(self) -> bool:
        """Whether keys have a schema; if not, they are the sink's own."""
        return self._config.key != "text"

    def encode_key(self, event: CdcEvent, topic: str) -> bytes | None:
        """Return the key of a message; None for an event without a row.

        Raises:
            Unencodable: the event can never be encoded; under ``on_incompatible: dead_letter``
                also while the registry refuses the schema.
            Transient: the registry does not answer.
            EnvironmentProblem: it does not let us in, or refuses the schema.
        """
        return self._encode("key", event, topic)

    def encode_value(self, event: CdcEvent, topic: str) -> bytes:
        """Return the value of a message. Raises what ``encode_key`` does."""
        encoded = self._encode("value", event, topic)
        assert encoded is not None, "an event has a value"
        return encoded

    def close(self) -> None:
        """Close the connections to the registry; what is known of it stays known."""
        self._client.close()

    def _encode(self, part: Part, event: CdcEvent, topic: str) -> bytes | None:
        relation = event.relation
        known = self._forms.get((part, relation.schema, relation.table))
        if known is None or known[0] is not relation:
            known = relation, self._make(part, relation)
            self._forms[part, relation.schema, relation.table] = known
        form = known[1]
        payload = form.payload(event)
        if payload is None:
            return None
        header = form.headers.get(topic)
        if header is None:
            header = form.headers[topic] = self._header(part, form, relation, topic)
        return header + payload

    def _header(self, part: Part, form: _Form, relation: Relation, topic: str) -> bytes:
        filed = subject(self._config.subject_strategy, topic, part, form.name)
        at, reason = self._refused.get((filed, form.schema), (0.0, ""))
        if reason and self._monotonic() - at < _ASK_AGAIN_S:
            raise Unencodable(reason)
        try:
            number = self._client.schema_id(filed, form.kind, form.schema)
        except SchemaRefused as refused:
            reason = f"The table {relation.qualified_name} cannot be written: {refused.reason}"
            if self._config.on_incompatible == "stop":
                raise EnvironmentProblem(
                    reason,
                    remedy=f"{refused.remedy} With on_incompatible: dead_letter the other tables"
                    " would go on.",
                ) from None
            self._refused[filed, form.schema] = self._monotonic(), reason
            raise Unencodable(reason) from None
        self._refused.pop((filed, form.schema), None)
        return b"\0" + number.to_bytes(4, "big")

    def _make(self, part: Part, relation: Relation) -> _Form:
        config, space = self._config, namespace(self._settings.server_name, relation)
        debezium = self._settings.format == "debezium"
        if part == "key":
            if config.key == "json_schema":
                schema = key_schema(relation, f"{space}.Key")
                return _Form("JSON", f"{space}.Key", _text(schema), json_key(relation))
            key = AvroKey(relation, space, config.out_of_range)
            return _Form("AVRO", f"{space}.Key", _text(key.schema), key.encode)
        if config.value == "json_schema":
            name = f"{space}.{'Envelope' if debezium else 'Event'}"
            make = debezium_schema if debezium else native_schema
            return _Form("JSON", name, _text(make(relation, name)), _json_value(self._format))
        events = (debezium_events if debezium else native_events)(
            relation, space, self._settings.server_name, config.out_of_range
        )
        name = f"{space}.{events.schema['name']}"
        return _Form("AVRO", name, _text(events.schema), events.encode)


def _json_value(fmt: Format) -> Callable[[CdcEvent], bytes]:
    return lambda event: fmt.encode(event).encode()


def _text(schema: Any) -> str:
    return json.dumps(schema, ensure_ascii=False, separators=(",", ":"))
