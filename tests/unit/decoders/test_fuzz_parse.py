"""Mutated messages: a valid message or a typed error, nothing else, in bounded memory."""

from __future__ import annotations

import random
import struct
import time
import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from bridge.core.errors import DecodeError
from decoders.messages import PgOutputMessage
from decoders.parse import parse_message
from tests.fixtures.pgoutput_messages import GOLDEN_MESSAGES

MUTATIONS = 100_000
MEMORY_LIMIT_BYTES = 1_000_000
SLOWEST_S = 1.0

_EXTREMES = tuple(
    struct.pack(form, value)
    for form, values in {
        ">b": (-128, -1, 0, 1, 127),
        ">h": (-32768, -1, 0, 1, 32767),
        ">i": (-(2**31), -2, -1, 0, 1, 2**31 - 1),
    }.items()
    for value in values
)


def mutate(source: random.Random, data: bytes) -> bytes:
    """Damage a message in one to three places: flip, overwrite, cut, repeat, insert."""
    for _ in range(source.randint(1, 3)):
        at = source.randrange(len(data) + 1)
        match source.randrange(6):
            case 0:
                data = data[:at] + bytes([source.randrange(256)]) + data[at + 1 :]
            case 1:
                extreme = source.choice(_EXTREMES)
                data = data[:at] + extreme + data[at + len(extreme) :]
            case 2:
                data = data[:at]
            case 3:
                data = data[:at] + source.randbytes(source.randint(1, 8)) + data[at:]
            case 4:
                data = data[:at] + data[source.randrange(len(data) + 1) :]
            case _:
                other = source.choice(GOLDEN_MESSAGES).data
                data = data[:at] + other[source.randrange(len(other)) :]
    return data


def outcome(data: bytes, in_stream: bool) -> PgOutputMessage | DecodeError:
    """Return what parsing ends in; any other exception passes through."""
    try:
        return parse_message(data, in_stream=in_stream)
    except DecodeError as error:
        return error


def check(result: PgOutputMessage | DecodeError, data: bytes) -> None:
    """An error says where, inside the message, and what was being read."""
    if isinstance(result, DecodeError):
        assert 0 <= result.offset <= len(data)
        assert result.context


def test_a_mutated_message_is_a_message_or_a_typed_error() -> None:
    seed = random.SystemRandom().getrandbits(32)
    print(f"seed {seed}")
    source = random.Random(seed)
    parsed = 0
    tracemalloc.start()
    try:
        for _ in range(MUTATIONS):
            golden = source.choice(GOLDEN_MESSAGES)
            data = mutate(source, golden.data)
            in_stream = golden.in_stream if source.random() < 0.9 else not golden.in_stream
            started_s = time.thread_time()
            try:
                result = outcome(data, in_stream)
                check(result, data)
            except Exception as error:
                raise AssertionError(f"seed {seed}, message {data.hex()}: {error!r}") from error
            assert time.thread_time() - started_s < SLOWEST_S, (seed, data.hex())
            parsed += not isinstance(result, DecodeError)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    print(f"{parsed} of {MUTATIONS} mutations were messages; peak memory {peak} bytes")
    assert peak < MEMORY_LIMIT_BYTES, seed


@given(st.binary(max_size=200), st.booleans())
def test_arbitrary_bytes_are_a_message_or_a_typed_error(data: bytes, in_stream: bool) -> None:
    check(outcome(data, in_stream), data)
