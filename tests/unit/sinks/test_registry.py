"""Sinks by name."""

from __future__ import annotations

from dataclasses import fields, is_dataclass

import pytest

from bridge.config.docstrings import attribute_docs
from bridge.core.errors import ConfigError
from sinks import registry
from sinks.registry import SINKS, sink_class


@pytest.mark.parametrize("name", ["file", "stdout", "null"])
def test_each_name_gives_a_class_with_its_configuration(name: str) -> None:
    found = sink_class(name)
    assert is_dataclass(found.Config)
    assert found.Config.__dataclass_params__.frozen


@pytest.mark.parametrize("name", SINKS)
def test_every_setting_is_described(name: str) -> None:
    config = sink_class(name).Config
    assert {setting.name for setting in fields(config)} <= attribute_docs(config).keys()


def test_every_registered_name_is_well_formed() -> None:
    assert all(
        module.startswith("sinks.") and attribute.endswith("Sink")
        for module, _, attribute in (target.partition(":") for target in SINKS.values())
    )


def test_an_unknown_name_gets_the_nearest_one() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'file'") as caught:
        sink_class("fiel")
    assert "'fiel'" in caught.value.message


def test_a_name_like_no_other_gets_the_list() -> None:
    with pytest.raises(ConfigError, match="Known types: file, stdout"):
        sink_class("xyzzy")


def test_a_missing_client_library_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SINKS, "kafka", "no_such_client:KafkaSink")
    monkeypatch.setitem(registry._EXTRAS, "kafka", "kafka")
    with pytest.raises(ConfigError, match=r"pip install 'pgbridge\[kafka\]'"):
        sink_class("kafka")


def test_a_fault_of_our_own_is_not_taken_for_a_missing_library(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(SINKS, "broken", "no_such_module:BrokenSink")
    with pytest.raises(ModuleNotFoundError):
        sink_class("broken")
