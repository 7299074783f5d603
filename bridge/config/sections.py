"""Which sections there are, and which settings every sink shares: read off the dataclasses."""

from __future__ import annotations

import typing
from dataclasses import fields

from bridge.config.model import Config
from bridge.config.sinks import SinkConfig

LISTS = ("sinks", "processors", "projections", "read_models")
"""Sections that are lists, and stand apart."""

SECTIONS: dict[str, type] = {
    name: shape for name, shape in typing.get_type_hints(Config).items() if name not in LISTS
}
"""Section to its dataclass."""

SINK_SETTINGS: tuple[str, ...] = tuple(
    setting.name for setting in fields(SinkConfig) if setting.name != "settings"
)
"""The settings of a sink that do not depend on its type."""
