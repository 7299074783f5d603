"""The order in which tests are dealt out to workers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.fixtures.order import in_shares


def ordered(names: list[str], workers: int) -> list[str]:
    return in_shares(names, workers, module=lambda name: name[:2], slow=lambda name: name[0] == "s")


def test_each_block_begins_with_slow_modules() -> None:
    names = ["s1a", "s1b", "s2a", "q1a", "q1b", "q1c", "q1d", "q1e"]
    assert ordered(names, 2) == ["s1a", "s1b", "q1a", "q1b", "s2a", "q1c", "q1d", "q1e"]


def test_one_worker_has_the_slow_ones_first() -> None:
    assert ordered(["q1", "s1", "q2"], 1) == ["s1", "q1", "q2"]


@given(
    st.lists(st.sampled_from(["s1", "s2", "s3", "q1", "q2"]), max_size=30),
    st.integers(min_value=1, max_value=6),
)
def test_no_test_is_lost(names: list[str], workers: int) -> None:
    names = [f"{name}{number}" for number, name in enumerate(sorted(names))]
    assert sorted(ordered(names, workers)) == sorted(names)
