"""The five minutes of the README, word for word, on a real server."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.databases import Database
from tests.fixtures.waiting import eventually

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
TIMEOUT_S = 60.0


class Workplace:
    """A directory with the README's configuration, and its database in the environment."""

    def __init__(self, directory: Path, database: Database) -> None:
        self.directory = directory
        self._environment = {**os.environ, "DATABASE_URL": database.dsn}
        configuration = re.search(r"```yaml\n(.*?)```", README, re.S)
        assert configuration is not None
        (directory / "pgbridge.yaml").write_text(configuration[1])

    def run(self, command: str) -> str:
        """Run a command to its end, which has to be a good one; return what it printed."""
        ended = subprocess.run(
            self._words(command),
            cwd=self.directory,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
        )
        assert ended.returncode == 0, f"{command}:\n{ended.stdout}\n{ended.stderr}"
        return ended.stdout

    @contextmanager
    def running(self, command: str) -> Iterator[None]:
        """Run a command in the background, and end it as an operator does."""
        with subprocess.Popen(
            self._words(command), cwd=self.directory, env=self._environment
        ) as process:
            try:
                yield
                process.send_signal(signal.SIGTERM)
                assert process.wait(TIMEOUT_S) == 0
            finally:
                process.kill()

    def events(self) -> list[dict[str, Any]]:
        file = self.directory / "events.jsonl"
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        return [json.loads(line) for line in lines]

    def names(self) -> list[tuple[str, str]]:
        """Return operation and name of each event."""
        return [(event["operation"], event["new_values"]["name"]) for event in self.events()]

    @staticmethod
    def _words(command: str) -> list[str]:
        program, *words = command.split()
        assert program == "pgbridge"
        return [sys.executable, "-m", "bridge.cli", *words]


@pytest.fixture
def workplace(tmp_path: Path, newest_database: Database) -> Workplace:
    return Workplace(tmp_path, newest_database)


def test_the_five_minutes_of_the_readme(workplace: Workplace, newest_database: Database) -> None:
    section = README.split("### Attach it to your database")[1].split("\n## ")[0]
    commands = re.findall(r"^\$ (pgbridge \w+)", section, re.M)
    assert commands == ["pgbridge doctor", "pgbridge init", "pgbridge run"]
    doctor, init, run = commands
    application = newest_database.connect()
    application.execute("CREATE TABLE public.users (id int PRIMARY KEY, name text)")
    application.execute("INSERT INTO public.users VALUES (1, 'ada')")

    workplace.run(doctor)
    assert "CREATE PUBLICATION" in workplace.run(init)
    with workplace.running(run):
        eventually(
            lambda: workplace.names() == [("Read", "ada")],
            timeout=TIMEOUT_S,
            message="the existing row comes first",
        )
        application.execute("UPDATE public.users SET name = 'Ada Lovelace' WHERE id = 1")
        eventually(
            lambda: workplace.names()[1:] == [("Update", "Ada Lovelace")],
            timeout=TIMEOUT_S,
            message="the change follows",
        )
        status = json.loads(workplace.run("pgbridge status --json"))
        assert status["slot"]["active"]
    application.execute("INSERT INTO public.users VALUES (2, 'Björn')")
    with workplace.running(run):
        eventually(
            lambda: workplace.names()[2:] == [("Insert", "Björn")],
            timeout=TIMEOUT_S,
            message="it goes on where it was",
        )
    positions = [(event["commit_lsn"], event["ordinal"]) for event in workplace.events()]
    assert positions == sorted(set(positions))

    assert "`pgbridge slots drop pgbridge`" in section
    workplace.run("pgbridge slots drop pgbridge")
    slots = application.execute("SELECT slot_name FROM pg_replication_slots WHERE NOT temporary")
    assert ("pgbridge",) not in slots.fetchall()
