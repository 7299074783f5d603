"""Gives dead letters to their sink again, once the reason for refusing them is gone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from itertools import groupby

from bridge.core.errors import Transient
from bridge.core.events import CdcEvent, EventBatch
from bridge.core.selection import Selection
from bridge.runtime.dead_letters import DeadLetter, DeadLetterStore
from sinks.base import Feed, Sink

_BATCH_BYTES = 4 * 1024 * 1024
_BATCH_EVENTS = 500


@dataclass(slots=True)
class Replayed:
    """What became of the entries.

    Attributes:
        accepted: held durably by the sink now.
        refused: refused again; they wait with the new reason.
        left_out: not what the sink gets as it is configured now; they wait as before.
    """

    accepted: int = 0
    refused: int = 0
    left_out: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """One sink and its dead letters. No other process may write to the sink meanwhile.

    Attributes:
        name: of the sink.
        slot: that the events came from.
        sink: closed; it is opened and closed here.
        letters: where the entries are.
        flush_s: how long the sink may take for one batch, in seconds.
        clock: seconds since the Unix epoch.
        selection: what the sink gets, applied to the events as they were parked; None for all.
    """

    name: str
    slot: str
    sink: Sink
    letters: DeadLetterStore
    flush_s: float
    clock: Callable[[], float]
    selection: Selection | None = None

    def run(
        self, only: Collection[int] | None = None, advance: Callable[[int], None] | None = None
    ) -> Replayed:
        """Write the waiting entries in the order of their positions, each with its old event id.

        An entry is marked only when the sink has it durably, so what is interrupted can be
        repeated.

        Args:
            only: these entries; all by default.
            advance: called with the number of entries that were settled.

        Raises:
            Transient: the sink is away, or did not confirm in time; the rest waits as before.
            EnvironmentProblem: the sink or the state file needs an operator.
        """
        total = Replayed()
        waiting = self._waiting(only)
        for source, entries in groupby(waiting, key=lambda entry: entry[1].transaction.source):
            try:
                self.sink.open(Feed(source, self.slot, self.name))
                for batch in _batches(entries):
                    self._write(batch, total)
                    if advance is not None:
                        advance(len(batch))
            finally:
                self.sink.close()
        return total

    def _waiting(self, only: Collection[int] | None) -> Iterator[tuple[DeadLetter, CdcEvent]]:
        for page in self.letters.waiting(self.name):
            for letter in page:
                if only is None or letter.id in only:
                    yield letter, self.letters.event(letter.id)

    def _write(self, batch: list[tuple[DeadLetter, CdcEvent]], total: Replayed) -> None:
        events = EventBatch([event for _, event in batch], (), sum(e.size_bytes for e, _ in batch))
        if self.selection is not None:
            events = self.selection.apply(events, refuse=lambda event, reason: None)
            selected = {event.position for event in events.events}
            total.left_out += sum(event.position not in selected for _, event in batch)
            batch = [(letter, event) for letter, event in batch if event.position in selected]
            if not batch:
                return
        self.sink.write(events)
        progress = self.sink.flush(self.flush_s)
        refused = {rejection.position: rejection.reason for rejection in progress.rejections}
        for letter, event in batch:
            reason = refused.get(letter.position)
            if reason is not None:
                native = self.letters.native_json(letter.id)
                attempts = letter.attempts + 1
                self.letters.park(self.name, event, native, reason, attempts, self.clock())
                total.refused += 1
            elif progress.durable is not None and letter.position <= progress.durable:
                self.letters.replayed(letter.id, self.clock())
                total.accepted += 1
            else:
                raise Transient(
                    f"The sink {self.name!r} did not confirm within {self.flush_s:g} seconds.",
                    remedy="What it has not confirmed still waits; repeat the command.",
                )


def _batches(
    entries: Iterator[tuple[DeadLetter, CdcEvent]],
) -> Iterator[list[tuple[DeadLetter, CdcEvent]]]:
    batch: list[tuple[DeadLetter, CdcEvent]] = []
    size = 0
    for letter, event in entries:
        batch.append((letter, event))
        size += letter.size_bytes
        if size >= _BATCH_BYTES or len(batch) >= _BATCH_EVENTS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
