"""The names that ``import bridge`` promises."""

from __future__ import annotations

import pytest

import bridge

SECOND_NAMES = {"RetryConfig": "RetryPolicy"}


def test_every_public_name_is_there() -> None:
    assert {name: getattr(bridge, name).__name__ for name in bridge.__all__} == {
        name: SECOND_NAMES.get(name, name) for name in bridge.__all__
    }


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="Bridgehead"):
        _ = bridge.Bridgehead
