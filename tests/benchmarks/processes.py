"""What the kernel says about a process: CPU time and peak memory (``man 5 proc``)."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_GONE = (FileNotFoundError, ProcessLookupError)


@dataclass(slots=True)
class Usage:
    """The last that was seen of a process; it stays when the process has ended.

    Attributes:
        pid: of the process.
        cpu_s: user and system time of all its threads since it began.
        peak_rss_mb: its largest resident size so far.
    """

    pid: int
    cpu_s: float = 0.0
    peak_rss_mb: float = 0.0

    def look(self) -> None:
        """Read both anew; leave them as they are if the process is gone."""
        with suppress(*_GONE):
            # The name in parentheses may hold spaces; utime and stime are fields 14 and 15.
            stat = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
            self.cpu_s = max(self.cpu_s, (int(stat[11]) + int(stat[12])) / _TICKS_PER_S)
            for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    self.peak_rss_mb = int(line.split()[1]) / 1024
