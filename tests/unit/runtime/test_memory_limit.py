"""Windows with many keys stay within their limit of memory, and give the same results."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


def fill(directory: Path, keys: int, limit_mb: int, batch_size: int) -> dict[str, Any]:
    directory.mkdir()
    arguments = map(str, (directory, keys, limit_mb, batch_size))
    done = subprocess.run(
        [sys.executable, "-m", "tests.fixtures.filling_windows", *arguments],
        capture_output=True,
        check=True,
        text=True,
    )
    print(limit_mb, done.stdout)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    ("keys", "limit_mb"),
    [
        (50_000, 8),
        pytest.param(100_000, 8, marks=[pytest.mark.nightly, pytest.mark.timeout(1200)]),
    ],
)
def test_memory_stays_within_the_limit(keys: int, limit_mb: int, tmp_path: Path) -> None:
    unlimited = fill(tmp_path / "unlimited", keys, 0, 10_000)
    limited = fill(tmp_path / "limited", keys, limit_mb, 10_000)
    for name in ("results", "checksum", "keys"):
        assert limited[name] == unlimited[name]
    # A batch with its results comes on top of the limit, and a partition that is being stored.
    assert limited["grown_mb"] < 0.75 * unlimited["grown_mb"]
