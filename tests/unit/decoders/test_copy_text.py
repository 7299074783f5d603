"""A COPY line becomes the texts of its columns; what the server never writes is an error."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.errors import DecodeError
from decoders.copy_text import parse_copy_line

# PostgreSQL's text holds every character but NUL, and no surrogates.
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)))

_WRITTEN_AS = {"\b": "b", "\f": "f", "\n": "n", "\r": "r", "\t": "t", "\v": "v", "\\": "\\"}


def as_the_server_writes(values: tuple[str | None, ...]) -> bytes:
    """The rules of COPY TO, written the other way round."""
    fields = (
        r"\N"
        if value is None
        else re.sub(r"[\b\f\n\r\t\v\\]", lambda m: "\\" + _WRITTEN_AS[m[0]], value)
        for value in values
    )
    return "\t".join(fields).encode() + b"\n"


@given(st.lists(st.none() | texts).map(tuple))
def test_a_row_comes_back_as_it_was_written(values: tuple[str | None, ...]) -> None:
    line = as_the_server_writes(values)
    assert parse_copy_line(line, len(values)) == values
    assert parse_copy_line(line[:-1], len(values)) == values


@pytest.mark.parametrize(
    ("line", "values"),
    [
        (rb"1	Ann	\N", ("1", "Ann", None)),
        (rb"\\N	\N	", (r"\N", None, "")),
        (rb"\\x00ff	\\\\	\\t", (r"\x00ff", "\\\\", r"\t")),
        (rb"a\tb\nc\rd\be\ff\vg", ("a\tb\nc\rd\be\ff\vg",)),
        ("é\x85\u2028\x1e".encode(), ("é\x85\u2028\x1e",)),
        (rb"\\.", (r"\.",)),
        (b"", ("",)),
    ],
)
def test_escapes_and_null_are_told_apart(line: bytes, values: tuple[str | None, ...]) -> None:
    assert parse_copy_line(line, len(values)) == values


def test_a_char_beyond_ascii_of_an_old_server_becomes_what_newer_ones_print() -> None:
    assert parse_copy_line(b"\xc3\t\\N\t\xff\n", 3) == (r"\303", None, r"\377")
    assert parse_copy_line(b"\\\\303\n", 1) == (r"\303",)


def test_a_table_without_columns_has_empty_lines() -> None:
    assert parse_copy_line(b"\n", 0) == ()
    with pytest.raises(DecodeError, match="0 columns expected, 1 found"):
        parse_copy_line(b"x\n", 0)


@pytest.mark.parametrize(("line", "columns"), [(b"a\tb\n", 3), (b"a\tb\n", 1), (b"\n", 2)])
def test_another_number_of_columns_is_an_error(line: bytes, columns: int) -> None:
    with pytest.raises(DecodeError, match="columns expected"):
        parse_copy_line(line, columns)


@pytest.mark.parametrize(
    ("line", "offset"),
    [
        ("é\t\\x41".encode(), 3),
        (rb"a	\101", 2),
        (rb"a	bc\N", 4),
        (rb"a	b\\\q", 5),
        (b"a\tb\\", 3),
        (b"a\tb\xff", 3),
        (b"\xff\t\\x41", 2),
        (b"a\nb\tc", 1),
    ],
)
def test_what_the_server_never_writes_is_an_error_with_its_place(line: bytes, offset: int) -> None:
    with pytest.raises(DecodeError) as caught:
        parse_copy_line(line, 2)
    assert caught.value.offset == offset


@given(st.binary(), st.integers(0, 4))
def test_arbitrary_bytes_are_a_row_or_a_typed_error(line: bytes, columns: int) -> None:
    try:
        values = parse_copy_line(line, columns)
    except DecodeError:
        return
    assert len(values) == columns
