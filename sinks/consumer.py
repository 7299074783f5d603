"""Sinks for programs of their own: one event at a time, without a slot.

A sink is made for a stream and reports later what has become of its events. ``process_event``
returns when the target holds the event, which is simple, and slow: one round trip for each event.
"""

from __future__ import annotations

import random
import time
from types import TracebackType
from typing import Self

from bridge.core.errors import DeliveryGivenUp, EventRejected, Transient
from bridge.core.events import CdcEvent, EventBatch, Position, Source
from bridge.core.retry import Backoff, RetryPolicy
from sinks.base import Feed, Sink

_LOOK_AGAIN_S = 1.0


class SinkConsumer:
    """Delivers events through a sink, each before the call returns. For one thread at a time.

    Args:
        sink: closed; it is opened at the first event, and closed by ``close``.
        name: of the feed, where a target keeps something under it; and in messages.
        retry: how often, and for how long, one event is tried.
    """

    def __init__(self, sink: Sink, *, name: str, retry: RetryPolicy | None = None) -> None:
        self._sink = sink
        self._name = name
        self._retry = retry or RetryPolicy()
        self._source: Source | None = None
        self._last: Position | None = None

    def process_event(self, event: CdcEvent) -> None:
        """Deliver one event; return when the target holds it durably.

        An event that was delivered before may come again: it keeps its ``event_id``.

        Raises:
            EventRejected: the target can never accept the event.
            DeliveryGivenUp: the target was away for longer than ``retry`` allows; whether it
                holds the event is not known.
            EnvironmentProblem: the target needs an operator.
        """
        backoff = Backoff(self._retry, chance=random.random, monotonic=time.monotonic)
        while True:
            try:
                return self._deliver(event)
            except Transient as error:
                self.close()
                delay = backoff.next_delay()
                if delay is None:
                    raise DeliveryGivenUp(
                        f"{self._name} did not take the event at {event.position}: {error.message}",
                        remedy=error.remedy,
                    ) from error
            except BaseException:
                self.close()  # what is in the sink belongs to a session that has ended
                raise
            time.sleep(delay)

    def close(self) -> None:
        """Release everything. The next event opens the sink again."""
        self._sink.close()
        self._source = self._last = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _deliver(self, event: CdcEvent) -> None:
        self._be_open_for(event)
        position = self._last = event.position
        self._sink.write(EventBatch([event]))
        while True:
            progress = self._sink.flush(_LOOK_AGAIN_S)
            for rejection in progress.rejections:
                raise EventRejected(
                    f"{self._name} refused the event at {rejection.position}: {rejection.reason}"
                )
            if progress.durable is not None and progress.durable >= position:
                return

    def _be_open_for(self, event: CdcEvent) -> None:
        """Open the sink, in a new session where the event does not follow the one before."""
        source = event.transaction.source
        if self._source == source and (self._last is None or event.position > self._last):
            return
        self.close()
        self._sink.open(Feed(source, self._name, self._name))
        self._source = source
