"""The reference parser reads what real servers sent, and nothing else."""

from __future__ import annotations

import pytest

from bridge.core.errors import DecodeError
from decoders.messages import PgOutputMessage, StreamAbort
from decoders.parse import parse_message
from tests.fixtures.pgoutput_messages import GOLDEN_MESSAGES, Golden

golden_messages = pytest.mark.parametrize("golden", GOLDEN_MESSAGES, ids=lambda g: g.name)


@golden_messages
def test_a_message_of_a_real_server_is_understood(golden: Golden) -> None:
    assert parse_message(golden.data, in_stream=golden.in_stream) == golden.expected


def test_there_is_a_golden_message_of_every_kind() -> None:
    assert {type(golden.expected) for golden in GOLDEN_MESSAGES} == set(PgOutputMessage.__args__)


@golden_messages
def test_every_truncation_is_a_typed_error(golden: Golden) -> None:
    data = golden.data
    for size in range(len(data)):
        # The short form of Stream Abort is the beginning of the long one.
        if isinstance(golden.expected, StreamAbort) and size == 9:
            continue
        with pytest.raises(DecodeError) as caught:
            parse_message(data[:size], in_stream=golden.in_stream)
        assert 0 <= caught.value.offset <= size


@golden_messages
def test_a_byte_too_many_is_a_typed_error(golden: Golden) -> None:
    with pytest.raises(DecodeError):
        parse_message(golden.data + b"\0", in_stream=golden.in_stream)


def test_no_bytes_are_a_typed_error() -> None:
    with pytest.raises(DecodeError, match="empty"):
        parse_message(b"")


def test_every_unknown_tag_is_an_error_and_none_is_skipped() -> None:
    known = {golden.data[0] for golden in GOLDEN_MESSAGES}
    for tag in set(range(256)) - known:
        with pytest.raises(DecodeError, match="unknown tag"):
            parse_message(bytes([tag]) + bytes(40))


@pytest.mark.parametrize(
    ("message", "context", "offset"),
    [
        ("49 00000001 58 0000", "Insert, tuple kind", 5),
        ("55 00000001 4b 0000 4b 0000", "Update, tuple kind", 8),
        ("44 00000001 4e 0000", "Delete, tuple kind", 5),
        ("49 00000001 4e 0001 78", "Insert, value kind", 8),
        ("49 00000001 4e ffff", "Insert, number of values", 6),
        ("49 00000001 4e 7fff 6e", "Insert, number of values", 6),
        ("49 00000001 4e 0001 74 7fffffff 31", "Insert, value", 13),
        ("49 00000001 4e 0001 74 ffffffff", "Insert, value", 13),
        ("49 00000001 4e 0001 74 00000002 31ff", "Insert, value", 14),
        ("52 00000001 00 00 78 0000", "Relation, replica identity", 7),
        ("52 00000001 00 00 64 7fff", "Relation, number of columns", 8),
        ("52 00000001 00 00 64 0001 02 00 00000017 ffffffff", "Relation, column flags", 10),
        ("54 7fffffff 00", "Truncate, number of relations", 1),
        ("54 00000000 04", "Truncate, options", 5),
        ("4d 02 0000000000000000 00 00000000", "Message, flags", 1),
        ("43 01" + "00" * 24, "Commit, flags", 1),
        ("53 00000001 02", "Stream Start, first segment", 5),
        ("59 00000001 6162", "Type, namespace", 5),
    ],
)
def test_a_bad_field_is_named_with_its_place(message: str, context: str, offset: int) -> None:
    with pytest.raises(DecodeError) as caught:
        parse_message(bytes.fromhex(message))
    assert (caught.value.context, caught.value.offset) == (context, offset)
