"""Confirmations in any order, and the barrier that a refused message is."""

from __future__ import annotations

import random

import pytest

from sinks.rabbitmq.confirms import Confirms, Published


def published(count: int) -> Confirms:
    """Return a channel with messages 100, 101, ... under the tags 1, 2, ..."""
    confirms = Confirms()
    for i in range(count):
        confirms.published(Published(100 + i, f"id-{100 + i}", 10))
    return confirms


def test_the_first_open_message_is_behind_the_unbroken_row_of_confirmed_ones() -> None:
    confirms = published(4)
    confirms.confirmed(2, multiple=False)
    confirms.confirmed(3, multiple=False)
    assert confirms.first == 100
    confirms.confirmed(1, multiple=False)
    assert (confirms.first, len(confirms), confirms.size) == (103, 1, 10)
    confirms.confirmed(4, multiple=False)
    assert (confirms.first, len(confirms), confirms.size) == (None, 0, 0)


def test_one_confirmation_may_stand_for_many() -> None:
    confirms = published(5)
    confirms.confirmed(2, multiple=False)
    confirms.confirmed(4, multiple=True)
    assert confirms.first == 104


def test_a_returned_message_is_not_confirmed_by_its_confirmation() -> None:
    confirms = published(5)
    confirms.returned("id-102")
    assert confirms.refused
    confirms.confirmed(3, multiple=False)
    assert not confirms.stuck
    confirms.confirmed(5, multiple=True)
    assert (confirms.first, confirms.stuck) == (102, True)


@pytest.mark.parametrize("multiple", [False, True])
def test_nothing_passes_a_refused_message(multiple: bool) -> None:
    confirms = published(5)
    confirms.confirmed(1, multiple=False)
    confirms.refuse(3, multiple=multiple)
    confirms.confirmed(4, multiple=False)
    confirms.confirmed(2, multiple=False)
    assert confirms.stuck
    assert confirms.first == (101 if multiple else 102)


def test_the_earliest_of_several_refused_messages_counts() -> None:
    confirms = published(6)
    confirms.returned("id-104")
    confirms.returned("id-102")
    confirms.returned("id-103")
    confirms.refuse(5, multiple=False)
    confirms.confirmed(6, multiple=True)
    assert (confirms.first, confirms.stuck) == (102, True)


def test_a_returned_message_that_is_not_known_confirms_nothing_any_more() -> None:
    confirms = published(2)
    confirms.returned(None)
    confirms.confirmed(2, multiple=True)
    assert (confirms.first, confirms.stuck) == (100, True)


def test_any_order_of_confirmations_settles_exactly_the_unbroken_row() -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    choose = random.Random(seed)
    for _ in range(200):
        count = choose.randrange(1, 30)
        confirms = published(count)
        refused = choose.choice([None, choose.randrange(count)])
        if refused is not None:
            confirms.returned(f"id-{100 + refused}")
        done: set[int] = set()
        for _ in range(choose.randrange(40)):
            tag, multiple = choose.randrange(1, count + 1), choose.random() < 0.3
            done |= set(range(tag)) if multiple else {tag - 1}
            confirms.confirmed(tag, multiple)
            held = {i for i in done if refused is None or i < refused}
            first = next((i for i in range(count) if i not in held), None)
            assert confirms.first == (None if first is None else 100 + first)
