"""A bell that a thread waiting on sockets can hear."""

from __future__ import annotations

import os
import select


class Wakeup:
    """Ends another thread's wait on file descriptors. Ringing twice is ringing once."""

    def __init__(self) -> None:
        self._read_end, self._write_end = os.pipe()
        os.set_blocking(self._read_end, False)
        os.set_blocking(self._write_end, False)

    def fileno(self) -> int:
        """The descriptor that is readable after ``ring`` and until ``clear``."""
        return self._read_end

    def ring(self) -> None:
        """Wake the waiter. Safe from any thread and from a signal handler."""
        try:
            os.write(self._write_end, b"\0")
        except (BlockingIOError, OSError):
            return  # it is ringing already, or nobody listens any more

    def wait(self, timeout_s: float) -> bool:
        """Wait for a ring, at most ``timeout_s`` seconds. Returns whether it rang."""
        ready, _, _ = select.select([self._read_end], [], [], timeout_s)
        self.clear()
        return bool(ready)

    def clear(self) -> None:
        """Stop ringing."""
        try:
            while os.read(self._read_end, 1024):
                pass
        except BlockingIOError:
            return

    def close(self) -> None:
        """Release both descriptors. Ringing does nothing from then on."""
        read_end, write_end = self._read_end, self._write_end
        self._read_end = self._write_end = -1
        os.close(read_end)
        os.close(write_end)
