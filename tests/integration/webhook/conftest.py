"""A receiver for each test, and sinks that write to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import pytest

from bridge.core.retry import RetryPolicy
from sinks.webhook import BreakerConfig, WebhookConfig, WebhookSink
from sinks.webhook.url import Url
from tests.fixtures.events import FEED
from tests.fixtures.webhook_receiver import WebhookReceiver

MakeSink: TypeAlias = Callable[..., WebhookSink]

QUICK: dict[str, Any] = {
    "allow_private_addresses": True,
    "retry": RetryPolicy(initial_delay_ms=1, max_delay_ms=10),
    "circuit_breaker": BreakerConfig(pause_ms=10),
}
"""Quick to try again, at a receiver on this machine."""


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as running:
        yield running


@pytest.fixture
def make_sink(receiver: WebhookReceiver) -> Iterator[MakeSink]:
    """Return a function from settings to an open sink."""
    made: list[WebhookSink] = []

    def make(**settings: Any) -> WebhookSink:
        settings = {"url": receiver.url(), **QUICK, **settings}
        sink = WebhookSink(WebhookConfig(**{**settings, "url": Url(settings["url"])}))
        made.append(sink)
        sink.open(FEED)
        return sink

    yield make
    for sink in made:
        sink.close()
