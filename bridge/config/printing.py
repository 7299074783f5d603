"""The configuration on the way out: its JSON Schema, and its values without the secrets."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from bridge.config.docstrings import attribute_docs, setting_name, summary
from bridge.config.model import Config
from bridge.config.processors import ProcessorConfig
from bridge.config.projections import ProjectionConfig
from bridge.config.read_models import ReadModelConfig
from bridge.config.sections import SECTIONS, SINK_SETTINGS
from bridge.config.sinks import SinkConfig
from bridge.config.validation import section_schema
from bridge.core.errors import ConfigError
from bridge.core.secret import Secret
from sinks.registry import SINKS, sink_class


def show(config: Config) -> dict[str, Any]:
    """Return the settings in the shape of the file, with every secret masked."""
    sinks = [
        {name: _plain(getattr(sink, name)) for name in SINK_SETTINGS} | _plain(sink.settings)
        for sink in config.sinks
    ]
    return {
        setting.name: sinks if setting.name == "sinks" else _plain(getattr(config, setting.name))
        for setting in fields(config)
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Secret | Path):
        return str(value)
    if is_dataclass(value):
        return {setting_name(item): _plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return value


def secrets_of(config: Config) -> list[Secret]:
    """Return every secret in the configuration, so that logs can be kept free of them."""
    return list(_secrets_in(config))


def _secrets_in(value: object) -> Iterator[Secret]:
    if isinstance(value, Secret):
        yield value
    elif is_dataclass(value):
        for item in fields(value):
            yield from _secrets_in(getattr(value, item.name))
    elif isinstance(value, dict):
        for item in value.values():
            yield from _secrets_in(item)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from _secrets_in(item)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of the file, for editors and for people.

    Sinks whose client library is not installed are left out.
    """
    docs = attribute_docs(Config)
    properties: dict[str, Any] = {}
    for name, shape in SECTIONS.items():
        properties[name] = {**_describe(shape), "description": docs[name]}
    properties["sinks"] = {
        "description": docs["sinks"],
        "type": "array",
        "minItems": 1,
        "items": {"oneOf": [_sink_schema(name) for name in SINKS if _installed(name)]},
    }
    properties["processors"] = {
        "description": docs["processors"],
        "type": "array",
        "items": _describe(ProcessorConfig),
    }
    properties["projections"] = {
        "description": docs["projections"],
        "type": "array",
        "items": _describe(ProjectionConfig),
    }
    properties["read_models"] = {
        "description": docs["read_models"],
        "type": "array",
        "items": _describe(ReadModelConfig),
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "pgbridge.yaml",
        "type": "object",
        "properties": properties,
        "required": ["source"],
        "anyOf": [{"required": ["sinks"]}, {"required": ["projections"]}],
        "additionalProperties": False,
    }


def _installed(name: str) -> bool:
    try:
        sink_class(name)
    except ConfigError:
        return False
    return True


def _sink_schema(name: str) -> dict[str, Any]:
    shared, own = _describe(SinkConfig), _describe(sink_class(name).Config)
    kind = {**shared["properties"]["type"], "const": name}
    del shared["properties"]["settings"]
    return {
        **own,
        "title": f"{name} sink",
        "properties": {**shared["properties"], **own["properties"], "type": kind},
        "required": ["type", *own.get("required", ())],
    }


def _describe(shape: type) -> dict[str, Any]:
    """Return the schema of a dataclass, with the descriptions of its docstring, in one piece."""
    schema = section_schema(shape)
    definitions = schema.pop("$defs", {})
    for inner in _dataclasses_in(shape):
        _annotate(definitions.get(inner.__name__, schema if inner is shape else {}), inner)
    described: dict[str, Any] = _inline(schema, definitions)
    return described


def _dataclasses_in(shape: type) -> list[type]:
    found = [shape]
    hints = list(typing.get_type_hints(shape).values())
    for hint in hints:
        hints += typing.get_args(hint)
        if isinstance(hint, type) and is_dataclass(hint):
            found += _dataclasses_in(hint)
    return found


def _annotate(schema: dict[str, Any], shape: type) -> None:
    docs = attribute_docs(shape)
    schema.update(description=summary(shape), additionalProperties=False)
    for name, described in schema.setdefault("properties", {}).items():
        described.pop("title", None)
        if name in docs:
            described["description"] = docs[name]


def _inline(schema: Any, definitions: dict[str, Any]) -> Any:
    """Replace references by what they refer to; settings are trees, so this ends."""
    if isinstance(schema, list):
        return [_inline(item, definitions) for item in schema]
    if not isinstance(schema, dict):
        return schema
    target = definitions.get(str(schema.get("$ref", "")).rpartition("/")[2], {})
    own = {key: value for key, value in schema.items() if key != "$ref"}
    return {key: _inline(value, definitions) for key, value in {**target, **own}.items()}
