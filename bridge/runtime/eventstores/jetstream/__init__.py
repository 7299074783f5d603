"""The storage of events in NATS JetStream."""

from __future__ import annotations

from bridge.runtime.eventstores.jetstream.storage import JetStreamStorage

__all__ = ["JetStreamStorage"]
