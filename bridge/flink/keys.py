"""The keys of inputs: names in results, and columns of views."""

from __future__ import annotations

from collections.abc import Mapping

from bridge.config.inputs import InputConfig
from bridge.expressions import compile_value
from bridge.flink.expressions import Sql
from bridge.flink.sources import Stream, Wanted
from bridge.flink.types import quoted


def key_columns(config: InputConfig) -> dict[str, Wanted]:
    """Return what a view has to have for the key of an input."""
    return {_column(name): Wanted(text) for name, text in _parts(config).items()}


def key_values(config: InputConfig, stream: Stream) -> dict[str, Sql]:
    """Return what reads the key of an input from its view, by the names in results."""
    columns = {name: _column(name) for name in _parts(config)}
    return {name: Sql(quoted(c), stream.types[c]) for name, c in columns.items()}


def _parts(config: InputConfig) -> Mapping[str, str]:
    if isinstance(config.key, Mapping):
        return config.key
    return {compile_value(text).label: text for text in config.key}


def _column(name: str) -> str:
    return f"key_{name}"
