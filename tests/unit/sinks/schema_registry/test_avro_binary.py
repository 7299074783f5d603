"""Our binary form against a reader that knows nothing of us."""

from __future__ import annotations

import io
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sinks.schema_registry import avro_binary as binary


def read(schema: Any, data: bytes) -> Any:
    stream = io.BytesIO(data)
    value = fastavro.schemaless_reader(stream, schema)
    assert stream.read() == b"", "there is more than the schema says"
    return value


@given(st.integers(-(2**63), 2**63 - 1))
def test_integers(number: int) -> None:
    assert read("long", binary.encode_long(number)) == number


@pytest.mark.parametrize("bits", range(64))
def test_integers_at_every_border(bits: int) -> None:
    for number in (2**bits - 1, -(2**bits), 1 - 2**bits):
        assert read("long", binary.encode_long(number)) == number


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_texts(text: str) -> None:
    assert read("string", binary.encode_text(text)) == text
    assert read(["null", "string"], binary.encode_optional_text(text)) == text


@given(st.binary(max_size=300))
def test_bytes(data: bytes) -> None:
    assert read("bytes", binary.encode_bytes(data)) == data


@given(st.floats(allow_nan=False))
def test_doubles(number: float) -> None:
    assert read("double", binary.encode_double(number)).hex() == number.hex()


@given(st.floats(allow_nan=False, width=32))
def test_floats(number: float) -> None:
    assert read("float", binary.encode_float(number)).hex() == number.hex()


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=200))
def test_arrays(texts: list[str]) -> None:
    schema = {"type": "array", "items": "string"}
    assert read(schema, binary.encode_texts(texts)) == texts


def test_null() -> None:
    assert read(["null", "string"], binary.encode_optional_text(None)) is None
