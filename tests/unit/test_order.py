"""The order in which tests are dealt out to workers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fixtures.order import broker_of, in_shares


def ordered(names: list[str], workers: int) -> list[str]:
    """Order tests named by kind (slow or quick), module, broker (a letter or ``-``), and more."""
    return in_shares(
        names,
        workers,
        module=lambda name: name[:2],
        slow=lambda name: name[0] == "s",
        broker=lambda name: None if name[2] == "-" else name[2],
    )


def test_each_block_begins_with_slow_modules() -> None:
    names = ["s1-a", "s1-b", "s2-a", "s2-b", "q1-a", "q1-b", "q1-c", "q1-d"]
    assert ordered(names, 2) == [
        *("s1-a", "s1-b", "q1-a", "q1-b"),
        *("s2-a", "s2-b", "q1-c", "q1-d"),
    ]


def test_one_worker_has_the_slow_ones_first() -> None:
    assert ordered(["q1-1", "s1-1", "q2-1"], 1) == ["s1-1", "q1-1", "q2-1"]


def test_one_block_has_all_tests_of_a_broker_with_the_slow_ones_first() -> None:
    names = ["q1k1", "q1-1", "q1k2", "s1k1", "q2-1", "q2r1", "s2r1", "q2-2"]
    assert ordered(names, 2) == ["s1k1", "q1k1", "q1k2", "q1-1", "s2r1", "q2r1", "q2-1", "q2-2"]


def test_slow_modules_without_a_broker_go_where_the_least_is_to_do() -> None:
    names = ["s1k1", "s2-1", "s3-1", "s4-1", "s5-1", "q1-1"]
    assert ordered(names, 2) == ["s5-1", "s1k1", "q1-1", "s4-1", "s3-1", "s2-1"]


@given(
    st.lists(st.sampled_from(["s1-", "s2k", "s3r", "q1-", "q2k"]), max_size=30),
    st.integers(min_value=1, max_value=6),
)
def test_no_test_is_lost(names: list[str], workers: int) -> None:
    names = [f"{name}{number}" for number, name in enumerate(sorted(names))]
    assert sorted(ordered(names, workers)) == sorted(names)


@pytest.mark.parametrize(
    ("nodeid", "broker"),
    [
        ("tests/e2e/test_rabbitmq_outages.py::test_it", "rabbitmq"),
        ("tests/contract/test_sink.py::test_it[kafka-exactly-once]", "kafka"),
        ("tests/integration/test_schema_registry.py::test_it", "kafka"),
        ("tests/e2e/test_webhook_outages.py::test_it", None),
    ],
)
def test_the_name_of_a_test_tells_which_broker_it_needs(nodeid: str, broker: str | None) -> None:
    assert broker_of(nodeid) == broker
