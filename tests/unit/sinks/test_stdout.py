"""Standard output as a sink."""

from __future__ import annotations

import json
import os
import threading

import pytest

from bridge.core.errors import EnvironmentProblem
from sinks.base import Progress
from sinks.stdout import StdoutConfig, StdoutSink
from tests.fixtures.events import FEED, as_json, make_batch, many_transactions


def test_what_a_slow_reader_gets_is_complete() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)  # as another user of the pipe may have left it
    sink = StdoutSink(StdoutConfig(), writer)
    sink.open(FEED)
    batches = [make_batch((0x1000, 0), names=["x" * 1_000_000]), *many_transactions(3)]
    got: list[bytes] = []

    def read() -> None:
        with open(reader, "rb") as file:
            got.append(file.read())

    thread = threading.Thread(target=read)
    thread.start()
    for batch in batches:
        sink.write(batch)
    assert sink.poll() == Progress(batches[-1].last)
    sink.close()
    os.close(writer)
    thread.join(10)
    assert [json.loads(line) for line in got[0].splitlines()] == as_json(batches)


def test_a_reader_that_went_away_ends_the_bridge_with_a_sentence() -> None:
    reader, writer = os.pipe()
    sink = StdoutSink(StdoutConfig(), writer)
    sink.open(FEED)
    os.close(reader)
    with pytest.raises(EnvironmentProblem, match="reader of standard output has gone away"):
        sink.write(many_transactions(1)[0])
    assert sink.poll() == Progress(None)
    sink.close()
    os.close(writer)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_full_disk_behind_standard_output_ends_the_bridge_with_a_sentence() -> None:
    descriptor = os.open("/dev/full", os.O_WRONLY)
    sink = StdoutSink(StdoutConfig(), descriptor)
    sink.open(FEED)
    with pytest.raises(EnvironmentProblem, match="No space left"):
        sink.write(many_transactions(1)[0])
    os.close(descriptor)


def test_a_closed_standard_output_is_noticed_at_the_start() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    os.close(writer)
    with pytest.raises(EnvironmentProblem, match="Standard output cannot be written"):
        StdoutSink(StdoutConfig(), writer).open(FEED)
