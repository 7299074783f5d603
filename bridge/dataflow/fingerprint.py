"""Under which name a processor keeps its state: another definition never reads it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from hashlib import sha256
from typing import Any

from bridge.config.processors import ProcessorConfig


def state_name_of(config: ProcessorConfig) -> str:
    """Return the name of a processor with the fingerprint of its definition, without sinks.

    Settings that are not given do not count, so that new ones of a later release change nothing.
    The order of keys and aggregates counts: states are in that order.
    """
    definition = _plain(config)
    for sinks in ("to", "late_to", "timed_out_to"):
        definition.pop(sinks, None)
    return named(config.name, definition)


def named(name: str, definition: Any) -> str:
    """Return a name with the fingerprint of a definition, which is plain data."""
    text = json.dumps(definition, ensure_ascii=False)
    return f"{name}-{sha256(text.encode()).hexdigest()[:12]}"


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        given = ((item, getattr(value, item.name)) for item in fields(value))
        return {
            item.name: _plain(setting)
            for item, setting in given
            if setting not in (None, (), {}) and setting != item.default
        }
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
