"""The keys of inputs: names in results, and columns of views."""

from __future__ import annotations

from collections.abc import Mapping

from bridge.config.inputs import InputConfig
from bridge.core.errors import ConfigError
from bridge.expressions import compile_value
from bridge.flink.sources import Stream, Wanted
from bridge.flink.types import quoted
from bridge.flink.values import Sql


def key_columns(config: InputConfig) -> dict[str, Wanted]:
    """Return what a view has to have for the key of an input."""
    return {_column(name): Wanted(text) for name, text in _parts(config).items()}


def key_values(config: InputConfig, stream: Stream) -> dict[str, Sql]:
    """Return what reads the key of an input from its view, by the names in results.

    Raises:
        ConfigError: a part is of a type of which Flink tells equal values apart.
    """
    values = {}
    for name in _parts(config):
        column = _column(name)
        found = values[name] = Sql(quoted(column), stream.types[column])
        if found.type.kind in ("float", "digits"):
            raise ConfigError(
                f"the part {name} of the key is a number of which Flink tells equal ones apart",
                remedy="Cast it to numeric(p, s), or to an integer.",
            )
    return values


def _parts(config: InputConfig) -> Mapping[str, str]:
    if isinstance(config.key, Mapping):
        return config.key
    return {compile_value(text).label: text for text in config.key}


def _column(name: str) -> str:
    return f"key_{name}"
