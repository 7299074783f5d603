"""Projections that are functions in Python."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bridge import CdcEvent, DomainEvent, projection
from bridge.config.projections import ProjectionConfig
from bridge.core.errors import ConfigError, EnvironmentProblem
from bridge.projecting import make_projections
from bridge.projecting.python import Told
from tests.unit.projecting.accounts import KEYS_ONLY, MEMORY, change, events_of, project_with, told

HERE = "tests.unit.projecting.test_python"


@projection(tables=["public.user_accounts"], operations=["update"], old_rows=True)
def deposits(event: CdcEvent) -> Told:
    """Tell of every balance that went up, and of every other change of it too."""
    before, after = event.old_values, event.new_values
    assert before is not None
    assert after is not None
    amount = after["balance"] - before["balance"]  # type: ignore[operator]
    kind = "MoneyDeposited" if amount > 0 else "MoneyWithdrawn"
    return DomainEvent.new("Account", str(after["id"]), kind, {"amount": abs(amount)})


@projection(tables=["public.*"])
def odd(event: CdcEvent) -> Told:
    """Give what the row asks for."""
    assert event.new_values is not None
    match event.new_values["owner"]:
        case "nothing":
            return None
        case "two":
            return _two()
        case "a text":
            return ["text"]  # type: ignore[list-item]
        case "bytes":
            return DomainEvent.new("Account", "7", "Odd", {"a": [b"secret"]})
    raise ValueError("secret")


def _two() -> Iterator[DomainEvent]:
    for number in ("1", "2"):
        yield DomainEvent.new("Account", number, "Seen", {})


def not_a_projection(event: CdcEvent) -> None: ...


def test_a_function_gives_events_whose_ids_do_not_depend_on_when_it_was_called() -> None:
    update = change("update", ("7", "35.50", "Ada"), ("7", "10.00", "Ada"))
    accounts = project_with(python=f"{HERE}:deposits")
    assert told(accounts, update, change("insert", ("8", "1", "Bob"))) == [
        ("Account", "7", "MoneyDeposited", {"amount": "25.50"})
    ]
    first, second = (events_of(accounts.project([update])) for _ in range(2))
    assert first == second
    assert first[0].timestamp == update.timestamp
    assert isinstance(deposits(update), DomainEvent)


def test_none_and_several_events_are_fine_and_anything_else_is_rejected() -> None:
    accounts = project_with(python=f"{HERE}:odd")
    wishes = ("nothing", "two", "a text", "bytes", "boom")
    found = told(accounts, *(change("insert", ("1", "1", wish)) for wish in wishes))
    assert [aggregate_id for _, aggregate_id, _, _ in found] == ["1", "2"]
    reasons = [reason for _, reason in accounts.take_rejected()]
    assert len(reasons) == 3
    for reason, words in zip(reasons, ("gave a str", "at a[0]", "ValueError"), strict=True):
        assert words in reason
        assert "secret" not in reason


def test_a_function_that_reads_old_rows_needs_tables_that_send_them() -> None:
    update = change("update", ("7", "35.50", "Ada"), relation=KEYS_ONLY)
    with pytest.raises(EnvironmentProblem, match="old rows"):
        project_with(python=f"{HERE}:deposits").project([update])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (f"{HERE}:not_a_projection", "has no @projection"),
        (f"{HERE}:missing", "missing"),
        ("no.such.module:function", "cannot be imported"),
    ],
)
def test_what_is_no_projection_is_an_error_at_its_place(name: str, words: str) -> None:
    config = ProjectionConfig(name="accounts", store=MEMORY, python=name)
    with pytest.raises(ConfigError, match=words) as raised:
        make_projections([config])
    assert raised.value.message.startswith("projections[0].python")
