"""The bank account of docs/event-sourcing.md runs as it stands there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.test_docs import DOCS, Example, examples

PAGE = DOCS / "event-sourcing.md"


def python_of(page: Path) -> list[Example]:
    return [each for each in examples() if each.page == page and each.language == "python"]


def test_the_python_of_the_page_runs_from_top_to_bottom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "bank"}

    for example in python_of(PAGE):
        blank = "\n" * example.line  # so that a traceback names the line of the page
        exec(compile(blank + example.text, str(PAGE), "exec"), names)

    assert names["withdrawn"].sequence == 3
    assert (tmp_path / "state" / "events.db").exists()
