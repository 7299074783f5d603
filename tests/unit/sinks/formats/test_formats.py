"""What all formats have in common."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from hypothesis import given

from bridge.core.events import CdcEvent, EventBatch, Position
from sinks.formats import NATIVE, Format, FormatConfig, encode_batch, make_format
from tests.fixtures.events import make_event, make_message, whole_transaction
from tests.unit.sinks.formats.event_strategies import Row, events

FORMATS: list[Format] = [
    make_format(FormatConfig(format="native")),
    make_format(FormatConfig(format="debezium")),
    make_format(FormatConfig(format="cloudevents")),
    make_format(FormatConfig(format="flat")),
]
each_format = pytest.mark.parametrize("fmt", FORMATS, ids=[fmt.name for fmt in FORMATS])

FIRST_ID = re.compile('"(?:event_|__event_)?id":"([0-9a-f-]{36})"')


@each_format
@given(events())
def test_an_event_is_one_line_that_begins_as_the_format_says(
    fmt: Format, drawn: tuple[CdcEvent, Row | None, Row | None]
) -> None:
    event, _, _ = drawn
    line = fmt.encode(event)
    assert line.startswith(fmt.line_starts)
    assert not re.search("[\r\n]", line)
    json.loads(line)


@each_format
@given(events())
def test_the_event_id_stands_before_any_value_and_tells_the_position(
    fmt: Format, drawn: tuple[CdcEvent, Row | None, Row | None]
) -> None:
    event, _, _ = drawn
    found = FIRST_ID.search(fmt.encode(event))
    assert found is not None
    assert found[1] == event.event_id
    if event.ordinal != 0xFFFFFFFF:  # which a non-transactional message has
        assert Position.of_event_id(found[1]) == event.position


@each_format
def test_the_key_of_a_message_is_its_prefix(fmt: Format) -> None:
    key = fmt.key(make_message())
    assert key in ("audit", '{"prefix":"audit"}')


@each_format
def test_a_batch_is_encoded_once_for_each_format(fmt: Format) -> None:
    batch = whole_transaction(0x1000, 3)
    lines = encode_batch(batch, fmt)
    assert lines == [fmt.encode(event) for event in batch.events]
    assert encode_batch(batch, fmt) is lines
    assert (encode_batch(batch, NATIVE) is lines) == (fmt is NATIVE)


def test_the_name_of_a_format_tells_its_options() -> None:
    def name(**settings: str) -> str:
        return make_format(FormatConfig(**settings)).name  # type: ignore[arg-type]

    assert name(format="debezium", server_name="a") != name(format="debezium", server_name="b")
    assert name(format="cloudevents", server_name="a") != name(
        format="cloudevents", server_name="b"
    )
    assert name(format="native", server_name="a") == name(format="native", server_name="b")


@each_format
def test_threads_that_share_a_format_do_not_mix_transactions(fmt: Format) -> None:
    all_events = [make_event(0x1000 + 8 * i, j) for i in range(200) for j in range(2)]
    expected = [fmt.encode(event) for event in all_events]
    with ThreadPoolExecutor(4) as pool:
        batches = [EventBatch(all_events[i % 4 :: 4]) for i in range(32)]
        results = list(pool.map(lambda batch: [fmt.encode(e) for e in batch.events], batches))
    for i, lines in enumerate(results):
        assert lines == expected[i % 4 :: 4]


@each_format
def test_every_event_of_a_transaction_has_its_own_id(fmt: Format) -> None:
    lines = encode_batch(whole_transaction(0x1000, 5), fmt)
    assert all(one != other for one, other in pairwise(lines))
