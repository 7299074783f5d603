"""Rows read by MessagePack are the rows that the reference parser reads."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.errors import DecodeError
from bridge.core.events import ABSENT, PartialRow, Texts
from decoders.messages import UNCHANGED, Binary, Delete, Insert, TupleData, Update
from decoders.parse import parse_message
from decoders.tuples import Malformed, TupleReader
from tests.fixtures.events import make_relation
from tests.fixtures.frames import Field, tuple_data
from tests.unit.decoders.test_fuzz_parse import mutate

MUTATIONS = 50_000
HEAD = struct.pack(">cI", b"I", 16400)

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
fields: st.SearchStrategy[Field] = st.one_of(
    texts, st.sampled_from(["t", "n", "u", "N", "é" * 127, "x" * 255, "x" * 256, "€" * 30_000]),
    st.none(), st.just(...),
)  # fmt: skip
rows = st.lists(fields, max_size=6)


def reader(columns: int) -> TupleReader:
    def hexadecimal(type_oid: int) -> Callable[[bytes], str]:
        return bytes.hex

    return TupleReader(make_relation({f"c{i}": "text" for i in range(columns)}), hexadecimal)


def expected(values: TupleData) -> Texts:
    """What the reference parser says, in the form of an event's row."""
    found = [
        ABSENT if value is UNCHANGED else value.data.hex() if isinstance(value, Binary) else value
        for value in values
    ]
    return PartialRow(found) if UNCHANGED in values else tuple(found)


def same(found: Texts, wanted: Texts) -> bool:
    return type(found) is type(wanted) and found == wanted


@given(rows)
def test_a_row_of_any_texts_and_gaps_is_read(row: list[Field]) -> None:
    data = tuple_data(row)
    message = parse_message(HEAD + b"N" + data)
    assert isinstance(message, Insert)
    assert same(reader(len(row)).last(data, 0), expected(message.new))


@given(st.integers(0, 5).flatmap(lambda n: st.lists(st.lists(fields, min_size=n, max_size=n),
                                                    min_size=2, max_size=2)))  # fmt: skip
def test_a_pair_of_rows_is_read(pair: list[list[Field]]) -> None:
    old, new = map(tuple_data, pair)
    message = parse_message(b"U" + HEAD[1:] + b"O" + old + b"N" + new)
    assert isinstance(message, Update)
    assert message.old is not None
    found_old, found_new = reader(len(pair[0])).pair(old + b"N" + new, 0)
    assert same(found_old, expected(message.old))
    assert same(found_new, expected(message.new))


@given(st.lists(st.one_of(texts, st.none(), st.just(...)), min_size=1, max_size=5))
def test_rows_as_servers_print_them_take_the_short_way(row: list[Field]) -> None:
    if any(isinstance(field, str) for field in row):
        assert reader(len(row)).whole(tuple_data(row)[2:]) is not None


@pytest.mark.parametrize(
    ("name", "values"),
    {
        "binary": b"b\0\0\0\1\0" + b"t\0\0\0\1a",
        "long": b"t\0\1\0\0" + b"x" * 65536 + b"t\0\0\0\1a",
        "not UTF-8": b"t\0\0\0\1\xc3" + b"t\0\0\0\1a",
        "a number of another size": b"t\0\0\0\2\xc3\xa9" + b"\xccn",
    }.items(),
)
def test_what_is_no_row_of_short_texts_takes_the_other_way(name: str, values: bytes) -> None:
    assert reader(2).whole(values) is None


COLUMNS = 4
ALPHABET = b"tttnnuuN\0\0\0\0\0\0\1\2\5\xdb\xa4\xcc\xc3\xa9a"
"""Bytes that mean something, to pgoutput or to MessagePack."""


def test_damaged_rows_are_read_as_the_reference_reads_them_or_not_at_all() -> None:
    seed = random.SystemRandom().getrandbits(32)
    print(f"seed {seed}")
    source = random.Random(seed)
    originals: list[list[Field]] = [
        ["1", "Ada", "", "t"],
        ["1", None, ..., "n"],
        ["17", "é€", None, "x" * 300],
        ["N" * 7, "tttt", "nu", "b"],
    ]
    tuples = reader(COLUMNS)
    read = 0
    for _ in range(MUTATIONS):
        old, new = (tuple_data(source.choice(originals)) for _ in range(2))
        match source.randrange(3):
            case 0:
                read += agree(tuples, mutate(source, old))
            case 1:
                read += agree(tuples, old[:2] + bytes(source.choices(ALPHABET, k=20)))
            case _:
                read += agree(tuples, mutate(source, old + b"N" + new), pair=True)
    print(f"{read} of {MUTATIONS} were rows")
    assert read


def agree(tuples: TupleReader, data: bytes, *, pair: bool = False) -> bool:
    """Read rows both ways; returns whether they are some."""
    wanted: list[Texts] | None = None
    try:
        message = parse_message((b"U" if pair else b"D") + HEAD[1:] + b"O" + data)
    except DecodeError:
        pass
    else:
        assert isinstance(message, Update | Delete)
        rows = [message.old, message.new] if isinstance(message, Update) else [message.old]
        if all(row is not None and len(row) == COLUMNS for row in rows):
            wanted = [expected(row) for row in rows if row is not None]
    try:
        found = tuples.pair(data, 0) if pair else [tuples.last(data, 0)]
    except (Malformed, IndexError, struct.error, UnicodeDecodeError):
        assert wanted is None, data.hex()
        return False
    assert wanted is not None, data.hex()
    assert all(map(same, found, wanted)), data.hex()
    return True
