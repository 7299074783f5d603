import json
from pathlib import Path

import pytest
import yaml

from tests.unit.cli.conftest import CONFIG, Run


def test_a_valid_configuration_is_said_to_be(run: Run) -> None:
    outcome = run("config", "validate")
    assert outcome.code == 0
    assert outcome.out == "pgbridge.yaml is valid: slot pgbridge, sinks audit (file).\n"
    assert json.loads(run("config", "validate", "--json").out) == {
        "valid": True,
        "file": "pgbridge.yaml",
    }


def test_processors_are_named(run: Run, directory: Path) -> None:
    processor = (
        "processors: [{name: p, from: {tables: [public.t]}, window: {type: tumbling, size: 1m}, "
        "aggregates: {n: count()}, to: [audit]}]\n"
    )
    sinks = CONFIG.replace("state:", "  - {type: stdout}\nstate:")
    (directory / "pgbridge.yaml").write_text(sinks + processor)
    assert "sinks audit (file), stdout (stdout), processors p.\n" in run("config", "validate").out


def test_every_error_is_listed(run: Run, directory: Path) -> None:
    (directory / "pgbridge.yaml").write_text(CONFIG.replace("path:", "pth:") + "lgo: {}\n")
    outcome = run("config", "validate")
    assert outcome.code == 2
    assert "pgbridge.yaml has 3 errors:" in outcome.err
    assert (
        "\n  sinks[0].pth (line 4): there is no such setting; did you mean 'path'?" in outcome.err
    )
    assert "\n  sinks[0].path (line 4): is required: " in outcome.err
    document = json.loads(run("config", "validate", "--json").err)
    assert {problem["path"] for problem in document["problems"]} == {
        "sinks[0].pth",
        "sinks[0].path",
        "lgo",
    }


@pytest.mark.parametrize(
    "setting",
    [
        "source: {dsn: [canary-7e1f]}",
        "source: {dsn: {canary: canary-7e1f}}",
        "source: {dsn: *canary-7e1f}",
        "source: {dsn: 'canary-7e1f",
        "source: {dsn: '${MISSING} canary-7e1f'}",
        "source: {dsn: x, slot: canary-7e1f}",
        "source: {dsn: x}\nsinks: [{type: file, path: x, rotate_bytes: canary-7e1f}]",
        "source: {dsn: x}\nsinks: [{type: canary, path: canary-7e1f, rotate_bytes: 0}]",
    ],
)
def test_no_value_is_repeated_even_with_a_traceback(
    run: Run, directory: Path, setting: str
) -> None:
    (directory / "pgbridge.yaml").write_text(setting)
    outcome = run("--log-level", "debug", "config", "validate")  # run() looks for the canary
    assert outcome.code == 2
    assert "Traceback" in outcome.err


def test_a_check_that_a_sink_makes_itself_is_reported_at_the_sink(
    run: Run, directory: Path
) -> None:
    (directory / "pgbridge.yaml").write_text(CONFIG.replace("jsonl", "jsonl, rotate_bytes: 0"))
    outcome = run("config", "validate")
    assert outcome.code == 2
    assert "sinks[0]" in outcome.err
    assert "at least 1" in outcome.err


def test_a_missing_file_is_named(run: Run, directory: Path) -> None:
    (directory / "pgbridge.yaml").unlink()
    outcome = run("config", "validate")
    assert outcome.code == 2
    assert "There is no configuration file pgbridge.yaml." in outcome.err


def test_the_environment_may_hold_everything(
    run: Run, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (directory / "pgbridge.yaml").unlink()
    monkeypatch.setenv("PGBRIDGE_SOURCE__DSN", "host=h password=canary-7e1f")
    monkeypatch.setenv("PGBRIDGE_SINKS", "[{type: stdout}]")
    outcome = run("config", "show", "--json")
    assert outcome.code == 0
    assert json.loads(outcome.out)["source"]["dsn"] == "host=h password=***"


def test_show_prints_what_can_be_read_again_but_for_the_secrets(run: Run, directory: Path) -> None:
    shown = run("config", "show").out
    assert yaml.safe_load(shown) == json.loads(run("config", "show", "--json").out)
    assert "dsn: postgresql://u:***@h/db" in shown
    (directory / "pgbridge.yaml").write_text(shown)
    assert run("config", "show").out == shown


def test_flags_win(run: Run) -> None:
    shown = json.loads(run("config", "show", "--json", "--log-format", "json").out)
    assert shown["log"]["format"] == "json"


def test_the_schema_is_json_schema_with_a_description_for_every_setting(run: Run) -> None:
    schema = json.loads(run("config", "schema").out)
    assert schema["required"] == ["source"]
    assert schema["anyOf"] == [{"required": ["sinks"]}, {"required": ["projections"]}]
    [file] = [sink for sink in schema["properties"]["sinks"]["items"]["oneOf"]
              if sink["properties"]["type"]["const"] == "file"]  # fmt: skip
    assert set(file["required"]) == {"type", "path"}

    def undescribed(properties: dict[str, dict[str, object]], at: str) -> list[str]:
        found = []
        for name, described in properties.items():
            if "description" not in described:
                found.append(f"{at}.{name}")
            inner = described.get("properties", {})
            assert isinstance(inner, dict)
            found += undescribed(inner, f"{at}.{name}")
        return found

    sections = {k: v for k, v in schema["properties"].items() if k != "sinks"}
    assert undescribed({**sections, **file["properties"]}, "") == []
    assert "$ref" not in json.dumps(schema)
