"""The cursor reads whole fields or raises one typed error, and never looks past the end."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bridge.core.errors import DecodeError
from decoders.wire import Reader


def reader(data: bytes) -> Reader:
    return Reader(data, "Thing")


@pytest.mark.parametrize(
    ("read", "data", "value"),
    [
        (Reader.byte, b"\xff", 255),
        (Reader.int16, b"\xff\xfe", -2),
        (Reader.uint16, b"\xff\xfe", 65534),
        (Reader.int32, b"\xff\xff\xff\xff", -1),
        (Reader.uint32, b"\xff\xff\xff\xff", 4294967295),
        (Reader.int64, b"\x80" + bytes(7), -(2**63)),
        (Reader.uint64, b"\x80" + bytes(7), 2**63),
    ],
)
def test_integers_are_big_endian_and_signed_as_named(
    read: Callable[[Reader, str], int], data: bytes, value: int
) -> None:
    cursor = reader(data)
    assert read(cursor, "n") == value
    cursor.expect_end()
    for size in range(len(data)):
        with pytest.raises(DecodeError, match=rf"Thing, n: {len(data)} bytes? expected, {size} "):
            read(reader(data[:size]), "n")


def test_text_ends_at_its_zero_byte() -> None:
    cursor = reader("é".encode() + b"\0rest")
    assert cursor.cstring("name") == "é"
    assert cursor.remaining == 4
    assert cursor.rest() == b"rest"


def test_text_without_a_zero_byte_is_an_error() -> None:
    with pytest.raises(DecodeError, match="terminating") as caught:
        reader(b"endless").cstring("name")
    assert caught.value.context == "Thing, name"


def test_text_that_is_not_utf8_is_an_error_at_the_bad_byte_and_does_not_quote_it() -> None:
    with pytest.raises(DecodeError, match="UTF-8") as caught:
        reader(b"secret\xff\0").cstring("name")
    assert caught.value.offset == 6
    assert caught.value.__cause__ is None
    assert "secret" not in str(caught.value)


def test_a_negative_length_is_an_error() -> None:
    with pytest.raises(DecodeError, match="negative"):
        reader(b"\xff\xff\xff\xfe").sized("value")
    with pytest.raises(DecodeError, match="negative"):
        reader(b"\xff\xff\xff\xfe").sized_or_null("value")


def test_the_length_minus_one_is_null_where_null_can_be() -> None:
    assert reader(b"\xff\xff\xff\xff").sized_or_null("value") is None
    with pytest.raises(DecodeError):
        reader(b"\xff\xff\xff\xff").sized("value")


def test_a_count_that_the_rest_cannot_hold_is_an_error_at_the_count() -> None:
    for count in (2**31 - 1, 3, -1):
        with pytest.raises(DecodeError, match="items") as caught:
            reader(count.to_bytes(4, "big", signed=True) + bytes(8)).count32("n", item_size=4)
        assert caught.value.offset == 0
    assert reader(b"\0\2" + bytes(8)).count16("n", item_size=4) == 2


def test_bytes_left_over_are_an_error_that_says_how_many() -> None:
    cursor = reader(b"\0\0\0")
    cursor.byte("first")
    with pytest.raises(DecodeError, match="2 bytes are left over") as caught:
        cursor.expect_end()
    assert caught.value.offset == 1


def test_offsets_count_from_the_first_byte_of_the_message() -> None:
    with pytest.raises(DecodeError) as caught:
        Reader(b"Bxx", "Begin", offset=1).int32("xid")
    assert caught.value.offset == 1
    assert str(caught.value) == "Begin, xid: 4 bytes expected, 2 left (at byte 1)"
