"""Events of older versions are read in the newest one."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.eventsourcing.errors import InvalidInput
from bridge.eventsourcing.upcasting import MissingUpcaster, Upcasters


def cents(data: dict[str, Any]) -> dict[str, Any]:
    data["cents"] = data.pop("amount") * 100
    return data


def with_currency(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "currency": "EUR"}


def make_upcasters() -> Upcasters:
    upcasters = Upcasters()
    upcasters("Deposited", 1)(cents)
    upcasters("Deposited", from_version=2)(with_currency)
    return upcasters


@pytest.mark.parametrize(
    ("version", "data"),
    [(1, {"amount": 5}), (2, {"cents": 500}), (3, {"cents": 500, "currency": "EUR"})],
)
def test_an_event_of_any_version_is_read_in_the_newest(version: int, data: dict[str, Any]) -> None:
    found = make_upcasters().upcast("Deposited", version, data)

    assert found == (3, {"cents": 500, "currency": "EUR"})


def test_types_without_upcasters_stay_as_they_are() -> None:
    upcasters = make_upcasters()

    assert upcasters.upcast("Closed", 4, {"by": "Ada"}) == (4, {"by": "Ada"})
    assert (upcasters.newest("Deposited"), upcasters.newest("Closed")) == (3, None)


def test_a_missing_link_is_named() -> None:
    upcasters = Upcasters()
    upcasters.add("Deposited", 1, cents)
    upcasters.add("Deposited", 3, with_currency)

    with pytest.raises(
        MissingUpcaster, match=r"Deposited has no upcaster from version 2 to 3, .* version 4 needs"
    ) as raised:
        upcasters.upcast("Deposited", 1, {"amount": 5})

    assert (raised.value.event_type, raised.value.version) == ("Deposited", 2)


def test_an_event_from_a_newer_program_is_refused() -> None:
    with pytest.raises(MissingUpcaster, match=r"has version 9, .* know 3 as the newest"):
        make_upcasters().upcast("Deposited", 9, {})


def test_an_upcaster_that_returns_no_object_is_named() -> None:
    upcasters = Upcasters()
    upcasters.add("Deposited", 1, lambda data: None)  # type: ignore[arg-type,return-value]

    with pytest.raises(InvalidInput, match=r"upcaster of Deposited from version 1 .* NoneType"):
        upcasters.upcast("Deposited", 1, {})


@pytest.mark.parametrize(("version", "message"), [(0, "Versions count from 1"), (1, "two")])
def test_upcasters_that_cannot_be_chained_are_refused(version: int, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        make_upcasters().add("Deposited", version, cents)
