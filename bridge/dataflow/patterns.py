"""Patterns as processors: from their definitions to dataflows (``docs/processing-patterns.md``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from bridge.config.durations import duration_us
from bridge.config.processors import ProcessorConfig
from bridge.core.errors import ConfigError
from bridge.core.events import CdcEvent
from bridge.dataflow.fingerprint import state_name_of
from bridge.dataflow.inputs import Input, make_input, sequence_of
from bridge.dataflow.late_events import make_late_output
from bridge.dataflow.pattern_steps import PatternSteps
from bridge.dataflow.places import at_place
from bridge.dataflow.rejections import Rejections
from bridge.dataflow.results import key_json, object_json, row_id_of
from bridge.dataflow.stream_time import StreamTime, lag_of
from bridge.processing.events import StreamEvent
from bridge.processing.partitions import PartitionMemory
from bridge.processing.partitions.patterns import PartitionedMatcher
from bridge.processing.patterns import (
    Pattern,
    PatternFailed,
    PatternMatch,
    PatternMatcher,
    TimedOut,
)
from bridge.processing.state.results import Result


class Steps(Protocol):
    """The steps of a pattern, in whatever language they were defined.

    Attributes:
        pattern: to look for.
        undecided: how often a condition had no value when its turn came; part of the state.
        failure: why a condition could not be judged at all, if that is known better than the
            matcher says it.
    """

    undecided: int

    @property
    def pattern(self) -> Pattern: ...

    @property
    def failure(self) -> ConfigError | None: ...

    def row_json(self, event: StreamEvent) -> str:
        """Return what results show of an event, as JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatternParts:
    """A pattern, in whatever language it was defined.

    Attributes:
        name: of the processor.
        state_name: under which it keeps its state.
        input: whose events are looked at.
        steps: of the pattern.
        sinks: names of those that get matches.
        late_sinks: names of those that get late events.
        timed_out_sinks: names of those that get partial matches whose time is over.
    """

    name: str
    state_name: str
    input: Input
    steps: Steps
    sinks: tuple[str, ...]
    late_sinks: tuple[str, ...]
    timed_out_sinks: tuple[str, ...]


def make_pattern(
    config: ProcessorConfig, place: str, memory: PartitionMemory | None = None
) -> PatternDataflow:
    """Return the dataflow of a processor with ``pattern``.

    Args:
        config: its definition.
        place: of the definition, ``processors[0]``, for errors.
        memory: for the state; None to keep all of it.

    Raises:
        ConfigError: with the place of the setting that is wrong.
    """
    assert config.pattern is not None
    if config.from_ is None:
        raise ConfigError(
            f"{place}.from: a pattern needs the tables whose events it looks at.",
            remedy="Add from: {tables: [schema.table]}.",
        )
    steps = PatternSteps(config.pattern, f"{place}.pattern")
    source = make_input(
        config.input,
        processor=config.name,
        place=place,
        value=steps.value,
        max_ahead=duration_us(config.max_ahead),
        check=steps.check,
        tables_place=f"{place}.from",
    )
    parts = PatternParts(
        name=config.name,
        state_name=state_name_of(config),
        input=source,
        steps=steps,
        sinks=config.to,
        late_sinks=config.late_to,
        timed_out_sinks=config.timed_out_to,
    )
    with at_place(f"{place}.pattern"):
        return make_pattern_dataflow(parts, duration_us(config.out_of_orderness), memory)


def make_pattern_dataflow(
    parts: PatternParts, out_of_orderness: int, memory: PartitionMemory | None = None
) -> PatternDataflow:
    """Return the dataflow of a pattern.

    Args:
        parts: of the pattern.
        out_of_orderness: how far an event may be behind the newest one, in microseconds.
        memory: for the state; None to keep all of it.

    Raises:
        ConfigError: the pattern cannot be matched, or a setting makes no sense.
    """
    lag = lag_of((parts.input,), out_of_orderness)
    pattern = parts.steps.pattern
    if memory is None:
        matcher = PatternMatcher(pattern, name=parts.name, out_of_orderness=lag)
    else:
        matcher = PartitionedMatcher(
            pattern,
            memory=memory,
            state_name=parts.state_name,
            name=parts.name,
            out_of_orderness=lag,
        )
    return PatternDataflow(parts, matcher, lag)


