"""pgbridge: from a PostgreSQL replication slot to durable sinks.

The names below are the public API. Each is imported when it is first used, so that importing
``bridge.core`` or ``decoders`` loads no driver, no client library and no framework.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bridge.app import Bridge
    from bridge.config import Config, load_config
    from bridge.core.errors import BridgeError
    from bridge.core.events import CdcEvent, Operation, Position
    from bridge.postgres.slots import ReplicationConfig, ReplicationSlot, ReplicationSlotManager

__all__ = [
    "Bridge",
    "BridgeError",
    "CdcEvent",
    "Config",
    "Operation",
    "Position",
    "ReplicationConfig",
    "ReplicationSlot",
    "ReplicationSlotManager",
    "load_config",
]

_HOMES = {
    "Bridge": "bridge.app",
    "BridgeError": "bridge.core.errors",
    "CdcEvent": "bridge.core.events",
    "Config": "bridge.config",
    "Operation": "bridge.core.events",
    "Position": "bridge.core.events",
    "ReplicationConfig": "bridge.postgres.slots",
    "ReplicationSlot": "bridge.postgres.slots",
    "ReplicationSlotManager": "bridge.postgres.slots",
    "load_config": "bridge.config",
}


def __getattr__(name: str) -> Any:
    try:
        home = _HOMES[name]
    except KeyError:
        raise AttributeError(f"module 'bridge' has no attribute {name!r}") from None
    return getattr(import_module(home), name)
