"""An HTTP receiver that costs little: ``python -m tests.benchmarks.receiver``.

It prints its port, answers every request at once, and tells at ``GET /`` how many events came:
one for each POST, or the items of a batch. With ``--samples FILE`` it notes for each event its
commit time and how long it took to get here, as ``tests.benchmarks.readers`` does.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import signal
import sys
import time
from array import array
from pathlib import Path

_TIMESTAMP = re.compile(rb'"type":"cdc_event","timestamp":(\d+)')
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Receiver(asyncio.Protocol):
    """One connection. All connections share the samples.

    Args:
        samples: gets commit time and latency of each event, in microseconds.
    """

    def __init__(self, samples: array[int]) -> None:
        self._samples = samples
        self._buffer = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end]
            found = _LENGTH.search(head)
            length = int(found[1]) if found else 0
            if len(self._buffer) < end + 4 + length:
                return
            body = self._buffer[end + 4 : end + 4 + length]
            self._buffer = self._buffer[end + 4 + length :]
            self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        assert self._transport is not None
        if head.startswith(b"GET"):
            text = str(len(self._samples) // 2).encode()
            self._transport.write(
                b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text)
            )
            return
        now = time.time_ns() // 1000
        for timestamp in map(int, _TIMESTAMP.findall(body)):
            self._samples.extend((timestamp, now - timestamp))
        self._transport.write(_OK)


async def serve(samples: array[int]) -> None:
    """Receive until SIGTERM."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    server = await loop.create_server(lambda: Receiver(samples), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await stop.wait()


def main() -> int:
    """Serve, then write the samples."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.receiver")
    parser.add_argument("--samples", type=Path)
    args = parser.parse_args()
    samples = array("q")
    asyncio.run(serve(samples))
    if args.samples is not None:
        args.samples.write_bytes(samples.tobytes())
    return 0


if __name__ == "__main__":
    sys.exit(main())
