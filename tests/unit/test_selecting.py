"""From settings to a selection: what is compiled, what is found, and what is wrong in words."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bridge.config import ExcludedColumns, FilterConfig, SinkConfig
from bridge.core.errors import BridgeError, ConfigError
from bridge.core.events import CdcEvent, EventBatch, Operation
from bridge.core.selection import Undecided
from bridge.selecting import make_selection
from tests.fixtures.events import make_batch, make_event


def sink(**settings: object) -> SinkConfig:
    return SinkConfig(type="stdout", name="out", **settings)  # type: ignore[arg-type]


def selected(batch: EventBatch, **settings: object) -> list[CdcEvent]:
    selection = make_selection(sink(**settings))
    assert selection is not None
    return selection.apply(batch).events


def even(event: CdcEvent) -> bool:
    """A filter."""
    return event.ordinal % 2 == 0


def broken(event: CdcEvent) -> bool:
    """A filter with a fault, whose words hold a value of the row."""
    raise ValueError(event.new)


NOT_A_FUNCTION = 7


def test_without_settings_there_is_nothing_to_do() -> None:
    assert make_selection(sink()) is None


def test_everything_together() -> None:
    events = selected(
        make_batch((1, 0), (1, 1), (1, 2), (1, 3), names=["a", "b", "c", "d"]),
        filter=FilterConfig(
            tables=("public.*",),
            operations=("insert",),
            where="name <> 'a'",
            function=f"{__name__}:even",
        ),
        columns={"public.users": ExcludedColumns(exclude=("nothing",))},
        rename={"*": {"name": "called"}},
    )
    assert [event.new_values for event in events] == [{"id": 2, "called": "c"}]


def test_operations_are_those_of_the_settings() -> None:
    read = make_event(operation=Operation.READ)
    batch = EventBatch([read, make_event(0x2000)])
    assert selected(batch, filter=FilterConfig(operations=("read",))) == [read]


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("no_such_module:f", "The filter 'no_such_module:f' cannot be imported"),
        (f"{__name__}:no_such", "has nothing called 'no_such'"),
        (f"{__name__}:NOT_A_FUNCTION", "is not a function"),
    ],
)
def test_a_function_that_is_none_is_named(function: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        make_selection(sink(filter=FilterConfig(function=function)))


def test_a_function_is_found_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_filters.py").write_text("def wanted(event):\n    return event.ordinal == 1\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", sys.path.copy())
    chosen = selected(make_batch((1, 0), (1, 1)), filter=FilterConfig(function="my_filters:wanted"))
    assert [event.ordinal for event in chosen] == [1]


def test_the_fault_of_a_function_is_named_without_the_row() -> None:
    with pytest.raises(BridgeError, match="failed at 0/1:0 with ValueError") as caught:
        selected(
            make_batch((1, 0), names=["canary-7e1f"]),
            filter=FilterConfig(function=f"{__name__}:broken"),
        )
    assert "canary-7e1f" not in str(caught.value)


def test_a_condition_about_a_column_that_a_table_lacks_names_the_sink() -> None:
    with pytest.raises(ConfigError, match="filter of sink 'out' cannot be used") as caught:
        selected(make_batch((1, 0)), filter=FilterConfig(where="total > 10"))
    assert "filter.tables" in caught.value.remedy


def test_a_condition_without_a_value_leaves_the_event_undecided() -> None:
    with pytest.raises(Undecided, match=r"filter\.where"):
        selected(make_batch((1, 0)), filter=FilterConfig(where="1 / id = 1"))
