"""Joins as processors: from their definitions to dataflows (``docs/processing-joins.md``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from bridge.config.durations import duration_us
from bridge.config.joins import JoinConfig
from bridge.config.processors import ProcessorConfig
from bridge.core.errors import ConfigError
from bridge.core.events import CdcEvent
from bridge.dataflow.dataflow import Dataflow
from bridge.dataflow.fingerprint import state_name_of
from bridge.dataflow.inputs import sequence_of
from bridge.dataflow.join_sides import JoinOutput, KeyKinds, Select, check_sides, make_side
from bridge.dataflow.places import at_place
from bridge.dataflow.rejections import Rejections
from bridge.dataflow.stream_time import StreamTime, lag_of
from bridge.dataflow.table_joins import make_table_join
from bridge.processing.joins import AsOfJoin, IntervalJoin, JoinResult
from bridge.processing.state.results import Result

StreamJoin: TypeAlias = IntervalJoin | AsOfJoin


def make_join(config: ProcessorConfig, place: str) -> Dataflow:
    """Return the dataflow of a processor with ``join``.

    Args:
        config: its definition.
        place: of the definition, ``processors[0]``, for errors.

    Raises:
        ConfigError: with the place of the setting that is wrong.
    """
    assert config.join is not None
    if config.join.type == "table":
        return make_table_join(config, place)
    lag = lag_of(check_sides(config, place), config.out_of_orderness)
    with at_place(f"{place}.join"):
        operator = _operator(config, config.join, lag)
    return JoinDataflow(config, place, operator)


def _operator(config: ProcessorConfig, join: JoinConfig, lag: int) -> StreamJoin:
    if join.type == "interval":
        return IntervalJoin(
            join.how,
            before=duration_us(join.before or "0s"),
            after=duration_us(join.after or "0s"),
            name=config.name,
            out_of_orderness=lag,
        )
    if join.how not in ("inner", "left"):
        raise ConfigError(f"how is {join.how}.", remedy="An as_of join is inner or left.")
    return AsOfJoin(
        join.how,
        tolerance=None if join.tolerance is None else duration_us(join.tolerance),
        name=config.name,
        out_of_orderness=lag,
    )


class JoinDataflow:
    """Reads the changes of both sides, joins them in time, and writes results.

    One event may be on both sides; it is taken on the left first. Late events are counted and left
    out.

    Args:
        config: the definition.
        place: of it, for errors.
        operator: which joins.

    Attributes:
        name: as in ``Dataflow``, and so are the others.

    Raises:
        ConfigError: with the place of the setting that is wrong.
    """

    needs_rows: tuple[str, ...] = ()

    def __init__(self, config: ProcessorConfig, place: str, operator: StreamJoin) -> None:
        self.name = config.name
        self.state_name = state_name_of(config)
        self.sinks = config.to
        sides = left, right = check_sides(config, place)
        select = Select(config.select, place)
        self._left = make_side(config, left, "left", place, select)
        self._right = make_side(config, right, "right", place, select)
        lag = lag_of(sides, config.out_of_orderness)
        self._time = StreamTime(sides, (self._left, self._right), lag)
        self._kinds = KeyKinds(place, len(left.key))
        self._output = JoinOutput(
            processor=config.name, aliases=self._left.aliases, select=select, sinks=config.to
        )
        self._operator = operator
        self._rejections = Rejections()

    def process(self, events: Sequence[CdcEvent]) -> list[Result]:
        """Take events in, as ``Dataflow`` says."""
        rows: list[JoinResult] = []
        for event in events:
            self._process(event, rows)
        self._operator.take_late()
        return [self._output.write(row) for row in rows]

    def _process(self, event: CdcEvent, rows: list[JoinResult]) -> None:
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

    def advance(self, now: int) -> list[Result]:
        """Let time pass, as ``Dataflow`` says."""
        return [self._output.write(row) for row in self._operator.advance(self._time.idle(now))]

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
