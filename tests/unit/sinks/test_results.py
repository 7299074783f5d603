"""Results on their way into messages: targets, keys, headers, identifiers; and who refuses them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bridge.core.errors import ConfigError
from sinks.file import FileConfig
from sinks.formats import NATIVE
from sinks.formats.native import encode_native
from sinks.kafka.config import KafkaConfig
from sinks.kafka.messages import event_messages
from sinks.key_change import has_several_keys
from sinks.keys import KeyExpression, KeyStrategy, make_key
from sinks.message_headers import MessageHeaders
from sinks.null import NullConfig
from sinks.rabbitmq.messages import MessageEncoder
from sinks.results import check_result_sink
from sinks.routing import Route, Routes
from sinks.schema_registry.config import SchemaRegistryConfig
from sinks.stdout import StdoutConfig
from sinks.templates import Template
from sinks.terminal import TerminalConfig, plain_line
from sinks.webhook import BatchConfig, WebhookConfig
from sinks.webhook.request import RequestMaker
from sinks.webhook.url import Url
from tests.fixtures.events import make_event
from tests.fixtures.results import OTHER_STORE, make_result

EVENT = make_result(5)


# Where they go


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("results.{table}", "results.revenue"),
        ("{schema}.{table}", "window_result.revenue"),
        ("cdc.{table}.{operation}", "cdc.revenue.result"),
        ("{database}-results", "shop-results"),
    ],
)
def test_templates_know_the_processor_as_the_table(template: str, expected: str) -> None:
    assert Template(template).render(EVENT) == expected


def test_routes_tell_processors_types_and_values_apart() -> None:
    routes = Routes(
        "other",
        [
            Route(tables=("pattern_match.*",), to="alerts"),
            Route(tables=("*.revenue",), where="new.result ->> 'final' = 'true'", to="revenue"),
        ],
    )
    assert routes.target(make_result(1, type="pattern_match", processor="fraud")) == "alerts"
    assert routes.target(EVENT) == "revenue"
    assert routes.target(make_result(1, processor="visits")) == "other"


# Keys


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("row_id", "7"),
        ("table", "window_result.revenue"),
        ("transaction", "7"),
        (("customer_id",), "7"),  # a result has no such column: the next in the row is its key
        (KeyExpression(expression="new.result -> 'window' ->> 'start'"), "1700000340000000"),
    ],
)
def test_a_key_is_that_of_the_result(strategy: KeyStrategy, expected: str) -> None:
    assert make_key(strategy, NATIVE)(EVENT) == expected


def test_results_without_a_key_keep_their_order_as_those_of_one_processor() -> None:
    assert make_key("row_id", NATIVE)(make_result(1, key=None)) == "window_result.revenue"


def test_a_result_concerns_one_key() -> None:
    assert not has_several_keys(EVENT, make_key("row_id", NATIVE))


# Messages


def test_headers_tell_both_identifiers() -> None:
    headers = MessageHeaders(for_routing=True)
    headers(make_event(0x1000))
    trace = EVENT.delivery_id.replace("-", "")
    assert dict(headers(EVENT)) == {
        "event_id": EVENT.event_id,
        "delivery_id": EVENT.delivery_id,
        "traceparent": f"00-{trace[:24]}00000000-0000000100000000-00",
        "operation": "Result",
        "schema": "window_result",
        "table": "revenue",
    }
    assert dict(MessageHeaders(for_routing=False)(EVENT)).keys() == {
        "event_id", "delivery_id", "traceparent",
    }  # fmt: skip


def test_a_message_of_kafka_has_the_key_of_the_result_and_never_a_tombstone() -> None:
    config = KafkaConfig(brokers="localhost:9092", topic="results.{table}", tombstones=True)
    messages = event_messages(config, NATIVE, "slot")(EVENT, encode_native(EVENT))
    [(topic, key, body, headers)] = messages
    assert (topic, key, body) == ("results.revenue", "7", encode_native(EVENT))
    assert headers is not None
    assert dict(headers)["event_id"] == EVENT.event_id


def test_a_message_of_rabbitmq_is_named_after_the_result() -> None:
    encoder = MessageEncoder(
        "pgbridge", content_type="application/json", app_id="pgbridge", persistent=True,
        frame_max=131072,
    )  # fmt: skip
    message = encoder.encode(EVENT, encode_native(EVENT).encode(), "cdc.revenue.result")
    assert message.message_id == EVENT.event_id
    assert EVENT.delivery_id.encode() in message.frames


@pytest.mark.parametrize("batch", [None, BatchConfig()])
def test_a_webhook_is_named_after_its_results_wherever_they_are_stored(
    batch: BatchConfig | None,
) -> None:
    maker = RequestMaker(WebhookConfig(url=Url("https://example.com/"), batch=batch), NATIVE)
    made = [
        maker.make([(0, event, encode_native(event))])
        for event in (EVENT, make_result(5, source=OTHER_STORE), make_result(6))
    ]
    assert made[0].message_id == made[1].message_id != made[2].message_id
    if batch is None:
        assert made[0].message_id == EVENT.event_id


def test_a_terminal_shows_the_result() -> None:
    line = plain_line(EVENT)
    assert "Result    window_result.revenue  #7" in line
    assert '"values":{"revenue":"120.50"}' in line
    assert line.endswith("0/5:0")
    assert "\x1b" not in plain_line(make_result(1, values="\x1b[2J"))


# Who refuses them


@pytest.mark.parametrize(
    "settings",
    [
        FileConfig(path="results.jsonl"),
        StdoutConfig(),
        NullConfig(),
        TerminalConfig(),
        KafkaConfig(brokers="localhost:9092", topic="results.{table}"),
        WebhookConfig(url=Url("https://example.com/")),
    ],
)
def test_every_sink_can_take_results(settings: Any) -> None:
    check_result_sink(settings)


@pytest.mark.parametrize("name", ["debezium", "cloudevents", "flat"])
def test_another_format_is_refused(name: Any) -> None:
    with pytest.raises(ConfigError, match=f"format '{name}'") as caught:
        check_result_sink(FileConfig(path="results.jsonl", format=name))
    assert "Leave out format" in caught.value.remedy


def test_schemas_and_outboxes_are_refused() -> None:
    registry = SchemaRegistryConfig(url="http://localhost:8081")
    with pytest.raises(ConfigError, match="without schemas"):
        check_result_sink(KafkaConfig(brokers="localhost:9092", schema_registry=registry))
    with pytest.raises(ConfigError, match="no rows of an outbox"):
        check_result_sink(KafkaConfig(brokers="localhost:9092", topic="outbox"))


def test_the_document_is_plain_json() -> None:
    assert json.loads(EVENT.document)["key"] == {"customer_id": 7}
