"""A process that archives a store, and kills itself at the n-th thing that it does to the disk.

Run as ``python -m tests.unit.runtime.eventstores.killed_archiver STORE DIRECTORY N``. It ends with
0 if it did everything before the n-th step; a write that is its last one is cut in the middle.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from bridge.eventsourcing.archive.archiver import Archiver
from bridge.runtime.eventstores.segments import SegmentDirectory
from bridge.runtime.eventstores.sqlite import SqliteStorage
from tests.unit.eventsourcing.archive.stores import DAY, NOW


def main() -> None:
    path, directory, last_step = sys.argv[1:]
    storage = SqliteStorage(Path(path))
    left = int(last_step)

    def counted(real: Any) -> Any:
        def call(*args: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0:
                if real is write:
                    write(args[0], args[1][: len(args[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args)

        return call

    write, archive = os.write, storage.archive
    os.write = counted(write)
    os.fsync = counted(os.fsync)
    Path.replace = counted(Path.replace)  # type: ignore[method-assign]
    storage.archive = counted(archive)  # type: ignore[method-assign]
    Archiver(storage, SegmentDirectory(Path(directory)), segment_events=20).run(
        before=NOW - 30 * DAY, now=NOW
    )
    storage.close()


if __name__ == "__main__":
    main()
