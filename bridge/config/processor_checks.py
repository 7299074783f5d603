"""Checks of one processor that need no table: what it is made of, and that its SQL can be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields
from typing import Any

from bridge.config.docstrings import setting_name
from bridge.config.inputs import COMMIT_TIME, PROCESSING_TIME, InputConfig
from bridge.config.problems import Findings, Path
from bridge.config.processors import ProcessorConfig
from bridge.core.errors import ConfigError

_EVERY_KIND = ("name", "max_ahead", "out_of_orderness", "version", "to")
_SETTINGS = {
    "python": ("python", "to"),
    "join": (*_EVERY_KIND, "join", "left", "right", "select"),
    "pattern": (*_EVERY_KIND, "pattern", "from", "where", "key", "time"),
    "window": (
        *_EVERY_KIND, "window", "aggregates", "from", "where", "key", "time", "mode",
        "allowed_lateness", "emit",
    ),
}  # fmt: skip
"""The settings of each kind of processor."""
_REQUIRED = {
    "python": (),
    "join": ("name", "left", "right"),
    "pattern": ("name", "from"),
    "window": ("name", "from", "aggregates"),
}


def check_processor(processor: ProcessorConfig, path: Path, findings: Findings) -> None:
    """Report what is missing, what does not belong there, and expressions that cannot be read."""
    given = [
        setting_name(item)
        for item in fields(processor)
        if getattr(processor, item.name) != _default(item)
    ]
    kinds = [kind for kind in _SETTINGS if kind in given]
    if len(kinds) != 1:
        findings.add(
            path,
            f"has {' and '.join(kinds)}; a processor has one of them."
            if kinds
            else "needs window (with aggregates), join, pattern, or python: what it computes.",
        )
        return
    kind = kinds[0]
    for name in given:
        if name not in _SETTINGS[kind]:
            findings.add((*path, name), f"does not belong to a processor with {kind}.")
    for name in _REQUIRED[kind]:
        if name not in given:
            findings.add((*path, name), f"is required in a processor with {kind}.")
    if kind == "join":
        for side in ("left", "right"):
            section = getattr(processor, side)
            if section is not None:
                _check_input(section, (*path, side), findings)
    elif processor.from_ is not None:
        _check_input(processor.input, path, findings)
    for name, call in processor.aggregates.items():
        _check_call(call, (*path, "aggregates", name), findings)


def check_unique_names(processors: Sequence[ProcessorConfig | None], findings: Findings) -> None:
    """Report processors that are called the same; None stands for one that could not be read."""
    taken: dict[str, int] = {}
    for i, processor in enumerate(processors):
        if processor is not None and processor.name and taken.setdefault(processor.name, i) != i:
            findings.add(
                ("processors", i, "name"),
                f"two processors are called {processor.name!r} (the other is "
                f"processors[{taken[processor.name]}]); give each a name of its own.",
            )


def _check_input(config: InputConfig, path: Path, findings: Findings) -> None:
    from bridge.expressions import Condition, Expression  # their parser is imported on use
    from bridge.expressions.operands import Moment

    texts: list[tuple[Path, type[Expression], str]] = []
    if config.where is not None:
        texts.append(((*path, "where"), Condition, config.where))
    if config.time not in (COMMIT_TIME, PROCESSING_TIME):
        texts.append(((*path, "time"), Moment, config.time))
    parts = config.key.items() if isinstance(config.key, Mapping) else enumerate(config.key)
    texts += [((*path, "key", name), Expression, text) for name, text in parts]
    for at, kind, text in texts:
        try:
            kind(text)
        except ConfigError as error:
            findings.add(at, str(error))


def _check_call(text: str, path: Path, findings: Findings) -> None:
    from bridge.expressions.calls import read_call
    from bridge.expressions.operands import Operand

    try:
        for argument in read_call(text).arguments[:1]:
            Operand(argument)
    except ConfigError as error:
        findings.add(path, str(error))


def _default(item: Field[Any]) -> Any:
    return item.default if item.default_factory is MISSING else item.default_factory()
