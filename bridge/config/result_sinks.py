"""Which sinks get results of processors, and what such a sink may be asked for."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from bridge.config.problems import Findings
from bridge.config.processors import ProcessorConfig
from bridge.config.sinks import FilterConfig, SinkConfig
from bridge.core.errors import ConfigError
from sinks.results import check_result_sink


def check_result_sinks(
    processors: Sequence[ProcessorConfig | None],
    sinks: Sequence[SinkConfig | None],
    findings: Findings,
) -> None:
    """Report processors without a sink, and sinks that cannot take results.

    Args:
        processors: in the order of the file; None stands for one that could not be read.
        sinks: the same. If one of them could not be read, it may be the one that is named.
        findings: gets the problems.
    """
    names = [sink.name for sink in sinks if sink is not None]
    wanted: dict[str, str] = {}
    for index, processor in enumerate(processors):
        if processor is None:
            continue
        wanted |= dict.fromkeys(processor.targets, processor.name)
        if not processor.to:
            findings.add(
                ("processors", index, "to"),
                f"is required: the names of sinks that get the results; there are: "
                f"{', '.join(names)}.",
            )
        for key in ("to", "late_to", "timed_out_to"):
            targets: tuple[str, ...] = getattr(processor, key)
            for place, name in enumerate(targets):
                if name not in names and None not in sinks:
                    findings.add(("processors", index, key, place), _unknown(name, names))
    for index, sink in enumerate(sinks):
        if sink is not None and sink.name in wanted:
            for setting, message in _problems(sink, wanted[sink.name]):
                findings.add(("sinks", index, *setting), message)


def _problems(sink: SinkConfig, processor: str) -> list[tuple[tuple[str, ...], str]]:
    why = f"the sink gets the results of processor {processor!r}, and only these"
    found: list[tuple[tuple[str, ...], str]] = []
    if sink.filter != FilterConfig():
        found.append((("filter",), f"cannot be used: {why}; let the processor's where choose."))
    for setting in ("columns", "rename"):
        if getattr(sink, setting):
            found.append(((setting,), f"cannot be used: {why}; results have no columns."))
    if not sink.required:
        found.append(
            (("required",), f"has to be true: {why}; they wait in the store while it is away.")
        )
    try:
        check_result_sink(sink.settings)
    except ConfigError as error:
        found.append(((), f"{error} It gets the results of processor {processor!r}."))
    return found


def _unknown(name: str, names: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names)}."
    return f"there is no sink {name!r}; {hint}"
