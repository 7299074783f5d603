"""Leaves a receiver alone that fails for everybody."""

from __future__ import annotations

from threading import Lock

_LOOK_AGAIN_S = 0.02


class CircuitBreaker:
    """Closed, it lets every request through; open, none; after the pause one, which decides.

    It belongs to one receiver and is shared by all its lanes; safe from any thread. Times are
    seconds of any clock that does not go back.

    Args:
        failures: how many in a row open it.
        pause_s: how long it stays open.
    """

    def __init__(self, failures: int, pause_s: float) -> None:
        self._threshold = failures
        self._pause_s = pause_s
        self._lock = Lock()
        self._failures = 0
        self._open_until: float | None = None
        self._trying = False

    def wait_s(self, now: float) -> float:
        """Ask to send: 0 for yes, otherwise ask again after so many seconds.

        Who got a yes has to report with ``succeeded`` or ``failed``.
        """
        if self._open_until is None:  # the common case, without the lock
            return 0.0
        with self._lock:
            if self._open_until is None:
                return 0.0
            if now < self._open_until:
                return self._open_until - now
            if self._trying:
                return _LOOK_AGAIN_S
            self._trying = True
            return 0.0

    def succeeded(self) -> None:
        """The receiver has answered; whether it liked the request is another matter."""
        if self._failures or self._open_until is not None:
            with self._lock:
                self._failures = 0
                self._open_until = None
                self._trying = False

    def failed(self, now: float) -> None:
        """The receiver did not answer, or said that it cannot."""
        with self._lock:
            self._failures += 1
            if self._trying or (self._open_until is None and self._failures >= self._threshold):
                self._open_until = max(self._open_until or now, now + self._pause_s)
                self._trying = False

    def hold(self, until: float) -> None:
        """The receiver asks to be left alone until then."""
        with self._lock:
            self._open_until = max(self._open_until or until, until)
            self._trying = False
