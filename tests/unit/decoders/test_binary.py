"""Binary values become the text that real servers printed; damaged ones a typed error.

``tests/fixtures/binary_values.json`` holds [type, binary value in hex, text] as a server of
version 18 gave them; ``tests/integration/test_binary_values.py`` asks running servers.
"""

from __future__ import annotations

import json
import random
import struct
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.errors import DecodeError, EnvironmentProblem
from bridge.core.types import BUILTIN_TYPES, CompositeAttribute, TypeInfo
from decoders.binary import binary_to_text
from decoders.binary.converter import Converter
from tests.fixtures import __file__ as fixtures_file

GOLDEN_VALUES: list[tuple[str, str, str]] = json.loads(
    Path(fixtures_file).with_name("binary_values.json").read_text()
)

MUTATIONS = 30_000
MEMORY_LIMIT_BYTES = 20_000_000
SLOWEST_S = 1.0

PAIR, PAIRS, NEST, LOOP = 90_001, 90_002, 90_003, 90_004
OWN_TYPES = (
    *(
        TypeInfo(oid=80_000 + i, schema="public", name=name)
        for i, name in enumerate(
            ("hstore", "citext", "ltree", "lquery", "ltxtquery", "cube", "vector", "halfvec",
             "sparsevec", "geometry", "box2d")
        )
    ),
    TypeInfo(
        oid=PAIR,
        schema="public",
        name="pair",
        kind="composite",
        attributes=(
            CompositeAttribute(name="a", type_oid=23),
            CompositeAttribute(name="b", type_oid=1009),
        ),
    ),
    TypeInfo(oid=PAIRS, schema="public", name="_pair", kind="array", element_oid=PAIR),
    TypeInfo(oid=NEST, schema="public", name="nest", kind="composite"),
    TypeInfo(oid=LOOP, schema="public", name="loop", kind="domain", base_oid=LOOP),
)  # fmt: skip
TYPES = {**BUILTIN_TYPES, **{info.oid: info for info in OWN_TYPES}}
OIDS = {info.name: info.oid for info in TYPES.values()}


def converter(type_name: str) -> Converter:
    return binary_to_text(OIDS[type_name], TYPES)


@pytest.mark.parametrize("type_name", sorted({name for name, _, _ in GOLDEN_VALUES}))
def test_values_read_as_the_server_printed_them(type_name: str) -> None:
    convert = converter(type_name)
    for name, value, text in GOLDEN_VALUES:
        if name == type_name:
            assert convert(bytes.fromhex(value)) == text


def test_there_are_values_of_every_built_in_type_that_can_be_read() -> None:
    known = {name for name, _, _ in GOLDEN_VALUES}
    for oid, info in BUILTIN_TYPES.items():
        try:
            binary_to_text(oid, TYPES)
        except EnvironmentProblem:
            continue
        # The server that gave the values had no XML: left to the integration tests.
        assert info.kind == "array" or info.name == "xml" or info.name in known, info


