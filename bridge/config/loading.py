"""Reads the configuration: file, environment, flags, in rising order of precedence."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from bridge.config.document import read_document
from bridge.config.environment import overlay_environment, put
from bridge.config.model import Config
from bridge.config.problems import ConfigInvalid, Findings, unknown_key
from bridge.config.problems import Path as SettingPath
from bridge.config.processor_checks import check_processor, check_unique_names
from bridge.config.processors import ProcessorConfig
from bridge.config.projection_checks import check_projections
from bridge.config.projections import ProjectionConfig
from bridge.config.read_models import ReadModelConfig, check_read_models
from bridge.config.result_sinks import check_result_sinks
from bridge.config.sections import LISTS, SECTIONS, SINK_SETTINGS
from bridge.config.sinks import SinkConfig
from bridge.config.validation import validate
from bridge.core.errors import ConfigError
from sinks.registry import sink_class


def load_config(
    path: str | Path | None,
    overrides: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Config:
    """Return the checked configuration.

    Args:
        path: of the YAML file; None to take everything from the environment and the flags.
        overrides: what the command line says, by path: ``{"log.level": "debug"}``.
        environ: the environment; that of the process by default.

    Raises:
        ConfigError: the file cannot be read, or something in it is wrong; every error is named.
    """
    environ = os.environ if environ is None else environ
    findings = Findings()
    tree = {} if path is None else read_document(_read(Path(path)), environ, findings)
    if findings.has(()):  # not YAML at all: everything else would be a consequence
        raise ConfigInvalid(str(path), findings)
    overlay_environment(tree, environ, [*SECTIONS, *LISTS], findings)
    for dotted, value in (overrides or {}).items():
        put(tree, tuple(dotted.split(".")), value, "from the command line", findings)

    for key in tree:
        if key not in SECTIONS and key not in LISTS:
            findings.add((key,), unknown_key(key, [*SECTIONS, *LISTS]))
    sections: dict[str, Any] = {
        name: validate(shape, tree.get(name), (name,), findings) for name, shape in SECTIONS.items()
    }
    sinks = _sinks(tree.get("sinks"), findings, needed=not tree.get("projections"))
    processors = _processors(tree.get("processors"), findings)
    read_models = _read_models(tree.get("read_models"), tree.get("projections"), findings)
    check_result_sinks(processors, sinks, findings)
    projections = _projections(tree.get("projections"), findings)
    problems = list(findings)
    if problems:
        raise ConfigInvalid("The configuration" if path is None else str(path), problems)
    return Config(
        sinks=tuple(sink for sink in sinks if sink is not None),
        processors=tuple(processor for processor in processors if processor is not None),
        projections=tuple(projections),
        read_models=tuple(read_models),
        **sections,
    )


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(
            f"There is no configuration file {path}.",
            remedy="Write one, or name it with --config; docs/configuration.md has an example.",
        ) from None
    except OSError as error:
        raise ConfigError(
            f"The configuration file {path} cannot be read: {error.strerror}.",
            remedy="Check the path and its permissions.",
        ) from None
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"The configuration file {path} is not UTF-8 (byte {error.start}).",
            remedy="Save it as UTF-8.",
        ) from None


def _sinks(raw: object, findings: Findings, *, needed: bool) -> list[SinkConfig | None]:
    """Return the sinks at their places; None stands for one that could not be read."""
    path = ("sinks",)
    if raw is None or raw == []:
        if needed:
            shortest = "sinks: [{type: stdout}]"
            findings.add(path, f"at least one sink is needed; the shortest is: {shortest}")
        return []
    if not isinstance(raw, list):
        findings.add(path, "has to be a list, each sink after a dash.")
        return []
    sinks = [_sink(item, i, findings) for i, item in enumerate(raw)]
    taken: dict[str, int] = {}
    for i, sink in enumerate(sinks):
        if sink is not None and taken.setdefault(sink.name, i) != i:
            findings.add(
                ("sinks", i, "name"),
                f"two sinks are called {sink.name!r} (the other is sinks[{taken[sink.name]}]); "
                "give each a name of its own.",
            )
    return sinks


def _sink(raw: object, index: int, findings: Findings) -> SinkConfig | None:
    path = ("sinks", index)
    if not isinstance(raw, Mapping):
        findings.add(path, "has to be a section with a type.")
        return None
    shared = {key: value for key, value in raw.items() if key in SINK_SETTINGS}
    own = {key: value for key, value in raw.items() if key not in SINK_SETTINGS}
    sink = validate(SinkConfig, shared, path, findings)
    kind = raw.get("type")
    if not isinstance(kind, str):
        return None
    try:
        shape = sink_class(kind).Config
    except ConfigError as error:
        findings.add((*path, "type"), str(error))
        return None
    names = [setting.name for setting in fields(shape)]
    # A sink whose client retries by itself declares ``retry`` too, and gets the same section.
    own |= {key: value for key, value in shared.items() if key in names}
    known = [*SINK_SETTINGS, *names]
    for key in own:
        if key not in known:
            findings.add((*path, key), unknown_key(key, known))
    settings = validate(shape, own, path, findings)
    if sink is not None and sink.filter.where is not None:
        _check_condition(sink.filter.where, (*path, "filter", "where"), findings)
    if sink is None or settings is None:
        return None
    return replace(sink, name=sink.name or sink.type, settings=settings)


def _processors(raw: object, findings: Findings) -> list[ProcessorConfig | None]:
    """Return the processors at their places; None stands for one that could not be read."""
    path = ("processors",)
    if raw is None:
        return []
    if not isinstance(raw, list):
        findings.add(path, "has to be a list, each processor after a dash.")
        return []
    processors = [
        validate(ProcessorConfig, item, (*path, i), findings) for i, item in enumerate(raw)
    ]
    for i, processor in enumerate(processors):
        if processor is not None:
            check_processor(processor, (*path, i), findings)
    check_unique_names(processors, findings)
    return processors


def _projections(raw: object, findings: Findings) -> list[ProjectionConfig]:
    path = ("projections",)
    if raw is None:
        return []
    if not isinstance(raw, list):
        findings.add(path, "has to be a list, each projection after a dash.")
        return []
    projections = [
        validate(ProjectionConfig, item, (*path, i), findings) for i, item in enumerate(raw)
    ]
    check_projections(projections, findings)
    return [projection for projection in projections if projection is not None]


def _read_models(raw: object, projections: object, findings: Findings) -> list[ReadModelConfig]:
    path = ("read_models",)
    if raw is None:
        return []
    if not isinstance(raw, list):
        findings.add(path, "has to be a list, each read model after a dash.")
        return []
    read_models = [
        validate(ReadModelConfig, item, (*path, i), findings) for i, item in enumerate(raw)
    ]
    check_read_models(read_models, _stores(projections), findings)
    return [read_model for read_model in read_models if read_model is not None]


def _stores(projections: object) -> dict[str, str] | None:
    """Return the name of each projection and the type of its store; None if that cannot be told."""
    if projections is None:
        return {}
    try:
        return {str(it["name"]): str(it["store"]["type"]) for it in projections}  # type: ignore[attr-defined]
    except (TypeError, KeyError):
        return None


def _check_condition(text: str, path: SettingPath, findings: Findings) -> None:
    from bridge.expressions import compile_condition  # its parser is imported on use

    try:
        compile_condition(text)
    except ConfigError as error:
        findings.add(path, str(error))
