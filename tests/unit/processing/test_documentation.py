"""The examples in the pages on stream processing run, and print what the pages show."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path
from typing import Any

import pytest

PAGES = sorted((Path(__file__).parents[3] / "docs").glob("processing*.md"))

_EXAMPLE = re.compile(r"^```python\n(.*?)^```$(?:\n\n^```text\n(.*?)^```$)?", re.M | re.S)


def test_there_are_pages() -> None:
    assert "processing.md" in [page.name for page in PAGES]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples_print_what_the_page_shows(page: Path) -> None:
    """One after the other, as a reader would try them: later ones may use names of earlier ones."""
    names: dict[str, Any] = {}
    text = page.read_text(encoding="utf-8")
    for example in _EXAMPLE.finditer(text):
        code, shown = example.groups(default="")
        # The lines before it, so that an error names the line of the page.
        before = "\n" * (text.count("\n", 0, example.start()) + 1)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(before + code, str(page), "exec"), names)
        assert printed.getvalue() == shown
