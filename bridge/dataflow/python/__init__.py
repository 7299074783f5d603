"""Processors that are written in Python: a typed function with ``@processor``.

``docs/processors.md`` shows them.
"""

from __future__ import annotations

import re
from typing import Any

from bridge.config.processors import NAME, ProcessorConfig
from bridge.core.errors import ConfigError
from bridge.dataflow.dataflow import Dataflow
from bridge.dataflow.places import at_place
from bridge.dataflow.python.decorator import processor
from bridge.dataflow.python.definition import (
    Joined,
    Matched,
    ProcessorInput,
    PythonProcessor,
    Windowed,
)
from bridge.dataflow.python.joins import make_python_join
from bridge.dataflow.python.patterns import make_python_pattern
from bridge.dataflow.python.windows import make_python_windows
from bridge.processing.partitions import PartitionMemory
from sinks.routing import load_function

__all__ = ["ProcessorInput", "PythonProcessor", "find_processor", "load_processor", "processor"]


def load_processor(
    config: ProcessorConfig, place: str, memory: PartitionMemory | None = None
) -> Dataflow:
    """Return the dataflow of a processor with ``python``.

    Raises:
        ConfigError: with the place, if there is no such function, or its definition is wrong.
    """
    found = find_processor(config, place)
    _check_side_outputs(found, config, place)
    with at_place(f"{place}.python ({config.python})"):
        if re.fullmatch(NAME["pattern"], found.name) is None:
            raise ConfigError(
                f"the name {found.name!r} has to be {NAME['form']}.",
                remedy="Give @processor a name.",
            )
        match found.definition:
            case Windowed() as windowed:
                return make_python_windows(
                    found, windowed, sinks=config.to, late_sinks=config.late_to, memory=memory
                )
            case Joined() as joined:
                return make_python_join(
                    found, joined, sinks=config.to, late_sinks=config.late_to, memory=memory
                )
            case Matched() as matched:
                return make_python_pattern(
                    found,
                    matched,
                    sinks=config.to,
                    late_sinks=config.late_to,
                    timed_out_sinks=config.timed_out_to,
                    memory=memory,
                )


def find_processor(config: ProcessorConfig, place: str) -> PythonProcessor:
    """Return the definition that ``python`` names.

    Raises:
        ConfigError: with the place, if there is none.
    """
    assert config.python is not None
    with at_place(f"{place}.python"):
        found: Any = load_function(config.python, role="processor")
        if not isinstance(found, PythonProcessor):
            raise ConfigError(
                f"{config.python} has no @processor.", remedy="Import it from bridge."
            )
        return found


def _check_side_outputs(found: PythonProcessor, config: ProcessorConfig, place: str) -> None:
    definition = found.definition
    if config.late_to and not definition.may_be_late:
        raise ConfigError(
            f"{place}.late_to: no event of {config.python} is ever late.",
            remedy="Leave late_to out.",
        )
    if config.timed_out_to:
        with at_place(f"{place}.timed_out_to"):
            if not isinstance(definition, Matched):
                raise ConfigError(
                    f"{config.python} is no pattern.", remedy="Leave timed_out_to out."
                )
            if definition.pattern.window is None:
                raise ConfigError(
                    "without within the time of a partial match is never over.",
                    remedy="Give the pattern a length of time: .within(timedelta(hours=1)).",
                )
