"""Read models: which rows and keys are possible, and what folding a batch comes to."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from bridge.core.errors import ConfigError
from bridge.eventsourcing import DomainEvent, MissingUpcaster, Upcasters
from bridge.eventsourcing.read_models import ReadModel
from bridge.eventsourcing.read_models.columns import Column, Kind, Unfit
from bridge.eventsourcing.read_models.fold import fold
from bridge.eventsourcing.read_models.model import Key, StepFailed, Values
from bridge.eventsourcing.read_models.views import park
from tests.fixtures.bank_views import Bank, balances


@dataclass(frozen=True)
class Visit:
    country: str
    day: int
    visits: int
    last: str | None


@dataclass
class Melting:
    name: str


def read_all(bank: Bank) -> list[DomainEvent]:
    return list(bank.events.read_all())


def never(event: DomainEvent, failure: StepFailed) -> None:
    raise AssertionError(f"{event}: {failure}")


def nothing(keys: Collection[Key]) -> Mapping[Key, Values]:
    return {}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ReadModel(Melting, key="name"), "dataclass(frozen=True)"),
        (lambda: ReadModel(int, key="name"), "int is not a dataclass"),
        (lambda: ReadModel(Visit, key="town"), "no field 'town'"),
        (lambda: ReadModel(Visit, key=()), "has no key"),
        (lambda: ReadModel(Visit, key=("day", "country")), "order of the fields"),
        (lambda: ReadModel(Visit, key="last"), "'last' of Visit cannot be part of the key"),
        (lambda: ReadModel(Visit, key="country", version=0), "a number from 1"),
        (lambda: ReadModel(Visit, key="country").on(), "needs the event types"),
    ],
)
def test_a_definition_that_makes_no_table_is_refused(
    make: Callable[[], object], message: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        make()

    assert message in str(refused.value)


def test_a_field_of_a_type_that_no_column_has_is_refused() -> None:
    @dataclass(frozen=True)
    class Odd:
        name: str
        value: set[int]

    with pytest.raises(ConfigError, match="'value' of Odd has a type that no column has"):
        ReadModel(Odd, key="name")


@pytest.mark.parametrize(
    ("kind", "value", "stored"),
    [
        ("integer", 2**63 - 1, 2**63 - 1),
        ("real", 3, 3.0),
        ("decimal", 3, Decimal(3)),
        ("decimal", Decimal("1.10"), Decimal("1.10")),
        ("text", "\u00e9", "\u00e9"),
        ("boolean", True, True),
        ("json", {"a": [1, None]}, '{"a":[1,null]}'),
        (
            "time",
            datetime(2024, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))),
            datetime(2024, 1, 1, tzinfo=UTC),
        ),
    ],
)
def test_a_value_that_fits_is_stored_in_one_form(kind: Kind, value: Any, stored: Any) -> None:
    found = Column("it", kind, nullable=False, key=False).store(value)

    assert (found, type(found)) == (stored, type(stored))


@pytest.mark.parametrize(
    ("kind", "value", "reason"),
    [
        ("integer", 2**63, "more than 64 bits"),
        ("integer", True, "of type bool"),
        ("integer", 1.0, "of type float"),
        ("real", float("nan"), "not finite"),
        ("real", 10**400, "too large"),
        ("decimal", 0.1, "of type float"),
        ("decimal", Decimal("Infinity"), "not finite"),
        ("decimal", Decimal("1e1001"), "1000 digits"),
        ("text", "a\0b", "NUL"),
        ("text", "\ud800", "surrogate"),
        ("text", b"secret", "of type bytes"),
        ("text", None, "is None"),
        ("json", {"a": float("nan")}, "no JSON"),
        ("json", {"a": "secret\0"}, "NUL"),
        ("json", "secret", "of type str"),
        ("time", datetime(2024, 1, 1), "without a timezone"),
        ("time", datetime.min.replace(tzinfo=timezone(timedelta(hours=1))), "before the year 1"),
    ],
)
def test_a_value_that_no_column_holds_is_refused_without_showing_it(
    kind: Kind, value: Any, reason: str
) -> None:
    with pytest.raises(Unfit) as refused:
        Column("it", kind, nullable=False, key=False).store(value)

    assert reason in str(refused.value)
    assert "it " in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_text_in_a_key_has_a_limit() -> None:
    column = Column("it", "text", nullable=False, key=True)

    assert column.store("\u00e9" * 1000)
    with pytest.raises(Unfit, match="longer than 2000 bytes"):
        column.store("\u00e9" * 1001)


def test_folding_a_batch_sees_its_own_rows_and_those_that_are_stored() -> None:
    bank = Bank()
    bank.opens(["a", "b"], deposits=3)
    before = fold(balances, read_all(bank), nothing, never)
    last = bank.events.last()
    bank.happens("a", "Transferred", to="b", amount="0.15")
    bank.happens("b", "Closed")
    asked: list[Collection[Key]] = []

    def load(keys: Collection[Key]) -> Mapping[Key, Values]:
        asked.append(keys)
        return {key: row for key in keys if (row := before[key]) is not None}

    after = fold(balances, list(bank.events.read_all(last + 1)), load, never)

    assert asked == [{("a",), ("b",)}]
    assert after[("b",)] is None
    stored = after[("a",)]
    assert stored is not None
    row = balances.row(stored)
    assert (row.balance, row.movements, row.tags) == (Decimal("0.05"), 3, ["in", "in"])


def test_an_event_that_cannot_be_folded_changes_no_row_and_the_others_do() -> None:
    bank = Bank()
    bank.opens(["a"], deposits=1)
    bank.happens("a", "Transferred", to="nobody", amount="0.10")  # the half for `a` could be done
    bank.happens("a", "Deposited")
    bank.happens("a", "Transferred", amount="1")
    bank.happens("a", "Deposited", amount="0.20")
    refused: list[str] = []

    changed = fold(
        balances, read_all(bank), nothing, lambda _, failure: refused.append(str(failure))
    )

    row = changed[("a",)]
    assert row is not None
    assert balances.row(row).balance == Decimal("0.30")
    assert ("nobody",) not in changed
    assert sorted(refused) == [
        "deposited failed with KeyError",
        "the key of transferred failed with KeyError",
        "transferred failed with AssertionError",
    ]


def test_events_that_no_function_folds_are_passed_over() -> None:
    bank = Bank()
    bank.happens("a", "Blessed")

    def load(keys: Collection[Key]) -> Mapping[Key, Values]:
        raise AssertionError("there is nothing to load")

    assert fold(balances, read_all(bank), load, never) == {}


def test_a_key_of_several_columns_and_no_key_at_all() -> None:
    visits = ReadModel(Visit, key=("country", "day"))

    def where(event: DomainEvent) -> object:
        return (event.data["country"], event.data["day"]) if "day" in event.data else None

    @visits.on("Visited", "Returned", key=where)
    def visited(row: Visit | None, event: DomainEvent) -> Visit | None:
        number = row.visits if row else 0
        return Visit(event.data["country"], event.data["day"], number + 1, event.aggregate_id)

    bank = Bank()
    bank.happens("x", "Visited", country="is", day=1)
    bank.happens("y", "Returned", country="is", day=1)
    bank.happens("y", "Visited", country="no", day=1)
    bank.happens("y", "Visited", country="no")

    changed = fold(visits, read_all(bank), nothing, never)

    assert changed == {("is", 1): ("is", 1, 2, "y"), ("no", 1): ("no", 1, 1, "y")}


@pytest.mark.parametrize(
    ("key", "returned", "reason"),
    [
        (lambda e: ("a",), None, "has 1 parts, and 2 columns"),
        (lambda e: ("a", "b"), None, "day is of type str"),
        (lambda e: ("a", 1), Visit("a", 2, 0, None), "another key than the event"),
        (lambda e: ("a", 1), ("a", 1), "is of type tuple"),
        (lambda e: ("a", 1), Visit("a", 1, None, None), "visits is None"),  # type: ignore[arg-type]
    ],
)
def test_a_row_or_key_that_does_not_fit_refuses_the_event(
    key: Callable[[DomainEvent], object], returned: Any, reason: str
) -> None:
    visits = ReadModel(Visit, key=("country", "day"))
    visits.on("Visited", key=key)(lambda row, event: returned)
    bank = Bank()
    bank.happens("x", "Visited")
    refused: list[str] = []

    fold(visits, read_all(bank), nothing, lambda _, failure: refused.append(str(failure)))

    assert len(refused) == 1
    assert reason in refused[0]


def test_a_parked_event_is_text_that_every_database_takes() -> None:
    event = DomainEvent("id", "a\ud800\0", "Account", "Opened", 1, 0, {}, 3, {}, 7)

    parked = park(event, "why", 1.5)

    assert parked == (7, "id", "Opened", "Account", "a\\ud800\\0", "why", 1_500_000)


def test_events_of_older_versions_are_folded_in_the_newest() -> None:
    upcasters = Upcasters()

    @upcasters("Deposited", 1)
    def in_cents(data: dict[str, Any]) -> dict[str, Any]:
        return {"cents": data["euros"] * 100}

    @upcasters("Deposited", 2)
    def with_country(data: dict[str, Any]) -> dict[str, Any]:
        return {**data, "country": "is"}

    visits = ReadModel(Visit, key="country", upcasters=upcasters)

    @visits.on("Deposited", key=lambda event: event.data["country"])
    def deposited(row: Visit | None, event: DomainEvent) -> Visit | None:
        assert event.version == 3
        return Visit("is", 1, event.data["cents"], None)

    bank = Bank()
    bank.happens("a", "Deposited", euros=3)
    bank.happens("a", "Deposited", dollars=3)
    refused: list[str] = []
    events = read_all(bank)

    changed = fold(visits, events, nothing, lambda _, failure: refused.append(str(failure)))

    assert changed == {("is",): ("is", 1, 300, None)}
    assert refused == ["an upcaster of Deposited from version 1 on failed with KeyError"]
    newer = [events[0].replace(version=4)]
    with pytest.raises(MissingUpcaster, match="know 3 as the newest"):
        fold(visits, newer, nothing, never)
    unknown = [events[0].replace(version=4, event_type="Unheard")]
    assert fold(visits, unknown, nothing, never) == {}
