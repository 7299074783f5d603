"""``pgbridge`` with one more sink: ``timed_file``, a ``file`` that notes when lines are durable.

``python -m tests.benchmarks.timed_bridge run -c FILE``
"""

from __future__ import annotations

import sys
import time
from array import array
from dataclasses import dataclass
from pathlib import Path

from bridge.cli import main
from bridge.core.events import EventBatch
from sinks.append_file import AppendFile
from sinks.base import Progress
from sinks.formats import NATIVE
from sinks.json_lines import JsonLinesSink
from sinks.registry import SINKS


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedFileConfig:
    """Settings of the sink ``timed_file``.

    Attributes:
        path: of the file.
        samples: file that gets, at the end, two int64 for each event: its commit time and the
            microseconds from then until its line was durable.
    """

    path: str
    samples: str


class TimedFileSink(JsonLinesSink):
    """Does what ``file`` does, and looks at the clock after each fsync."""

    Config = TimedFileConfig

    def __init__(self, config: TimedFileConfig) -> None:
        super().__init__(AppendFile(config.path, None, NATIVE.line_starts), NATIVE)
        self._path = Path(config.samples)
        self._waiting: list[int] = []
        self._samples = array("q")

    def write(self, batch: EventBatch) -> None:
        super().write(batch)
        self._waiting += [event.timestamp for event in batch.events]

    def poll(self) -> Progress:
        progress = super().poll()
        if self._waiting:
            now = time.time_ns() // 1000
            for timestamp in self._waiting:
                self._samples.extend((timestamp, now - timestamp))
            self._waiting.clear()
        return progress

    def close(self) -> None:
        super().close()
        self._path.write_bytes(self._samples.tobytes())


if __name__ == "__main__":
    SINKS["timed_file"] = "tests.benchmarks.timed_bridge:TimedFileSink"
    sys.exit(main())
