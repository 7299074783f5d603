"""Keeping the lease: signs of life for the server, and whether it is ours, in bounded time.

A session can fall silent without an error, for longer than the kernel's own timeouts when a proxy
stands in between. So only a thread of its own ever waits for the session, and is left behind with
it when it does not answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Condition, Thread
from types import TracebackType
from typing import Self

from bridge.core.errors import BridgeError, EnvironmentProblem, Transient
from bridge.postgres.lease import Lease

_SIGNS_PER_LEASE = 5
_GRACE_S = 1.0
_JOIN_S = 5.0


class LeaseKeeper:
    """Takes the lease and keeps it until the context ends.

    A restart of the server ends the lease too. It is then taken again; had another process had it
    in between and streamed, the slot would have moved, which is found out before streaming.

    Args:
        make: makes a lease, not yet taken.
        lease_s: after how long without a sign of life the server gives the lease away.
        failed: called once, from another thread, if the lease is lost.
        monotonic: the clock, in seconds.
    """

    def __init__(
        self,
        make: Callable[[], Lease],
        lease_s: float,
        *,
        failed: Callable[[Exception], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._make = make
        self._lease_s = lease_s
        self._failed = failed
        self._monotonic = monotonic
        self._keeping: _Keeping | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._keeping is not None:
            self._keeping.end()
            self._keeping.join(_JOIN_S)

    def acquire(self) -> bool:
        """Take the lease if it is free, without waiting, and keep it from then on.

        Raises:
            Transient: the server is away.
            EnvironmentProblem: the server refuses us.
        """
        lease, now = self._make(), self._monotonic()
        if not lease.try_acquire():
            return False
        self._begin(lease, now)
        return True

    def check(self) -> None:
        """Make sure that the lease is ours now. To be called by one thread, after ``acquire``.

        Raises:
            EnvironmentProblem: another process has the lease.
            Transient: the server is away, or the session that holds the lease is silent; it is
                replaced by a new one.
        """
        keeping = self._keeping
        assert keeping is not None
        if keeping.ask(self._lease_s / 2):
            return
        keeping.end()
        self._begin(self._make(), keeping.kept_at)
        raise Transient("The session that holds the lease on the slot does not answer.")

    def _begin(self, lease: Lease, kept_at: float) -> None:
        self._keeping = _Keeping(lease, kept_at, self._lease_s, self._failed, self._monotonic)
        self._keeping.start()


class _Keeping(Thread):
    """One lease and the thread that alone talks to its session.

    Attributes:
        kept_at: when the lease was ours for the last time, as far as we know.
    """

    def __init__(
        self,
        lease: Lease,
        kept_at: float,
        lease_s: float,
        failed: Callable[[Exception], None],
        monotonic: Callable[[], float],
    ) -> None:
        super().__init__(name="lease", daemon=True)
        self.kept_at = kept_at
        self._lease = lease
        self._lease_s = lease_s
        self._failed = failed
        self._monotonic = monotonic
        self._changed = Condition()
        self._asked = self._answered = 0
        self._answer: BridgeError | None = None
        self._ended = False

    def ask(self, timeout_s: float) -> bool:
        """Return True if the lease is ours, False if there is no answer in time; see ``check``."""
        with self._changed:
            self._asked += 1
            question = self._asked
            self._changed.notify_all()
            if not self._changed.wait_for(lambda: self._answered >= question, timeout_s):
                return False
            if self._answer is not None:
                raise self._answer
            return True

    def end(self) -> None:
        """Give the lease back as soon as the session answers. Returns at once."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def run(self) -> None:
        interval_s = self._lease_s / _SIGNS_PER_LEASE
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._ended or self._asked > self._answered, interval_s
                )
                if self._ended:
                    break
                question = self._asked
            answer = self._look()
            with self._changed:
                if self._ended:
                    break
                self._answer, self._answered = answer, question
                self._changed.notify_all()
            if answer is not None and not isinstance(answer, Transient):
                self._failed(answer)
                break
        self._lease.release()

    def _look(self) -> BridgeError | None:
        now = self._monotonic()
        try:
            # A lease that was given up while its session was silent must not be taken again.
            if self._lease.held() or (not self._ended and self._lease.try_acquire()):
                self.kept_at = now
                return None
        except BridgeError as error:
            return error
        if now - self.kept_at < self._lease_s + _GRACE_S:
            return Transient("The lease on the slot is taken, maybe by an old session of our own.")
        return EnvironmentProblem(
            "The lease on the slot was lost to another process: this one was silent for too long, "
            "or the server ended its session.",
            remedy="Start again: the bridge then waits until the slot is free.",
        )
