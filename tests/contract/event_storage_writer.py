"""A process that appends two events and its progress again and again, until it is killed.

Run as ``python -m tests.contract.event_storage_writer SETTINGS``, the settings as JSON. It prints
the number of each append when the storage says that it is durable.
"""

from __future__ import annotations

import json
import sys

from bridge.core.events import Position
from bridge.event_stores import open_storage
from bridge.eventsourcing.expected_version import NO_STREAM
from bridge.eventsourcing.records import Progress
from tests.contract.event_storages import make_write, settings_of


def main() -> None:
    storage = open_storage(settings_of(json.loads(sys.argv[1])))
    found = storage.progress("counting")
    number = found.position.ordinal if found else 0
    while True:
        number += 1
        write = make_write(2 * number - 1, 2 * number, expected=2 * number - 2 or NO_STREAM)
        storage.append([write], Progress("counting", Position(number, number), "here"))
        print(number, flush=True)


if __name__ == "__main__":
    main()