def sized(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def row(*attributes: tuple[int, bytes | None]) -> bytes:
    parts = [len(attributes).to_bytes(4, "big")]
    for oid, value in attributes:
        parts += [oid.to_bytes(4, "big"), b"\xff\xff\xff\xff" if value is None else sized(value)]
    return b"".join(parts)


TWO = (2).to_bytes(4, "big")
NO_TEXTS = bytes(8) + (25).to_bytes(4, "big")
A_PAIR = row((23, TWO), (1009, NO_TEXTS))
A_NEST = row((PAIR, A_PAIR), (PAIR, None))


def test_composite_values_nest() -> None:
    assert converter("pair")(A_PAIR) == "(2,{})"
    assert converter("nest")(A_NEST) == '("(2,{})",)'


def test_a_composite_value_says_itself_what_it_holds() -> None:
    assert converter("pair")(row((23, None), (25, b"added later"))) == '(,"added later")'


def test_a_type_that_a_composite_value_holds_and_nobody_knows_is_named() -> None:
    with pytest.raises(EnvironmentProblem, match=r"OID 77777.*`binary: false`"):
        converter("pair")(row((77_777, b"")))


def test_a_value_cannot_nest_a_type_in_itself() -> None:
    with pytest.raises(DecodeError, match="contains itself"):
        converter("nest")(row((NEST, A_NEST)))
    with pytest.raises(DecodeError, match="contains itself"):
        converter("loop")


@pytest.mark.parametrize(
    ("type_oid", "name"),
    [
        (2205, "pg_catalog.regclass"),
        (2210, "pg_catalog.regclass"),
        (24, "pg_catalog.regproc"),
        (OIDS["box2d"], "public.box2d"),
        (12_345, "OID 12345"),
    ],
)
def test_a_type_that_cannot_be_read_is_refused_by_name_with_the_remedy(
    type_oid: int, name: str
) -> None:
    with pytest.raises(EnvironmentProblem, match=name) as caught:
        binary_to_text(type_oid, TYPES)
    assert "`binary: false`" in caught.value.remedy


def test_a_type_of_a_user_is_not_taken_for_a_built_in_one() -> None:
    types = {1: TypeInfo(oid=1, schema="public", name="int4")}
    with pytest.raises(EnvironmentProblem, match=r"public\.int4"):
        binary_to_text(1, types)


def test_a_long_chain_of_operators_takes_neither_recursion_nor_quadratic_time() -> None:
    terms = 100_000
    items = (b"\x02\x02" * (terms - 1)) + (b"\x01\x00\x00a\x00" * terms)
    query = (2 * terms - 1).to_bytes(4, "big") + items
    started_s = time.thread_time()
    assert converter("tsquery")(query) == " & ".join(["'a'"] * terms)
    assert time.thread_time() - started_s < 5


@pytest.mark.parametrize(
    ("type_name", "value"),
    [
        ("int4", "000000"),
        ("text", "61ff"),
        ("jsonb", "027b7d"),
        ("numeric", "0001000000000000"),
        ("numeric", "00010000000000002710"),
        ("numeric", "0000000012340000"),
        ("time", "ffffffffffffffff"),
        ("timetz", "000000000000000000010000"),
        ("inet", "0421000401020304"),
        ("bit", "0000000901"),
        ("_int4", "000000010000000000000017000000027fffffff00000001"),
        ("_int4", "000000010000000000000014000000010000000100000001"),
        ("_int4", "00000007" + "00" * 80),
        ("int4range", "20"),
        ("int4multirange", "7fffffff"),
        ("hstore", "7fffffff"),
        ("vector", "7fff0000"),
        ("tsquery", "000000010202"),
        ("tsquery", "0000000201000061000100006200"),
    ],
)
def test_damaged_values_are_typed_errors(type_name: str, value: str) -> None:
    with pytest.raises(DecodeError) as caught:
        converter(type_name)(bytes.fromhex(value))
    assert type_name in caught.value.context


def outcome(convert: Converter, data: bytes) -> str | DecodeError | EnvironmentProblem:
    """Return what converting ends in; any other exception passes through."""
    try:
        return convert(data)
    except (DecodeError, EnvironmentProblem) as error:
        return error


def mutate(source: random.Random, data: bytes) -> bytes:
    for _ in range(source.randint(1, 3)):
        at = source.randrange(len(data) + 1)
        match source.randrange(4):
            case 0:
                data = data[:at] + bytes([source.randrange(256)]) + data[at + 1 :]
            case 1:
                data = data[:at] + source.choice((b"\xff" * 4, b"\x7f\xff\xff\xff", bytes(4)))
                data += data[at + 4 :]
            case 2:
                data = data[:at]
            case _:
                data = data[:at] + source.randbytes(source.randint(1, 8)) + data[at:]
    return data


def test_a_mutated_value_is_a_text_or_a_typed_error() -> None:
    seed = random.SystemRandom().getrandbits(32)
    print(f"seed {seed}")
    source = random.Random(seed)
    values = [(name, bytes.fromhex(value)) for name, value, _ in GOLDEN_VALUES]
    values += [("pair", A_PAIR), ("nest", A_NEST)] * 20
    converters = {name: converter(name) for name, _ in values}
    tracemalloc.start()
    try:
        for _ in range(MUTATIONS):
            name, value = source.choice(values)
            data = mutate(source, value)
            started_s = time.thread_time()
            try:
                outcome(converters[name], data)
            except Exception as error:
                raise AssertionError(f"seed {seed}, {name} {data.hex()}: {error!r}") from error
            assert time.thread_time() - started_s < SLOWEST_S, (seed, name, data.hex())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    print(f"peak memory {peak} bytes")
    assert peak < MEMORY_LIMIT_BYTES, seed


@given(st.sampled_from(sorted({name for name, _, _ in GOLDEN_VALUES})), st.binary(max_size=100))
def test_arbitrary_bytes_are_a_text_or_a_typed_error(type_name: str, data: bytes) -> None:
    assert isinstance(outcome(converter(type_name), data), str | DecodeError | EnvironmentProblem)


@given(st.floats(width=64, allow_nan=False))
def test_float8_reads_back_as_the_same_number(value: float) -> None:
    text = converter("float8")(struct.pack(">d", value))
    assert struct.pack(">d", float(text)) == struct.pack(">d", value)
