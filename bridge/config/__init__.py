"""The configuration: its vocabulary (``model``), and how a file becomes a checked ``Config``.

Importing this package costs nothing: what reads files (PyYAML, pydantic) is imported on use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from bridge.config.model import (
    BackpressureConfig,
    CheckpointConfig,
    Config,
    LogConfig,
    ShutdownConfig,
    SlotsConfig,
    SourceConfig,
    StateConfig,
    WalBudgetConfig,
)
from bridge.config.sinks import ExcludedColumns, FilterConfig, SinkConfig

if TYPE_CHECKING:
    from bridge.config.loading import load_config
    from bridge.config.printing import json_schema, secrets_of, show

__all__ = [
    "BackpressureConfig",
    "CheckpointConfig",
    "Config",
    "ExcludedColumns",
    "FilterConfig",
    "LogConfig",
    "ShutdownConfig",
    "SinkConfig",
    "SlotsConfig",
    "SourceConfig",
    "StateConfig",
    "WalBudgetConfig",
    "json_schema",
    "load_config",
    "secrets_of",
    "show",
]

_LAZY = {
    "load_config": "bridge.config.loading",
    "json_schema": "bridge.config.printing",
    "secrets_of": "bridge.config.printing",
    "show": "bridge.config.printing",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)
