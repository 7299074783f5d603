"""Checks of one processor that need no table: what it is made of, and that its SQL can be read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, Field, fields
from typing import Any

from bridge.config.docstrings import setting_name
from bridge.config.inputs import COMMIT_TIME, PROCESSING_TIME, InputConfig
from bridge.config.patterns import StepConfig
from bridge.config.problems import Findings, Path
from bridge.config.processors import ProcessorConfig, WindowConfig
from bridge.core.errors import ConfigError

_EVERY_KIND = ("name", "max_ahead", "out_of_orderness", "version", "to", "late_to")
_SETTINGS = {
    "python": ("python", "to", "late_to", "timed_out_to"),
    "join": (*_EVERY_KIND, "join", "left", "right", "select"),
    "pattern": (*_EVERY_KIND, "pattern", "from", "where", "key", "time", "timed_out_to"),
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
    for name, text in processor.select.items():
        _check_selected(text, (*path, "select", name), findings)
    for name, call in processor.aggregates.items():
        _check_call(call, (*path, "aggregates", name), findings)
    if processor.window is not None:
        _check_window(processor.window, (*path, "window"), findings)
    if processor.pattern is not None:
        _check_steps(processor.pattern.steps, (*path, "pattern", "steps"), findings)
    _check_side_outputs(processor, path, findings)


def _check_side_outputs(processor: ProcessorConfig, path: Path, findings: Findings) -> None:
    timeless = _why_nothing_is_late(processor)
    if processor.late_to and timeless is not None:
        findings.add((*path, "late_to"), f"cannot be used: no event is late {timeless}.")
    pattern = processor.pattern
    if processor.timed_out_to and pattern is not None and pattern.within is None:
        findings.add(
            (*path, "timed_out_to"),
            "needs pattern.within: without it the time of a partial match is never over.",
        )


def _why_nothing_is_late(processor: ProcessorConfig) -> str | None:
    if processor.window is not None and processor.window.type in ("count", "global"):
        return f"for a {processor.window.type} window"
    if processor.join is not None and processor.join.type == "table":
        return "in a join with a table"
    if processor.join is None:
        times = [processor.time]
    else:
        times = [side.time for side in (processor.left, processor.right) if side is not None]
    return "in processing time" if set(times) == {PROCESSING_TIME} else None


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
        with _reported(at, findings):
            kind(text)


def _check_call(text: str, path: Path, findings: Findings) -> None:
    from bridge.expressions.calls import read_call
    from bridge.expressions.operands import Operand

    with _reported(path, findings):
        for argument in read_call(text).arguments[:1]:
            Operand(argument)


def _check_selected(text: str, path: Path, findings: Findings) -> None:
    from bridge.expressions import compile_value

    with _reported(path, findings):
        compile_value(text, rows=("left", "right"))


def _check_window(config: WindowConfig, path: Path, findings: Findings) -> None:
    from bridge.config.windows import window_of

    with _reported(path, findings):
        window_of(config)


def _check_steps(steps: Sequence[StepConfig], path: Path, findings: Findings) -> None:
    from bridge.expressions import compile_condition

    names = [step.name for step in steps if not step.kind.startswith("not_")]
    for i, step in enumerate(steps):
        for setting in ("where", "or_where", "until"):
            given = getattr(step, setting) or ()
            alone = isinstance(given, str)
            for j, text in enumerate([given] if alone else given):
                at = (*path, i, setting) if alone else (*path, i, setting, j)
                with _reported(at, findings):
                    compile_condition(text, steps=names)


@contextmanager
def _reported(path: Path, findings: Findings) -> Iterator[None]:
    """Report an error of the configuration at its place."""
    try:
        yield
    except ConfigError as error:
        findings.add(path, str(error))


def _default(item: Field[Any]) -> Any:
    return item.default if item.default_factory is MISSING else item.default_factory()
