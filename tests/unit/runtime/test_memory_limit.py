"""Operators with many keys stay within their limit of memory, and give the same results."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


def fill(module: str, directory: Path, keys: int, limit_mb: int, batch_size: int) -> dict[str, Any]:
    directory.mkdir()
    arguments = map(str, (directory, keys, limit_mb, batch_size))
    done = subprocess.run(
        [sys.executable, "-m", *f"tests.fixtures.{module}".split(), *arguments],
        capture_output=True,
        check=True,
        text=True,
    )
    print(limit_mb, done.stdout)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.nightly
@pytest.mark.timeout(1200)
def test_memory_of_windows_stays_within_the_limit(tmp_path: Path) -> None:
    unlimited = fill("filling_windows", tmp_path / "unlimited", 100_000, 0, 10_000)
    limited = fill("filling_windows", tmp_path / "limited", 100_000, 8, 10_000)
    for name in ("results", "checksum", "keys"):
        assert limited[name] == unlimited[name]
    # A batch with its results comes on top of the limit, and a partition that is being stored.
    assert limited["grown_mb"] < 0.75 * unlimited["grown_mb"]


@pytest.mark.nightly
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("operator", ["join", "pattern", "table"])
def test_memory_of_joins_and_patterns_stays_within_the_limit(operator: str, tmp_path: Path) -> None:
    module = f"filling_keys {operator}"
    unlimited = fill(module, tmp_path / "unlimited", 60_000, 0, 10_000)
    limited = fill(module, tmp_path / "limited", 60_000, 8, 10_000)
    for name in ("answers", "checksum"):
        assert limited[name] == unlimited[name]
    assert limited["answers"] == 60_000 - (operator == "pattern")  # the last one waits for time
    assert limited["grown_mb"] < 0.75 * unlimited["grown_mb"]
