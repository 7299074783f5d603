from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bridge.cli import main
from tests.fixtures.logs import logging_restored

CONFIG = """
source: {dsn: "postgresql://u:canary-7e1f@h/db"}
sinks:
  - {name: audit, type: file, path: events.jsonl}
state: {dir: state}
"""


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working directory of the command, with a configuration."""
    (tmp_path / "pgbridge.yaml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    with logging_restored():
        yield tmp_path


class Outcome:
    """What a command did: exit code and both outputs."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err


Run = Callable[..., Outcome]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs a command line in this process."""

    def run(*argv: str | int) -> Outcome:
        capfd.readouterr()
        code = main([str(word) for word in argv])
        captured = capfd.readouterr()
        assert "canary-7e1f" not in captured.out + captured.err
        return Outcome(code, captured.out, captured.err)

    return run
