"""The package ``eventsourcing``, as its documentation writes an application."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event

from tests.benchmarks.event_sourcing.contestant import TAIL

_CHUNK = 1_000


class Account(Aggregate):
    """An account whose deposits are added up."""

    @event("Opened")
    def __init__(self) -> None:
        self.balance = 0

    @event("MoneyDeposited")
    def deposit(self, amount: int, by: str) -> None:
        self.balance += amount


class Bank(Application[UUID]):
    """Accounts with snapshots."""

    is_snapshotting_enabled = True


class PeerStore:
    """See ``Contestant``.

    Args:
        environment: names the module that stores, and its database.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._bank = Bank(env=dict(environment))
        self._filled: Account | None = None
        self._amount = 0

    def appends(self, sizes: list[int]) -> Callable[[], None]:
        account = Account()
        self._bank.save(account)  # the event that opens it does not count

        def append() -> None:
            amount = 0
            for size in sizes:
                for _ in range(size):
                    amount += 1
                    account.deposit(amount, "Ada")
                self._bank.save(account)

        return append

    def fill(self, events: int) -> None:
        if self._filled is None:
            self._filled = Account()
        for _ in range(events):
            self._amount += 1
            self._filled.deposit(self._amount, "Ada")
            if self._amount % _CHUNK == 0:
                self._bank.save(self._filled)
        self._bank.save(self._filled)

    def rebuild(self) -> int:
        assert self._filled is not None
        account: Account = self._bank.repository.get(self._filled.id)
        return account.balance

    def snapshot(self) -> None:
        assert self._filled is not None
        self._bank.take_snapshot(self._filled.id)
        self.fill(TAIL)

    def rebuild_from_snapshot(self) -> int:
        return self.rebuild()

    def read_all(self) -> int:
        count, start = 0, 1
        while True:
            page = self._bank.recorder.select_notifications(start, _CHUNK)
            for notification in page:
                found = self._bank.mapper.to_domain_event(notification)
                count += isinstance(found, Account.Event)
            if len(page) < _CHUNK:
                return count
            start = page[-1].id + 1

    def close(self) -> None:
        self._bank.close()
