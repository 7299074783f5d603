"""The event store of pgbridge, on any of its storages."""

from __future__ import annotations

from collections.abc import Callable

from bridge.config.event_store import StoreConfig
from bridge.event_stores import open_storage
from bridge.eventsourcing import NO_STREAM, DomainEvent, EventStore, EventStoreConfig
from tests.benchmarks.event_sourcing.contestant import TAIL

_FILLED = "filled"
_CHUNK = 1_000


def _sum(balance: int, event: DomainEvent) -> int:
    amount: int = event.data["amount"]
    return balance + amount


class BridgeStore:
    """See ``Contestant``.

    Args:
        settings: of a storage that is empty.
    """

    def __init__(self, settings: StoreConfig) -> None:
        self._storage = open_storage(settings)
        self._store = EventStore(self._storage)
        self._plain = EventStore(self._storage, EventStoreConfig(enable_snapshots=False))
        self._accounts = 0
        self._filled = 0

    def appends(self, sizes: list[int]) -> Callable[[], None]:
        self._accounts += 1
        account = f"account-{self._accounts}"

        def append() -> None:
            store, last = self._store, 0
            for size in sizes:
                events = _events(account, last + 1, size)
                last = store.append_events(events, last or NO_STREAM)[-1].sequence

        return append

    def fill(self, events: int) -> None:
        for first in range(self._filled + 1, self._filled + events + 1, _CHUNK):
            count = min(_CHUNK, self._filled + events - first + 1)
            self._store.append_events(_events(_FILLED, first, count))
        self._filled += events

    def rebuild(self) -> int:
        return self._plain.rebuild_state(_FILLED, 0, _sum, aggregate_type="Account")

    def snapshot(self) -> None:
        self._store.rebuild_state(_FILLED, 0, _sum, aggregate_type="Account")
        self.fill(TAIL)

    def rebuild_from_snapshot(self) -> int:
        return self._store.rebuild_state(_FILLED, 0, _sum, aggregate_type="Account")

    def read_all(self) -> int:
        return sum(1 for event in self._store.read_all() if event.data)

    def close(self) -> None:
        self._store.close()


def _events(account: str, first: int, count: int) -> list[DomainEvent]:
    return [
        DomainEvent.new("Account", account, "MoneyDeposited", {"amount": amount, "by": "Ada"})
        for amount in range(first, first + count)
    ]
