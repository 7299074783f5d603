"""Which sections there are, and which settings every sink shares: read off the dataclasses."""

from __future__ import annotations

import typing
from dataclasses import fields

from bridge.config.model import Config, SinkConfig

SECTIONS: dict[str, type] = {
    name: shape for name, shape in typing.get_type_hints(Config).items() if name != "sinks"
}
"""Section to its dataclass; ``sinks`` is a list and stands apart."""

SINK_SETTINGS: tuple[str, ...] = tuple(
    setting.name for setting in fields(SinkConfig) if setting.name != "settings"
)
"""The settings of a sink that do not depend on its type."""
