"""The codec: plain data comes back as it was, and damage is an error."""

import math
import struct
from collections import OrderedDict
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.core.errors import BridgeError, EnvironmentProblem
from bridge.expressions.floats import FLOAT_NAN
from bridge.expressions.numbers import NUMERIC_NAN
from bridge.processing.state.codec import decode, encode

NAN = float("nan")

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**70), 2**70)
    | st.sampled_from([2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**70, -(2**70)])
    | st.floats()
    | st.text()
    | st.text(st.characters(codec=None, categories=["Cs", "L"]))
    | st.binary()
    | st.decimals()
    | st.sampled_from(
        [Decimal(text) for text in ("-0", "1.00", "1E+9", "sNaN", "NaN12", "-Infinity")]
    )
)
hashable = scalars.filter(lambda value: not (isinstance(value, Decimal) and value.is_snan()))
keys = st.recursive(hashable, lambda inner: st.lists(inner, max_size=3).map(tuple), max_leaves=4)
plain = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.lists(st.tuples(keys, inner)).map(lambda pairs: dict(pairs))
    ),
    max_leaves=30,
)


def form(value: Any) -> Any:
    """Return what two values share only if they are the same to the last bit, types included."""
    kind = type(value)
    if kind is dict:
        return kind, [(form(key), form(item)) for key, item in value.items()]
    if kind in (list, tuple):
        return kind, [form(item) for item in value]
    if kind is float:
        return kind, "NaN" if math.isnan(value) else struct.pack("<d", value)
    return (kind, str(value)) if kind is Decimal else (kind, value)


def again(value: Any) -> Any:
    return decode(encode(value, "test"), "test")


@given(plain)
def test_what_is_written_is_read_again(value: Any) -> None:
    assert form(again(value)) == form(value)


@settings(max_examples=30)  # they are large
@given(plain, st.integers(100, 600))
def test_so_is_a_state_that_is_compressed(value: Any, count: int) -> None:
    assert form(again([value] * count)) == form([value] * count)


def test_an_integer_may_have_any_size() -> None:
    numbers = [10**6000, -(10**6000), 0]

    assert again(numbers) == numbers


def test_a_state_may_be_nested_deeply() -> None:
    value: Any = 1
    for _ in range(20_000):
        value = [value]

    found = again(value)

    depth = 0
    while isinstance(found, list):
        (found,) = found
        depth += 1
    assert (found, depth) == (1, 20_000)


def test_each_nan_stays_a_key_of_its_own() -> None:
    found = again({(NAN, Decimal("NaN")): 1, (float("nan"), 1): 2})

    assert [(math.isnan(key[0]), item) for key, item in found.items()] == [(True, 1), (True, 2)]


class Point(NamedTuple):
    x: int
    y: int


def test_values_of_subclasses_are_plain_afterwards() -> None:
    found = again([Point(1, 2), OrderedDict(a=1), FLOAT_NAN, NUMERIC_NAN])

    assert [type(value) for value in found] == [tuple, dict, float, Decimal]
    assert form(found) == form([(1, 2), {"a": 1}, NAN, Decimal("NaN")])


def test_texts_that_come_again_are_one_object() -> None:
    rows = [{"".join(("na", "me")): number} for number in range(3)]

    found = again(rows)

    assert len({id(name) for row in found for name in row}) == 1


@pytest.mark.parametrize("value", [{1, 2}, [object()], {"a": (1j,)}, bytearray(b"x")])
def test_what_is_not_plain_is_refused_by_its_type(value: Any) -> None:
    with pytest.raises(BridgeError, match=r"State 'sums' holds a value of type \w+, which cannot"):
        encode(value, "sums")


@pytest.mark.parametrize("value", [[1, "a", None], list(range(10_000))])
def test_damage_is_named(value: Any) -> None:
    data = encode(value, "sums")
    damaged = [data[:size] for size in range(0, len(data), max(1, len(data) // 200))]
    for place in range(0, len(data), max(1, len(data) // 200)):
        changed = bytearray(data)
        changed[place] ^= 0x10
        damaged.append(bytes(changed))

    for broken in damaged:
        with pytest.raises(EnvironmentProblem, match="State 'sums' is damaged"):
            decode(broken, "sums")


def test_large_states_are_small_on_disk() -> None:
    windows = [[(customer,), 0, 60_000_000, 0, [1, Decimal("9.99")]] for customer in range(10_000)]

    assert len(encode(windows, "sums")) < 10 * len(windows)
