"""The ids of new events: UUIDs of version 7 that sort by time."""

from __future__ import annotations

import os
import time
from uuid import RFC_4122, UUID

from bridge.eventsourcing.event_id import new_event_id


def test_it_is_a_uuid_of_version_7_in_its_canonical_form() -> None:
    made = new_event_id()

    assert str(UUID(made)) == made
    assert UUID(made).version == 7
    assert UUID(made).variant == RFC_4122


def test_it_begins_with_the_time_in_milliseconds() -> None:
    before = time.time_ns() // 1_000_000
    made = UUID(new_event_id())
    after = time.time_ns() // 1_000_000

    assert before <= made.int >> 80 <= after


def test_ids_of_later_moments_sort_behind() -> None:
    made = []
    for _ in range(100):
        made.append(new_event_id())
        passed = time.time_ns() + 1_000  # more than the part of a millisecond that an id can tell
        while time.time_ns() < passed:
            pass

    assert made == sorted(made)


def test_children_of_one_process_draw_numbers_of_their_own() -> None:
    new_event_id()
    drawn = [_drawn_in_a_child() for _ in range(4)]

    # The time and the counter differ anyway; behind them are 32 bits that are drawn for each id.
    assert len(set(drawn)) == len(drawn)


def _drawn_in_a_child() -> str:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, new_event_id()[-8:].encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        drawn = answer.read()
    os.waitpid(child, 0)
    return drawn


def test_no_two_are_the_same() -> None:
    assert len({new_event_id() for _ in range(10_000)}) == 10_000
