"""Aggregates in windows, of which only a part is in memory."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from bridge.processing.aggregates.errors import Unaggregatable
from bridge.processing.events import StreamEvent
from bridge.processing.partitions.keys import PARTITIONS, partition_of
from bridge.processing.partitions.memory import PartitionMemory, in_turn
from bridge.processing.partitions.splitting import split
from bridge.processing.processor import Answer, StreamProcessor
from bridge.processing.stats import ProcessorStats
from bridge.processing.windows.definitions import Window
from bridge.processing.windows.result import WindowResult

if TYPE_CHECKING:
    from bridge.processing.aggregates.function import AggregationFunction

_Place: TypeAlias = tuple[int, bool, int, int]
"""Where an answer stands: by the event that gave it, first what it gave at once, then what its time
closed, by the end of the window, then by the number of the partition."""

_place: Final = itemgetter(0)
_start: Final = itemgetter(2)  # of a WindowResult


class PartitionedProcessor(StreamProcessor):
    """A ``StreamProcessor`` whose keys are spread over partitions, which need not be in memory.

    It gives the same results with the same ids, and every key gives them in the same order,
    however events are cut into batches. Only among the keys of windows that end together it is
    another order: that of the partitions. A batch asks for each partition once, so the larger
    batches are, the less is loaded and saved.

    A snapshot says what the partitions are, and holds nothing of what is in them: it has to be
    stored together with what ``memory.with_changed`` returns, which has to be told of it
    (``committed``). It may be restored from the snapshot of a ``StreamProcessor``, too.

    Args:
        window: as in ``StreamProcessor``.
        aggregates: as in ``StreamProcessor``.
        memory: which may be shared with other processors.
        state_name: no other processor that shares the memory has it.
        settings: all others of ``StreamProcessor``.
    """

    def __init__(
        self,
        window: Window,
        aggregates: AggregationFunction | Mapping[str, AggregationFunction],
        *,
        memory: PartitionMemory,
        state_name: str,
        **settings: Any,
    ) -> None:
        super().__init__(window, aggregates, **settings)
        self._memory = memory
        self._partitions = memory.make_partitions(state_name, PARTITIONS, self._make_windows)

    def process_batch(
        self, events: Iterable[StreamEvent], *, moves_time: bool = True
    ) -> list[WindowResult]:
        """Take events in and return what they give, as ``StreamProcessor`` does."""
        results: list[WindowResult] = []
        for _, answer in self.process_apart(events, moves_time=moves_time):
            if isinstance(answer, Unaggregatable):
                raise answer
            results.append(answer)
        return results

    def process_apart(
        self, events: Iterable[StreamEvent], *, moves_time: bool = True
    ) -> list[tuple[int, Answer]]:
        """Take events in and return what each gives, as ``StreamProcessor`` does."""
        batch: Sequence[StreamEvent] = self._at_this_time(events) if self._by_clock else [*events]
        # The watermark before each event, and after the last one.
        marks = [self._watermark.current]
        for event in batch:
            marks.append(self._watermark.observe(event.timestamp) if moves_time else marks[-1])
        by_partition: dict[int, list[int]] = {}
        for index, event in enumerate(batch):
            by_partition.setdefault(partition_of(event.key), []).append(index)
        return self._run(batch, marks, by_partition)

    def advance(self, watermark: int) -> list[WindowResult]:
        """Let time pass, as ``StreamProcessor`` does."""
        marks = [self._watermark.current, self._watermark.advance(watermark)]
        answers = self._run((), marks, {})
        return [answer for _, answer in answers if isinstance(answer, WindowResult)]

    def _run(
        self, batch: Sequence[StreamEvent], marks: list[int], by_partition: dict[int, list[int]]
    ) -> list[tuple[int, Answer]]:
        """Give each partition its events, and the time that passes before and after them."""
        answers: list[tuple[_Place, Answer]] = []
        late: list[int] = []
        reached = marks[-1]
        for number in in_turn(self._partitions, by_partition, reached):
            partition = self._partitions[number]
            windows = self._memory.use(partition)
            indexes = by_partition.get(number, ())
            for index in indexes:
                if windows.due <= marks[index]:
                    _pass_time(windows, marks, index, number, answers)
                told: list[WindowResult] = []
                try:
                    if not windows.add(batch[index], marks[index], told):
                        late.append(index)
                except Unaggregatable as error:
                    answers.append(((index, False, 0, number), error))
                else:
                    answers += [((index, False, 0, number), result) for result in told]
            if windows.due <= reached:
                _pass_time(windows, marks, len(marks) - 1, number, answers)
            self._memory.changed(partition, len(indexes))
        self._late += [batch[index] for index in sorted(late)]
        refused = sum(isinstance(answer, Unaggregatable) for _, answer in answers)
        self._late_count += len(late)
        self._event_count += len(batch) - refused
        self._result_count += len(answers) - refused
        answers.sort(key=_place)
        return [(place[0], answer) for place, answer in answers]

    def _clear(self) -> list[WindowResult]:
        results: list[WindowResult] = []
        for partition in self._partitions:
            if partition.content is not None or partition.stored is not None:
                self._memory.use(partition).clear(results)
                self._memory.replaced(partition)
        return sorted(results, key=_start)

    def get_stats(self) -> ProcessorStats:
        """Return figures, as ``StreamProcessor`` does, without loading anything."""
        counts = [partition.describe()[-2:] for partition in self._partitions]
        return ProcessorStats(
            events=self._event_count,
            late=self._late_count,
            results=self._result_count,
            open_windows=sum(windows for windows, _ in counts),
            keys=sum(keys for _, keys in counts),
            watermark=self._watermark.current,
        )

    def snapshot(self) -> Any:
        """Return where the partitions are, and the rest of the state, as plain data."""
        return {**self._progress(), "partitions": [each.describe() for each in self._partitions]}

    def restore(self, state: Any) -> None:
        """Go on where the processor was that gave this :meth:`snapshot`."""
        self._take_over(state)
        for partition in self._partitions:
            self._memory.give_up(partition)
        if "partitions" in state:
            for partition, described in zip(self._partitions, state["partitions"], strict=True):
                partition.restore(described)
            return
        for number, plain in split(self._windows, state["windows"]).items():
            partition = self._partitions[number]
            self._memory.use(partition).load(plain)
            self._memory.replaced(partition)


def _pass_time(
    windows: Any,
    marks: list[int],
    until: int,
    number: int,
    answers: list[tuple[_Place, Answer]],
) -> None:
    """Close what ends until a mark, each window at the first mark that reaches its end."""
    while windows.due <= marks[until]:
        at = bisect_left(marks, windows.due, 0, until)
        told: list[WindowResult] = []
        windows.advance(marks[at], told)
        answers += [((at - 1, True, result.end, number), result) for result in told]
