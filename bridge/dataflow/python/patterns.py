"""Patterns over what a function returns."""

from __future__ import annotations

from bridge.core.errors import ConfigError
from bridge.dataflow.patterns import PatternDataflow, PatternParts, make_pattern_dataflow
from bridge.dataflow.python.definition import Matched, PythonProcessor
from bridge.dataflow.python.inputs import guarded, kept, make_python_input
from bridge.dataflow.results import to_json
from bridge.processing.events import StreamEvent
from bridge.processing.partitions import PartitionMemory
from bridge.processing.patterns import Pattern
from bridge.processing.time import microseconds


def make_python_pattern(
    processor: PythonProcessor,
    made: Matched,
    *,
    sinks: tuple[str, ...],
    late_sinks: tuple[str, ...],
    timed_out_sinks: tuple[str, ...],
    memory: PartitionMemory | None,
) -> PatternDataflow:
    """Return the dataflow of a definition with a pattern.

    Args:
        processor: the function with its definition.
        made: the definition.
        sinks: names of those that get matches.
        late_sinks: names of those that get late events.
        timed_out_sinks: names of those that get partial matches whose time is over.
        memory: for the state; None to keep all of it.

    Raises:
        ConfigError: the definition is wrong.
    """
    source = make_python_input(
        made.input,
        kept(guarded(processor.function, processor.name)),
        processor=processor.name,
        max_ahead=microseconds(processor.max_ahead, "max_ahead", minimum=0),
    )
    parts = PatternParts(
        name=processor.name,
        state_name=processor.state_name,
        input=source,
        steps=FunctionSteps(made.pattern),
        sinks=sinks,
        late_sinks=late_sinks,
        timed_out_sinks=timed_out_sinks,
    )
    lag = microseconds(processor.out_of_orderness, "out_of_orderness", minimum=0)
    return make_pattern_dataflow(parts, lag, memory)


class FunctionSteps:
    """The steps of a pattern whose conditions are functions.

    A condition that fails stops the matcher, which says in which step it was: it may look at
    several events, so that none alone is to blame.

    Args:
        pattern: to look for.
    """

    failure: ConfigError | None = None

    def __init__(self, pattern: Pattern) -> None:
        self.pattern = pattern
        self.undecided = 0  # a function has an answer, or fails

    def row_json(self, event: StreamEvent) -> str:
        """Return what the function had returned for an event, as JSON."""
        return to_json(event.value)
