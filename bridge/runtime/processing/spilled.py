"""Partitions of states that are in the store because memory is limited."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import Event
from typing import Any, TypeVar

import structlog

from bridge.core.errors import EnvironmentProblem, Transient
from bridge.processing.state.store import ProcessingCheckpoint, StateStore
from bridge.runtime.retry import Backoff

log = structlog.get_logger()

_T = TypeVar("_T")


class SpilledPartitions:
    """Saves and loads partitions between checkpoints, for ``PartitionMemory``.

    What is saved is no checkpoint: position, results and the other states stay as they are. While
    the store is away it waits.

    Args:
        store: of the processing states.
        backoff: how long to wait for it.
    """

    def __init__(self, store: StateStore, backoff: Backoff) -> None:
        self._store = store
        self._backoff = backoff
        self._closed = Event()

    def load(self, name: str) -> Any:
        """Return the state that was saved last under this name.

        Raises:
            EnvironmentProblem: it is not there, or the store cannot be used.
        """
        found = self._repeat(lambda: self._store.load([name]))
        if found is None or name not in found.states:
            raise EnvironmentProblem(
                f"State {name!r}, a partition, is missing in the store.",
                remedy="Restore the store from a copy.",
            )
        return found.states[name]

    def save(self, states: Mapping[str, Any]) -> None:
        """Store states beside those of the last checkpoint.

        Raises:
            EnvironmentProblem: the store cannot be used.
        """
        self._repeat(lambda: self._save(states))

    def _save(self, states: Mapping[str, Any]) -> None:
        last = self._store.load([]) or ProcessingCheckpoint(None, {})
        self._store.commit(ProcessingCheckpoint(last.position, states, last.sequence), [])

    def close(self) -> None:
        """Wait for the store no longer. From any thread."""
        self._closed.set()

    def _repeat(self, call: Callable[[], _T]) -> _T:
        while True:
            try:
                answer = call()
            except Transient as error:
                delay = self._backoff.next_delay() or 0.0
                log.warning("processing_store_retry", error=error.message, delay_s=round(delay, 3))
                if self._closed.wait(delay):
                    raise
            else:
                self._backoff.reset()
                return answer
