"""A process that reads a backlog and decodes it, in one thread, and throws the events away.

``python -m tests.benchmarks.decode_only DSN SLOT ROWS`` confirms the end of the transaction in
which row number ROWS comes, and prints that LSN.
"""

from __future__ import annotations

import sys
import time

from bridge.core.events import Source
from bridge.core.lsn import format_lsn
from bridge.postgres.connection import Database
from bridge.postgres.stream import ReplicationStream, StreamOptions
from decoders.decoder import PgOutputDecoder
from tests.benchmarks.workload import PUBLICATION

_FINISH_S = 30.0


def main(dsn: str, slot: str, rows: int) -> None:
    stream = ReplicationStream(
        Database(dsn).connect_replication(),
        StreamOptions(slot=slot, publication=PUBLICATION),
        monotonic=time.monotonic,
        now=time.time,
    )
    stream.start()
    decoder = PgOutputDecoder(Source("0", "bench"))
    seen = end_lsn = 0
    while seen < rows or decoder.in_transaction:
        received = stream.read(1.0)
        batch = decoder.feed(received.frames)
        seen += len(batch)
        if batch.commits:
            end_lsn = batch.commits[-1].end_lsn
    if seen != rows:
        sys.exit(f"{seen} rows came instead of {rows}")
    stream.send_status(write=end_lsn, flush=end_lsn)
    if not stream.finish(_FINISH_S):  # closing a socket with unread data would lose the status
        sys.exit("the server did not end the stream")
    stream.close()
    print(format_lsn(end_lsn))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
