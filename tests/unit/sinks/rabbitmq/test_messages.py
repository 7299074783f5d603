"""The frames of a message, read by the client library."""

from __future__ import annotations

from typing import Any

import pytest
from pika.frame import decode_frame

from bridge.core.events import CdcEvent, Transaction
from sinks.message_headers import MessageHeaders
from sinks.rabbitmq.messages import CHANNEL, MessageEncoder
from tests.fixtures.events import SOURCE, TIMESTAMP, USERS, make_event, make_message


def encoder(**changes: Any) -> MessageEncoder:
    settings = {
        "content_type": "application/json",
        "app_id": "pgbridge",
        "persistent": True,
        "frame_max": 131_072,
    }
    return MessageEncoder("events", **{**settings, **changes})


def frames_in(data: bytes) -> list[Any]:
    found = []
    while data:
        size, frame = decode_frame(data)
        assert frame is not None, "a frame is incomplete"
        assert frame.channel_number == CHANNEL
        found.append(frame)
        data = data[size:]
    return found


@pytest.mark.parametrize(
    "event", [make_event(0x16B374D848, 3), make_message(0x2000)], ids=["row", "message"]
)
def test_the_library_reads_what_was_meant(event: CdcEvent) -> None:
    message = encoder().encode(event, b"{}", "cdc.größe.insert")
    publish, header, body = frames_in(message.frames)
    assert publish.method.NAME == "Basic.Publish"
    assert publish.method.exchange == "events"
    assert publish.method.routing_key == "cdc.größe.insert"
    assert (publish.method.mandatory, publish.method.immediate) == (True, False)
    assert header.body_size == 2
    properties = header.properties
    assert properties.content_type == "application/json"
    assert properties.headers == dict(MessageHeaders(for_routing=True)(event))
    assert properties.delivery_mode == 2
    assert properties.message_id == message.message_id == event.event_id
    assert properties.timestamp == TIMESTAMP // 1_000_000
    assert properties.app_id == "pgbridge"
    for absent in ("content_encoding", "priority", "correlation_id", "reply_to", "expiration",
                   "type", "user_id", "cluster_id"):  # fmt: skip
        assert getattr(properties, absent) is None
    assert body.fragment == b"{}"


@pytest.mark.parametrize("size", [0, 1, 4_087, 4_088, 4_089, 8_176, 8_177, 30_000])
def test_a_body_is_cut_to_the_largest_frame(size: int) -> None:
    content = bytes(i % 251 for i in range(size))
    message = encoder(frame_max=4_096).encode(make_event(), content, "key")
    _, header, *bodies = frames_in(message.frames)
    assert header.body_size == size
    pieces = [frame.fragment for frame in bodies if frame.fragment]
    assert b"".join(pieces) == content
    assert all(len(piece) <= 4_088 for piece in pieces)


def test_a_commit_before_1970_has_the_earliest_time_that_there_is() -> None:
    transaction = Transaction(SOURCE, 1, 0x1000, -5)
    old = make_event()
    event = CdcEvent(transaction, 0, 0x1000, old.operation, USERS, old.new, None)
    _, header, _ = frames_in(encoder(persistent=False).encode(event, b"{}", "key").frames)
    assert (header.properties.timestamp, header.properties.delivery_mode) == (0, 1)
