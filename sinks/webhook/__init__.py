"""Events to a receiver over HTTP.

``sink`` spreads events over lanes, ``lane`` is a thread with a queue, ``delivery`` decides what
follows from an answer, ``redirects`` knows where requests go, ``connection`` talks to the receiver.
"""

from __future__ import annotations

from sinks.webhook.config import BatchConfig, BreakerConfig, TlsConfig, WebhookConfig
from sinks.webhook.signatures import SigningSecret
from sinks.webhook.sink import WebhookCdcConsumer, WebhookSink
from sinks.webhook.url import Url

__all__ = [
    "BatchConfig",
    "BreakerConfig",
    "SigningSecret",
    "TlsConfig",
    "Url",
    "WebhookCdcConsumer",
    "WebhookConfig",
    "WebhookSink",
]
