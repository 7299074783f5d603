"""``JoinResult``: its time, its identity, and what it does not show."""

from __future__ import annotations

from itertools import combinations
from uuid import UUID

from bridge.processing.events import StreamEvent
from bridge.processing.joins import JoinResult

LEFT = StreamEvent(("k", 1), 100, "left value", sequence=3)
RIGHT = StreamEvent(("k", 1), 120, "right value", sequence=4)
ROW = JoinResult("paid", ("k", 1), LEFT, RIGHT)


def test_its_time_is_that_of_the_later_event() -> None:
    assert ROW.timestamp == 120
    assert ROW._replace(right=None).timestamp == 100
    assert ROW._replace(left=None).timestamp == 120


def test_its_id_is_the_same_in_every_run() -> None:
    assert ROW.id == "d676bb04-5b27-8952-be72-e9e97273ee36"
    assert UUID(ROW.id).version == 8


def test_its_id_does_not_depend_on_values() -> None:
    assert ROW._replace(left=LEFT._replace(value="another")).id == ROW.id


def test_different_rows_have_different_ids() -> None:
    rows = [
        ROW,
        ROW._replace(join="other"),
        ROW._replace(key=("k", "1")),
        ROW._replace(left=None),
        ROW._replace(right=None),
        ROW._replace(left=LEFT._replace(timestamp=101)),
        ROW._replace(left=LEFT._replace(sequence=4)),
        ROW._replace(right=RIGHT._replace(sequence=3)),
        ROW._replace(left=RIGHT, right=LEFT),
    ]
    assert all(one.id != other.id for one, other in combinations(rows, 2))


def test_it_does_not_show_values_or_keys() -> None:
    assert repr(ROW) == "<JoinResult 'paid' left (100, 3) right (120, 4)>"
