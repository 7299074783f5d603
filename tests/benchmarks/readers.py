"""Consumers that note how old each event is: ``python -m tests.benchmarks.readers``.

``readers kafka ADDRESS TOPIC FILE`` and ``readers rabbitmq URL QUEUE FILE`` read until SIGTERM, and
then until nothing has come for a second. They write two int64 for each event to the file: its
commit time, and the microseconds from then until the consumer had it. They print ``ready`` when
nothing that comes from now on is missed.
"""

from __future__ import annotations

import re
import signal
import sys
import time
from array import array
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

_TIMESTAMP = re.compile(rb'"timestamp":(\d+)')


_QUIET_S = 1.0


class Samples:
    """What was measured so far."""

    def __init__(self) -> None:
        self.values = array("q")
        self._stopped = False
        self._last_at = time.monotonic()
        signal.signal(signal.SIGTERM, self._stop)

    @property
    def complete(self) -> bool:
        """Whether SIGTERM has come, and then nothing more for a second."""
        return self._stopped and time.monotonic() - self._last_at > _QUIET_S

    def note(self, value: bytes) -> None:
        """Take the value of one message."""
        now = time.time_ns() // 1000
        found = _TIMESTAMP.search(value)
        assert found is not None, "a message without a timestamp"
        timestamp = int(found[1])
        self.values.extend((timestamp, now - timestamp))
        self._last_at = time.monotonic()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._stopped = True
        self._last_at = time.monotonic()


def read_kafka(address: str, topic: str, samples: Samples) -> None:
    """Read all partitions of a topic from their ends on."""
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer({"bootstrap.servers": address, "group.id": "bench", "fetch.wait.max.ms": 5})
    partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
    ends = [
        TopicPartition(
            topic, number, consumer.get_watermark_offsets(TopicPartition(topic, number))[1]
        )
        for number in partitions
    ]
    consumer.assign(ends)
    print("ready", flush=True)
    while not samples.complete:
        message = consumer.poll(0.1)  # several at once would be waited for
        if message is not None:
            value: Any = message.value()
            samples.note(value)
    consumer.close()


def read_rabbitmq(url: str, queue: str, samples: Samples) -> None:
    """Read a queue."""
    import pika

    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    channel.basic_consume(queue, lambda _c, _m, _p, body: samples.note(body), auto_ack=True)
    print("ready", flush=True)
    while not samples.complete:
        connection.process_data_events(0.1)
    connection.close()


_READERS: dict[str, Callable[[str, str, Samples], None]] = {
    "kafka": read_kafka,
    "rabbitmq": read_rabbitmq,
}


def main() -> int:
    """Read, then write the samples."""
    kind, address, name, path = sys.argv[1:]
    samples = Samples()
    _READERS[kind](address, name, samples)
    Path(path).write_bytes(samples.values.tobytes())
    return 0


if __name__ == "__main__":
    sys.exit(main())
