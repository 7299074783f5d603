"""Joins as processors: from their definitions to dataflows (``docs/processing-joins.md``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from bridge.config.durations import duration_us
from bridge.config.joins import JoinConfig
from bridge.config.processors import ProcessorConfig
from bridge.core.events import CdcEvent
from bridge.dataflow.dataflow import Dataflow
from bridge.dataflow.fingerprint import state_name_of
from bridge.dataflow.inputs import sequence_of
from bridge.dataflow.join_output import JoinOutput, JoinParts, Select
from bridge.dataflow.join_sides import KeyKinds, check_sides, make_side
from bridge.dataflow.late_events import make_late_output
from bridge.dataflow.places import at_place
from bridge.dataflow.rejections import Rejections
from bridge.dataflow.stream_time import StreamTime, lag_of
from bridge.dataflow.table_joins import make_table_join
from bridge.processing.joins import AsOfJoin, IntervalJoin, JoinResult, JoinType
from bridge.processing.partitions import PartitionMemory
from bridge.processing.partitions.joins import PartitionedJoin, StreamJoin
from bridge.processing.state.results import Result

StreamJoinType: TypeAlias = JoinType.Interval | JoinType.AsOf


def make_join(
    config: ProcessorConfig, place: str, memory: PartitionMemory | None = None
) -> Dataflow:
    """Return the dataflow of a processor with ``join``.

    Args:
        config: its definition.
        place: of the definition, ``processors[0]``, for errors.
        memory: for the state; None to keep all of it.

    Raises:
        ConfigError: with the place of the setting that is wrong.
    """
    assert config.join is not None
    if config.join.type == "table":
        return make_table_join(config, place, memory)
    left, right = check_sides(config, place)
    select = Select(config.select, place)
    parts = JoinParts(
        name=config.name,
        state_name=state_name_of(config),
        place=place,
        left=make_side(config, left, "left", place, select),
        right=make_side(config, right, "right", place, select),
        members=select.members,
        sinks=config.to,
        late_sinks=config.late_to,
    )
    with at_place(f"{place}.join"):
        lag = duration_us(config.out_of_orderness)
        return make_stream_join(parts, _join_type(config.join), lag, memory)


def _join_type(config: JoinConfig) -> StreamJoinType:
    if config.type == "interval":
        return JoinType.Interval(
            config.how,
            before=duration_us(config.before or "0s"),
            after=duration_us(config.after or "0s"),
        )
    tolerance = None if config.tolerance is None else duration_us(config.tolerance)
    return JoinType.AsOf("left" if config.how == "left" else "inner", tolerance=tolerance)


def make_stream_join(
    parts: JoinParts,
    definition: StreamJoinType,
    out_of_orderness: int,
    memory: PartitionMemory | None = None,
) -> JoinDataflow:
    """Return the dataflow of a join of two streams.

    Args:
        parts: of the join.
        definition: its type.
        out_of_orderness: how far an event may be behind the newest one of its side, in
            microseconds.
        memory: for the state; None to keep all of it.

    Raises:
        ConfigError: a setting makes no sense.
    """
    lag = lag_of((parts.left, parts.right), out_of_orderness)
    join: IntervalJoin | AsOfJoin
    if isinstance(definition, JoinType.Interval):
        join = IntervalJoin(
            definition.how,
            before=definition.before,
            after=definition.after,
            name=parts.name,
            out_of_orderness=lag,
        )
    else:
        join = AsOfJoin(
            definition.how, tolerance=definition.tolerance, name=parts.name, out_of_orderness=lag
        )
    operator: StreamJoin = join
    if memory is not None:
        operator = PartitionedJoin(join, memory=memory, state_name=parts.state_name)
    return JoinDataflow(parts, operator, lag)


class JoinDataflow:
    """Reads the changes of both sides, joins them in time, and writes results.

    One event may be on both sides; it is taken on the left first. Late events are counted, and
    results for the sinks that ask for them.

    Args:
        parts: of the join.
        operator: which joins.
        lag: how far events may be behind, in microseconds.

    Attributes:
        name: as in ``Dataflow``, and so are the others.
    """

    needs_rows: tuple[str, ...] = ()

    def __init__(self, parts: JoinParts, operator: StreamJoin, lag: int) -> None:
        self.name = parts.name
        self.state_name = parts.state_name
        self.sinks = parts.sinks
        self.inputs = (parts.left, parts.right)
        self._left = parts.left
        self._right = parts.right
        self._time = StreamTime((parts.left, parts.right), lag)
        self._kinds = KeyKinds(parts.place, len(parts.left.aliases))
        self._output = JoinOutput(parts)
        self._late = make_late_output(parts.name, parts.left.aliases, parts.late_sinks)
        self._operator = operator
        self._rejections = Rejections()

    def process(self, events: Sequence[CdcEvent]) -> list[Result]:
        """Take events in, as ``Dataflow`` says."""
        results: list[Result] = []
        for event in events:
            self._process(event, results)
        results += self._output.write(self._operator.flush())
        if self._late is None:
            self._operator.take_late()
        return results

    def _process(self, event: CdcEvent, results: list[Result]) -> None:
        rows: list[JoinResult] = []
        sequence = sequence_of(event)
        rejected: list[tuple[CdcEvent, str]] = []
        self._time.before(event)
        lefts = self._left.read(event, sequence, rejected)
        rights = self._right.read(event, sequence, rejected)
        for left in lefts:
            self._kinds.check("left", left.key)
            moves = self._left.moves_time(event, left)
            rows += self._operator.process_left(left, moves_time=moves)
        for right in rights:
            self._kinds.check("right", right.key)
            moves = self._right.moves_time(event, right)
            rows += self._operator.process_right(right, moves_time=moves)
        self._rejections.add(rejected)
        watermark = self._time.after(event)
        if watermark is not None:
            rows += self._operator.advance(watermark)
        if rows:
            results += self._output.write(rows)
        if self._late is not None:
            for side, late in self._operator.take_late():
                results.append(self._late.write(late, event, side))

    def advance(self, now: int) -> list[Result]:
        """Let time pass, as ``Dataflow`` says."""
        rows = self._operator.advance(self._time.idle(now))
        return self._output.write(rows + self._operator.flush())

    def take_rejected(self) -> list[tuple[CdcEvent, str]]:
        """Return the events without a value, as ``Dataflow`` says."""
        return self._rejections.take()

    def snapshot(self) -> Any:
        """Return the state, as ``Dataflow`` says."""
        return {
            "clocks": self._time.snapshot(),
            "rejected": self._rejections.count,
            "join": self._operator.snapshot(),
        }

    def restore(self, state: Any) -> None:
        """Go on from a snapshot, as ``Dataflow`` says."""
        self._time.restore(state["clocks"])
        self._rejections.restore(state["rejected"])
        self._operator.restore(state["join"])

    def stats(self) -> Mapping[str, int]:
        """Return figures of both sides together."""
        stats = self._operator.get_stats()
        left, right = stats.left, stats.right
        return {
            "events": left.events + right.events,
            "late": left.late + right.late,
            "null_keys": left.null_keys + right.null_keys,
            "rejected": self._rejections.count,
            "kept": left.kept + right.kept,
            "results": stats.results,
        }