class PatternDataflow:
    """Reads changes, looks for a pattern in those of each key, and writes results.

    Late events, and partial matches whose time is over, are counted, and results for the sinks
    that ask for them. Events with a NULL in the key belong together, as rows do in GROUP BY.

    Args:
        parts: of the pattern.
        matcher: which looks for it.
        lag: how far events may be behind, in microseconds.

    Attributes:
        name: as in ``Dataflow``, and so are the others.
    """

    needs_rows: tuple[str, ...] = ()

    def __init__(self, parts: PatternParts, matcher: PatternMatcher, lag: int) -> None:
        self.name = parts.name
        self.state_name = parts.state_name
        self.sinks = parts.sinks
        self.inputs = (parts.input,)
        self._timed_out_sinks = parts.timed_out_sinks
        self._input = parts.input
        self._steps = parts.steps
        self._late = make_late_output(parts.name, parts.input.aliases, parts.late_sinks)
        self._time = StreamTime((parts.input,), lag)
        self._matcher = matcher
        self._rejections = Rejections()

    def process(self, events: Sequence[CdcEvent]) -> list[Result]:
        """Take events in, as ``Dataflow`` says."""
        results: list[Result] = []
        try:
            for event in events:
                self._process(event, results)
            self._flush(results)
        except PatternFailed as error:
            raise self._steps.failure or error from None
        if self._late is None:
            self._matcher.take_late()
        return results

    def _process(self, event: CdcEvent, results: list[Result]) -> None:
        rejected: list[tuple[CdcEvent, str]] = []
        self._time.before(event)
        for change in self._input.read(event, sequence_of(event), rejected):
            moves = self._input.moves_time(event, change)
            self._tell(self._matcher.process_event(change, moves_time=moves), results)
            if self._late is not None:
                results += [self._late.write(late, event) for late in self._matcher.take_late()]
        self._rejections.add(rejected)
        watermark = self._time.after(event)
        if watermark is not None:
            self._tell(self._matcher.advance(watermark), results)

    def advance(self, now: int) -> list[Result]:
        """Let time pass, as ``Dataflow`` says."""
        results: list[Result] = []
        try:
            self._tell(self._matcher.advance(self._time.idle(now)), results)
            self._flush(results)
        except PatternFailed as error:
            raise self._steps.failure or error from None
        return results

    def _flush(self, results: list[Result]) -> None:
        for matches in self._matcher.flush():
            self._tell(matches, results)

    def _tell(self, matches: Sequence[PatternMatch], results: list[Result]) -> None:
        results += [self._write(match, "pattern_match", self.sinks) for match in matches]
        timed_out = self._matcher.take_timed_out()
        if self._timed_out_sinks:
            sinks = self._timed_out_sinks
            results += [self._write(lost, "pattern_timeout", sinks) for lost in timed_out]

    def _write(
        self, found: PatternMatch | TimedOut, result_type: str, sinks: tuple[str, ...]
    ) -> Result:
        key: Any = found.key
        rows = object_json(
            (step, f"[{','.join(map(self._steps.row_json, taken))}]")
            for step, taken in found.events.items()
        )
        return Result(
            id=found.id,
            type=result_type,
            processor=self.name,
            timestamp=found.end,
            row_id=row_id_of(key),
            members=(
                f'"processor":"{self.name}","key":{key_json(self._input.aliases, key)},'
                f'"start":{found.start},"end":{found.end},"events":{rows}'
            ),
            sinks=sinks,
        )

    def take_rejected(self) -> list[tuple[CdcEvent, str]]:
        """Return the events without a value, as ``Dataflow`` says."""
        return self._rejections.take()

    def snapshot(self) -> Any:
        """Return the state, as ``Dataflow`` says."""
        return {
            "clocks": self._time.snapshot(),
            "rejected": self._rejections.count,
            "undecided": self._steps.undecided,
            "matcher": self._matcher.snapshot(),
        }

    def restore(self, state: Any) -> None:
        """Go on from a snapshot, as ``Dataflow`` says."""
        self._time.restore(state["clocks"])
        self._rejections.restore(state["rejected"])
        self._steps.undecided = state["undecided"]
        self._matcher.restore(state["matcher"])

    def stats(self) -> Mapping[str, int]:
        """Return figures since the state began."""
        stats = self._matcher.get_stats()
        return {
            "events": stats.events,
            "late": stats.late,
            "rejected": self._rejections.count,
            "undecided": self._steps.undecided,
            "results": stats.matches + (stats.timed_out if self._timed_out_sinks else 0),
            "timed_out": stats.timed_out,
            "waiting": stats.waiting,
            "keys": stats.keys,
            "partial_matches": stats.partial_matches,
        }
