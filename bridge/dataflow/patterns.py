"""Patterns as processors: from their definitions to dataflows (``docs/processing-patterns.md``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bridge.config.durations import duration_us
from bridge.config.processors import ProcessorConfig
from bridge.core.errors import ConfigError
from bridge.core.events import CdcEvent
from bridge.dataflow.fingerprint import state_name_of
from bridge.dataflow.inputs import make_input, sequence_of
from bridge.dataflow.pattern_steps import PatternSteps
from bridge.dataflow.places import at_place
from bridge.dataflow.rejections import Rejections
from bridge.dataflow.results import key_json, object_json, row_id_of
from bridge.dataflow.stream_time import StreamTime, lag_of
from bridge.processing.patterns import PatternFailed, PatternMatch, PatternMatcher, TimedOut
from bridge.processing.state.results import Result


def make_pattern(config: ProcessorConfig, place: str) -> PatternDataflow:
    """Return the dataflow of a processor with ``pattern``.

    Args:
        config: its definition.
        place: of the definition, ``processors[0]``, for errors.

    Raises:
        ConfigError: with the place of the setting that is wrong.
    """
    if config.from_ is None:
        raise ConfigError(
            f"{place}.from: a pattern needs the tables whose events it looks at.",
            remedy="Add from: {tables: [schema.table]}.",
        )
    return PatternDataflow(config, place)


class PatternDataflow:
    """Reads changes, looks for a pattern in those of each key, and writes results.

    Late events are counted and left out. Events with a NULL in the key belong together, as rows
    do in GROUP BY.

    Args:
        config: the definition.
        place: of it, for errors.

    Attributes:
        name: as in ``Dataflow``, and so are the others.

    Raises:
        ConfigError: with the place of the setting that is wrong.
    """

    needs_rows: tuple[str, ...] = ()

    def __init__(self, config: ProcessorConfig, place: str) -> None:
        assert config.pattern is not None
        self.name = config.name
        self.state_name = state_name_of(config)
        self.sinks = config.to
        self._tells_timed_out = config.pattern.timed_out
        self._place = f"{place}.pattern"
        self._steps = PatternSteps(config.pattern, self._place)
        self._input = make_input(
            config.input,
            processor=config.name,
            place=place,
            value=self._steps.value,
            max_ahead=duration_us(config.max_ahead),
            check=self._steps.check,
            tables_place=f"{place}.from",
        )
        lag = lag_of((config.input,), config.out_of_orderness)
        self._time = StreamTime((config.input,), (self._input,), lag)
        with at_place(self._place):
            self._matcher = PatternMatcher(
                self._steps.pattern, name=config.name, out_of_orderness=lag
            )
        self._rejections = Rejections()

    def process(self, events: Sequence[CdcEvent]) -> list[Result]:
        """Take events in, as ``Dataflow`` says."""
        results: list[Result] = []
        try:
            for event in events:
                self._process(event, results)
        except PatternFailed as error:
            raise self._steps.failure or error from None
        self._matcher.take_late()
        return results

    def _process(self, event: CdcEvent, results: list[Result]) -> None:
        rejected: list[tuple[CdcEvent, str]] = []
        self._time.before(event)
        for change in self._input.read(event, sequence_of(event), rejected):
            moves = self._input.moves_time(event, change)
            self._tell(self._matcher.process_event(change, moves_time=moves), results)
        self._rejections.add(rejected)
        watermark = self._time.after(event)
        if watermark is not None:
            self._tell(self._matcher.advance(watermark), results)

    def advance(self, now: int) -> list[Result]:
        """Let time pass, as ``Dataflow`` says."""
        results: list[Result] = []
        try:
            self._tell(self._matcher.advance(self._time.idle(now)), results)
        except PatternFailed as error:
            raise self._steps.failure or error from None
        return results

    def _tell(self, matches: Sequence[PatternMatch], results: list[Result]) -> None:
        results += [self._write(match, "pattern_match") for match in matches]
        timed_out = self._matcher.take_timed_out()
        if self._tells_timed_out:
            results += [self._write(lost, "pattern_timeout") for lost in timed_out]

    def _write(self, found: PatternMatch | TimedOut, result_type: str) -> Result:
        key: Any = found.key
        rows = object_json(
            (step, f"[{','.join(event.value[0] for event in taken)}]")
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
            sinks=self.sinks,
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
            "results": stats.matches + (stats.timed_out if self._tells_timed_out else 0),
            "timed_out": stats.timed_out,
            "waiting": stats.waiting,
            "keys": stats.keys,
            "partial_matches": stats.partial_matches,
        }
