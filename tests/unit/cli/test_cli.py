"""The frame around all verbs: flags, errors, exit codes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bridge import cli
from bridge.commands import config as config_verb
from bridge.core.errors import EnvironmentProblem
from tests.unit.cli.conftest import Run


def test_the_version_is_printed(run: Run) -> None:
    outcome = run("--version")
    assert outcome.code == 0
    assert outcome.out.startswith("pgbridge ")


def test_help_lists_every_verb_and_exits_with_0(run: Run) -> None:
    outcome = run("--help")
    assert outcome.code == 0
    assert all(f"    {verb} " in outcome.out for verb in cli.VERBS)


@pytest.mark.parametrize("verb", cli.VERBS)
def test_every_verb_has_a_module_and_help(run: Run, verb: str) -> None:
    outcome = run(verb, "--help")
    assert outcome.code == 0
    assert "--json" in outcome.out


@pytest.mark.parametrize("argv", [[], ["nonsense"], ["config"], ["--nonsense", "config", "show"]])
def test_a_wrong_command_line_is_a_configuration_error(run: Run, argv: list[str]) -> None:
    outcome = run(*argv)
    assert outcome.code == 2
    assert "usage: pgbridge" in outcome.err


def test_common_flags_work_before_and_after_the_verb(run: Run, directory: Path) -> None:
    (directory / "pgbridge.yaml").rename(directory / "other.yaml")
    before = run("-c", "other.yaml", "--json", "config", "validate")
    between = run("config", "--json", "-c", "other.yaml", "validate")
    after = run("config", "validate", "--json", "-c", "other.yaml")
    assert before.code == between.code == after.code == 0
    assert before.out == between.out == after.out


def test_an_error_is_a_sentence_and_its_remedy(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> int:
        raise EnvironmentProblem("The disk is full (password=canary-7e1f).", remedy="Free space.")

    monkeypatch.setattr(config_verb, "_schema", fail)
    outcome = run("config", "schema")
    assert outcome.code == 3
    assert outcome.out == ""
    assert outcome.err == "pgbridge: The disk is full (password=***\nFree space.\n"
    document = json.loads(run("config", "schema", "--json").err)
    assert document["error"] == "EnvironmentProblem"
    assert document["remedy"] == "Free space."
    assert document["exit_code"] == 3


def test_a_fault_of_our_own_says_where_without_the_values(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> int:
        raise ValueError("canary-7e1f is a value")

    monkeypatch.setattr(config_verb, "_schema", fail)
    outcome = run("config", "schema")
    assert outcome.code == 1
    assert "A fault in pgbridge: ValueError at test_cli.py:" in outcome.err
    assert "Traceback" not in outcome.err


def test_the_traceback_is_shown_at_level_debug(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> int:
        raise EnvironmentProblem("The disk is full.")

    monkeypatch.setattr(config_verb, "_schema", fail)
    assert "Traceback" in run("--log-level", "debug", "config", "schema").err


def test_an_interrupt_has_the_exit_code_of_one(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(config_verb, "_schema", fail)
    outcome = run("config", "schema")
    assert (outcome.code, outcome.err) == (130, "")


def test_a_reader_that_has_seen_enough_is_no_error(directory: Path) -> None:
    program = "import sys; from bridge.cli import main; sys.exit(main(['config', 'schema']))"
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 1


def test_the_frame_loads_no_library_that_a_verb_does_not_ask_for() -> None:
    program = (
        "import sys; from bridge.cli import main; main(['--help'])\n"
        "heavy = {'pydantic', 'yaml', 'psycopg', 'structlog', 'rich', 'sqlite3'}\n"
        "print(*sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ended.stderr.split() == []
