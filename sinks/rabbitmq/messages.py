"""An event as the frames of one message, ready for the socket.

AMQP 0-9-1 wants three frames or more for a message: the method ``Basic.Publish``, a header with
the properties, and the body in pieces. They are put together here, most of it once for each
routing key and each table, because one write of many messages costs a fraction of what a call of
the client library for each message costs, here and in the broker. Section numbers are those of the
specification, https://www.rabbitmq.com/resources/specs/amqp0-9-1.pdf.
"""

from __future__ import annotations

import struct
from typing import NamedTuple, cast

from bridge.core.events import CdcEvent
from sinks.message_headers import MessageHeaders

CHANNEL = 1
"""Every connection has one channel."""

MAX_ROUTING_KEY_BYTES = 255
FRAME_OVERHEAD = 8
"""Bytes of a frame besides its payload: type, channel, size, and the end (4.2.3)."""

_METHOD, _HEADER, _BODY = 1, 2, 3
_FRAME = struct.Struct(">BHI")
_END = b"\xce"
_BASIC = 60
_PUBLISH = 40
_MANDATORY = 0b01
_PERSISTENT = b"\x02"
_TRANSIENT = b"\x01"

# 4.2.6.1: one bit for each property that is there, in the order of the properties.
_FLAGS = 1 << 15 | 1 << 13 | 1 << 12 | 1 << 7 | 1 << 6 | 1 << 3
_HEADER_START = struct.Struct(">HHQH")
_HEADER_END = struct.Struct(">Q")
_LENGTH = struct.Struct(">I")
_MAX_CACHED = 10_000


class Message(NamedTuple):
    """A message for the wire.

    Attributes:
        message_id: the ``event_id``.
        frames: all its frames.
    """

    message_id: str
    frames: bytes


class MessageEncoder:
    """Makes messages, each published as ``mandatory`` and with the ``event_id`` as its id.

    Properties: ``content_type``, ``headers`` (see ``MessageHeaders``; all are texts),
    ``delivery_mode``, ``message_id``, ``timestamp`` (of the commit, in seconds) and ``app_id``.

    Args:
        exchange: where to.
        content_type: media type of the bodies.
        app_id: the property.
        persistent: whether the broker shall keep messages on disk.
        frame_max: the largest frame that the broker takes, in bytes.
    """

    def __init__(
        self, exchange: str, *, content_type: str, app_id: str, persistent: bool, frame_max: int
    ) -> None:
        self._exchange = _short(exchange)
        self._content_type = _short(content_type)
        self._delivery_mode = _PERSISTENT if persistent else _TRANSIENT
        self._app_id = _short(app_id)
        self._piece = frame_max - FRAME_OVERHEAD
        self._headers = MessageHeaders(for_routing=True)
        self._publish: dict[str, bytes] = {}
        self._names: dict[str, bytes] = {}

    def encode(self, event: CdcEvent, body: bytes, routing_key: str) -> Message:
        """Return the message. The routing key has at most 255 bytes."""
        publish = self._publish.get(routing_key)
        if publish is None:
            publish = self._publish_frame(routing_key)
        pairs = cast(list[tuple[str, str]], self._headers(event))
        message_id = pairs[0][1]
        table = b"".join([self._field(name, value) for name, value in pairs])
        payload = b"".join(
            (
                _HEADER_START.pack(_BASIC, 0, len(body), _FLAGS),
                self._content_type,
                _LENGTH.pack(len(table)),
                table,
                self._delivery_mode,
                _short(message_id),
                _HEADER_END.pack(max(0, event.timestamp // 1_000_000)),
                self._app_id,
            )
        )
        piece = self._piece
        frames = [publish, _frame(_HEADER, payload)]
        if len(body) <= piece:
            frames.append(_frame(_BODY, body))
        else:
            frames += [_frame(_BODY, body[i : i + piece]) for i in range(0, len(body), piece)]
        return Message(message_id, b"".join(frames))

    def _publish_frame(self, routing_key: str) -> bytes:
        if len(self._publish) >= _MAX_CACHED:  # keys may be made of values
            self._publish.clear()
        method = struct.pack(">HHH", _BASIC, _PUBLISH, 0)
        frame = _frame(_METHOD, method + self._exchange + _short(routing_key) + bytes([_MANDATORY]))
        self._publish[routing_key] = frame
        return frame

    def _field(self, name: str, value: str) -> bytes:
        """Return a member of a table with a long string (4.2.5.5)."""
        start = self._names.get(name)
        if start is None:
            start = self._names[name] = _short(name) + b"S"
        text = value.encode()
        return start + _LENGTH.pack(len(text)) + text


def _frame(kind: int, payload: bytes) -> bytes:
    return _FRAME.pack(kind, CHANNEL, len(payload)) + payload + _END


def _short(text: str) -> bytes:
    """Return a short string: its length in one byte, and the text (4.2.5.3)."""
    encoded = text.encode()
    return bytes([len(encoded)]) + encoded
