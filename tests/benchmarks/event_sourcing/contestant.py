"""What a store is asked to do, and what each contestant has to answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

TAIL = 10
"""Events behind the snapshot when a state is rebuilt from one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How much.

    Attributes:
        single: appends of one event.
        batches: appends of ``batch`` events each.
        batch: events of an append.
        history: events of the aggregate that is rebuilt.
    """

    single: int
    batches: int
    batch: int
    history: int

    @property
    def balance(self) -> int:
        """What the amounts of the history, and of the tail behind it, come to."""
        return (self.history + TAIL) * (self.history + TAIL + 1) // 2


class Contestant(Protocol):
    """A store with an account whose deposits are 1, 2, 3 and so on.

    Each works as its documentation says that a program does: one makes events and appends them, the
    other has an aggregate make them and saves it.
    """

    def appends(self, sizes: list[int]) -> Callable[[], None]:
        """Return what makes events of a new account, and appends so many of them at a time."""
        ...

    def fill(self, events: int) -> None:
        """Make the account that is rebuilt, with so many events."""
        ...

    def rebuild(self) -> int:
        """Return the balance of that account, from its events."""
        ...

    def snapshot(self) -> None:
        """Keep a snapshot of that account, and append ``TAIL`` events."""
        ...

    def rebuild_from_snapshot(self) -> int:
        """Return the balance of that account, from the snapshot on."""
        ...

    def read_all(self) -> int:
        """Read every event as an object with its data, in order; return how many there are."""
        ...

    def close(self) -> None: ...
