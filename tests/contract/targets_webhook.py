"""The targets of the sink ``webhook``: real receivers, that answer with 204."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from sinks.base import Sink
from sinks.webhook import BatchConfig, WebhookConfig, WebhookSink
from sinks.webhook.url import Url
from tests.contract.target import SinkTarget
from tests.fixtures.delivered import position
from tests.fixtures.events import make_event
from tests.fixtures.webhook_receiver import WebhookReceiver


class WebhookTarget(SinkTarget):
    """One lane: over several of them a stop can leave a hole, which the next start fills."""

    proves_position = False
    poison = make_event(0x100000)
    batch: ClassVar[BatchConfig | None] = None

    def __init__(self, request: pytest.FixtureRequest) -> None:
        super().__init__(request)
        self.receiver = WebhookReceiver().start()
        assert self.poison is not None
        self.receiver.refuse([self.poison.event_id])

    def sink(self) -> Sink:
        return WebhookSink(
            WebhookConfig(
                url=Url(self.receiver.url()),
                batch=self.batch,
                lanes=1,
                allow_private_addresses=True,
            )
        )

    def events(self) -> list[dict[str, Any]]:
        return sorted(self.receiver.kept(), key=position)

    def close(self) -> None:
        self.receiver.stop()


class WebhookBatchTarget(WebhookTarget):
    batch = BatchConfig(max_events=50, max_delay_ms=1)
