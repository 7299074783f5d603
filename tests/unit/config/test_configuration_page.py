"""docs/configuration.md: its examples load, and its reference is what the code says."""

import re
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from bridge.config import load_config
from bridge.config.docstrings import attribute_docs
from bridge.config.sections import SECTIONS, SINK_SETTINGS
from bridge.config.sinks import SinkConfig

PAGE = Path(__file__).parents[3] / "docs/configuration.md"
ENVIRON = {"DATABASE_URL": "postgresql://u:p@h/db", "PGPASSWORD": "p"}


def default_of(setting: Field[Any]) -> str:
    if setting.default is not MISSING:
        value = setting.default
    elif setting.default_factory is not MISSING:
        value = setting.default_factory()
    else:
        return "required"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def rows(shape: type, prefix: str, names: tuple[str, ...] = ()) -> list[str]:
    docs, hints = attribute_docs(shape), get_type_hints(shape)
    found = []
    for setting in fields(shape):
        if names and setting.name not in names:
            continue
        if is_dataclass(hints[setting.name]):
            found += rows(hints[setting.name], f"{prefix}{setting.name}.")
        else:
            default = "" if setting.name == "name" else default_of(setting)
            found.append(f"| `{prefix}{setting.name}` | {default} | {docs[setting.name]} |")
    return found


def reference() -> list[str]:
    """Return the rows that the page has to have, in order."""
    found = []
    for section, shape in SECTIONS.items():
        found += rows(shape, f"{section}.")
        if section == "source":
            found += rows(SinkConfig, "sinks[].", SINK_SETTINGS)
    return found


def test_the_reference_lists_every_setting_with_its_default() -> None:
    page = PAGE.read_text(encoding="utf-8").splitlines()
    assert [line for line in page if re.match(r"\| `\w+(\[\])?\.", line)] == reference()


@pytest.mark.parametrize(
    "example", re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
)
def test_the_examples_load(example: str, tmp_path: Path) -> None:
    file = tmp_path / "pgbridge.yaml"
    file.write_text(example)
    load_config(file, {}, ENVIRON)
