"""The sink that keeps nothing."""

from __future__ import annotations

import pytest

from bridge.core.events import EventBatch
from sinks.base import Progress
from sinks.null import NullConfig, NullSink
from tests.fixtures.events import FEED, many_transactions


@pytest.mark.parametrize("encode", [False, True])
def test_everything_is_counted_and_durable_at_once(encode: bool) -> None:
    sink = NullSink(NullConfig(encode=encode))
    assert sink.open(FEED) is None
    assert sink.poll() == Progress(None)
    batches = many_transactions(3, size=4)
    for batch in batches:
        sink.write(batch)
        assert sink.poll() == Progress(batch.last)
    sink.write(EventBatch([]))
    assert sink.flush(0.0) == Progress(batches[-1].last)
    sink.close()
    assert sink.events == 12


def test_a_new_start_has_no_position() -> None:
    sink = NullSink(NullConfig())
    sink.open(FEED)
    sink.write(many_transactions(1)[0])
    sink.close()
    assert sink.open(FEED) is None
    assert sink.poll() == Progress(None)


@pytest.mark.parametrize(("encode", "formats"), [(False, 0), (True, 1)])
def test_encoding_is_paid_only_when_asked_for(encode: bool, formats: int) -> None:
    sink = NullSink(NullConfig(encode=encode))
    sink.open(FEED)
    batch = many_transactions(1)[0]
    sink.write(batch)
    assert len(batch._encoded) == formats
