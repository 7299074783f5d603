"""Aggregates in windows, as a dataflow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final

from bridge.core.events import CdcEvent, Operation
from bridge.dataflow.aggregates import Aggregates
from bridge.dataflow.inputs import Input, sequence_of
from bridge.dataflow.late_events import LateOutput
from bridge.dataflow.results import key_json, row_id_of, to_json
from bridge.processing.aggregates import AggregationFunction, Unaggregatable
from bridge.processing.events import StreamEvent
from bridge.processing.partitions import PartitionedProcessor, PartitionMemory
from bridge.processing.processor import StreamProcessor
from bridge.processing.state.results import Result
from bridge.processing.watermark import BEGINNING, END
from bridge.processing.windows import WindowResult
from bridge.processing.windows.definitions import Window

CLOCK_SLACK_US: Final = 1_000_000
"""How far the server's clock may be ahead of commits that are not in the stream yet."""

_index: Final = itemgetter(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowRules:
    """What a dataflow over windows has to know of its definition.

    Attributes:
        name: of the processor.
        state_name: under which it keeps its state.
        sinks: names of those that get its results.
        changelog: whether rows are taken back.
        needs_rows: patterns of the tables whose rows it has to see before it begins.
        commits_tell_time: whether the commit time of every event says how far time has come.
        lag: how far behind the server's clock events may be, in microseconds.
        ends: whether windows end at a time.
    """

    name: str
    state_name: str
    sinks: tuple[str, ...]
    changelog: bool
    needs_rows: tuple[str, ...]
    commits_tell_time: bool
    lag: int
    ends: bool


def make_processor(
    window: Window,
    aggregates: Mapping[str, AggregationFunction],
    *,
    memory: PartitionMemory | None,
    state_name: str,
    **settings: Any,
) -> StreamProcessor:
    """Return a processor with its state in partitions, or in one piece if there is no limit.

    Args:
        window: as in ``StreamProcessor``.
        aggregates: as in ``StreamProcessor``.
        memory: which limits it; None for no limit.
        state_name: of its state.
        settings: all others of ``StreamProcessor``.

    Raises:
        ConfigError: the settings do not go together.
    """
    if memory is None:
        return StreamProcessor(window, aggregates, **settings)
    return PartitionedProcessor(
        window, aggregates, memory=memory, state_name=state_name, **settings
    )


class WindowDataflow:
    """Reads changes, aggregates them in windows, and writes results.

    Late events are counted, and results for the sinks that ask for them.

    Args:
        rules: of the definition.
        source: reads the changes; its values are those of ``aggregates``.
        aggregates: what is computed.
        processor: which computes it.
        late: writes late events; None if no sink gets them.
    """

    def __init__(
        self,
        rules: WindowRules,
        source: Input,
        aggregates: Aggregates,
        processor: StreamProcessor,
        late: LateOutput | None = None,
    ) -> None:
        self.name = rules.name
        self.state_name = rules.state_name
        self.sinks = rules.sinks
        self.needs_rows = rules.needs_rows
        self.inputs = (source,)
        self._rules = rules
        self._input = source
        self._aggregates = aggregates
        self._processor = processor
        self._late = late
        self._rejected: list[tuple[CdcEvent, str]] = []
        self._rejected_count = 0
        self._batch: list[StreamEvent] = []
        self._origins: list[CdcEvent] = []  # of the events in the batch, if they are needed
        self._needs_origins = rules.changelog or not rules.ends or late is not None
        self._moves_time = True
        # Commit times that events told of: the highest, and how far the processor knows.
        self._heard = self._passed = BEGINNING

    def process(self, events: Sequence[CdcEvent]) -> list[Result]:
        """Take events in, as ``Dataflow`` says."""
        results: list[Result] = []
        before = len(self._rejected)
        for event in events:
            changes = self._input.read(event, sequence_of(event), self._rejected)
            if changes:
                self._add(event, changes, results)
            elif event.operation is Operation.TRUNCATE:
                self._truncate(event, results)
            elif self._rules.commits_tell_time and event.operation is not Operation.READ:
                self._heard = max(self._heard, event.timestamp)
        self._flush(results)
        self._pass_time(results)
        self._processor.take_late()
        self._rejected_count += len(self._rejected) - before
        return results

    def _add(self, event: CdcEvent, changes: list[StreamEvent], results: list[Result]) -> None:
        """Put what was read of an event into the batch; whatever has to come first is told."""
        moves_time = self._input.moves_time(event, changes[-1])
        if moves_time is not self._moves_time or self._heard > self._passed:
            self._flush(results)
            self._pass_time(results)
        self._moves_time = moves_time
        self._batch += changes
        if moves_time and self._rules.commits_tell_time:
            self._heard = self._passed = max(self._heard, event.timestamp)
        if self._needs_origins:
            self._origins += [event] * len(changes)

    def _flush(self, results: list[Result]) -> None:
        """Give the batch to the processor."""
        batch, self._batch = self._batch, []
        origins, self._origins = self._origins, []
        if origins:
            self._flush_apart(batch, origins, results)
        elif batch:
            told = self._processor.process_batch(batch, moves_time=self._moves_time)
            self._write(told, results, 0)

    def _flush_apart(
        self, batch: list[StreamEvent], origins: list[CdcEvent], results: list[Result]
    ) -> None:
        """Give the processor a batch of which it counts what gave which result."""
        answers = self._processor.process_apart(batch, moves_time=self._moves_time)
        told = self._late_among(batch, origins)
        for index, answer in answers:
            if not isinstance(answer, Unaggregatable):
                told.append((index, self._result(answer, origins[index].timestamp)))
            elif self._rules.changelog:  # what was not added cannot be taken back
                self._rejected.append((origins[index], answer.message))
            else:
                raise answer
        told.sort(key=_index)
        results += [result for _, result in told]

    def _late_among(
        self, batch: list[StreamEvent], origins: list[CdcEvent]
    ) -> list[tuple[int, Result]]:
        """Return the results for those of a batch that came too late, with their indexes."""
        late = {id(event) for event in self._processor.take_late()}
        if self._late is None or not late:
            return []
        return [
            (index, self._late.write(event, origins[index]))
            for index, event in enumerate(batch)
            if id(event) in late
        ]

    def _pass_time(self, results: list[Result]) -> None:
        """Let the time pass that commits have told of."""
        if self._heard > self._passed:
            self._passed = self._heard
            self._write(self._processor.advance(self._heard - self._rules.lag), results, 0)

    def _truncate(self, event: CdcEvent, results: list[Result]) -> None:
        if self._rules.changelog and self._input.selects(event.relation):
            self._flush(results)
            self._write(self._processor.clear(), results, event.timestamp)

    def advance(self, now: int) -> list[Result]:
        """Let time pass, as ``Dataflow`` says."""
        results: list[Result] = []
        self._input.clock = max(self._input.clock, now)
        passed = now - self._rules.lag - CLOCK_SLACK_US
        self._write(self._processor.advance(passed), results, 0)
        return results

    def _write(self, told: list[WindowResult], results: list[Result], timestamp: int) -> None:
        for result in told:
            results.append(self._result(result, timestamp))

    def _result(self, result: WindowResult, timestamp: int) -> Result:
        key: tuple[Any, ...] = result.key  # type: ignore[assignment]
        values = None if result.values is None else self._aggregates.show(result.values)
        endless = (result.start, result.end) == (BEGINNING, END)
        start, end = ("null", "null") if endless else (str(result.start), str(result.end))
        members = (
            f'"processor":{to_json(self.name)},"key":{key_json(self._input.aliases, key)},'
            f'"window":{{"start":{start},"end":{end}}},"values":{to_json(values)},'
            f'"final":{to_json(result.final)},"revision":{result.revision}'
        )
        return Result(
            id=result.id,
            type="window_result",
            processor=self.name,
            timestamp=result.end if self._rules.ends else timestamp,
            row_id=row_id_of(key),
            members=members,
            sinks=self.sinks,
        )

    def take_rejected(self) -> list[tuple[CdcEvent, str]]:
        """Return the events without a value, as ``Dataflow`` says."""
        rejected, self._rejected = self._rejected, []
        return rejected

    def snapshot(self) -> Any:
        """Return the state, as ``Dataflow`` says."""
        return {
            "processor": self._processor.snapshot(),
            "aggregates": self._aggregates.dump(),
            "clock": self._input.clock,
            "heard": self._heard,
            "rejected": self._rejected_count,
        }

    def restore(self, state: Any) -> None:
        """Go on from a state, as ``Dataflow`` says."""
        self._processor.restore(state["processor"])
        self._aggregates.load(state["aggregates"])
        self._input.clock = state["clock"]
        self._heard = self._passed = state["heard"]
        self._rejected_count = state["rejected"]

    def stats(self) -> Mapping[str, int]:
        """Return figures, as ``Dataflow`` says."""
        stats = self._processor.get_stats()
        return {
            "events": stats.events,
            "late": stats.late,
            "rejected": self._rejected_count,
            "results": stats.results,
            "open_windows": stats.open_windows,
            "keys": stats.keys,
            "watermark": stats.watermark,
        }
