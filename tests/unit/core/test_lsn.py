"""WAL positions as text and as integers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.lsn import format_lsn, parse_lsn


@pytest.mark.parametrize(
    ("text", "lsn"),
    [
        ("0/0", 0),
        ("0/1", 1),
        ("16/B374D848", 0x16B374D848),
        ("1/0", 1 << 32),
        ("FFFFFFFF/FFFFFFFF", (1 << 64) - 1),
    ],
)
def test_the_text_form_is_that_of_the_server(text: str, lsn: int) -> None:
    assert parse_lsn(text) == lsn
    assert format_lsn(lsn) == text


@given(st.integers(0, (1 << 64) - 1))
def test_every_position_survives_its_text_form(lsn: int) -> None:
    assert parse_lsn(format_lsn(lsn)) == lsn


def test_small_letters_and_leading_zeros_are_read() -> None:
    assert parse_lsn("00000016/b374d848") == 0x16B374D848


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "0",
        "0/",
        "/0",
        "16/B374D848/0",
        "G/0",
        "100000000/0",
        "0/100000000",
        "-1/0",
        "0x1/0",
        "1_0/0",
        "+1/0",
        " 1/0",
    ],
)
def test_other_texts_are_refused_with_the_form_that_is_expected(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a WAL position: .*expected the form 16/B374D848"):
        parse_lsn(text)
