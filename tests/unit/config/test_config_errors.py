"""What a wrong configuration gets: every error, at its place, in words, without any value."""

from pathlib import Path

import pytest

from bridge.config import load_config
from bridge.config.problems import ConfigInvalid
from bridge.core.errors import EXIT_CONFIG

CANARY = "canary-7e1f"


def problems(
    tmp_path: Path, text: str, environ: dict[str, str] | None = None, **flags: object
) -> dict[str, str]:
    """Return path to "message (origin)" of everything that is wrong with a file."""
    file = tmp_path / "pgbridge.yaml"
    file.write_text(text)
    with pytest.raises(ConfigInvalid) as caught:
        load_config(file, {k.replace("__", "."): v for k, v in flags.items()}, environ or {})
    assert caught.value.exit_code == EXIT_CONFIG
    assert CANARY not in str(caught.value) + repr(caught.value)
    return {p.path: f"{p.message} ({p.origin})" for p in caught.value.problems}


def config(*, source: str = "", sink: str = "", more: str = "") -> str:
    return f"""
source:
  dsn: "postgresql://u:{CANARY}@h/db"
  {source}
sinks:
  - type: invented
    path: x
    {sink}
{more}
"""


def test_all_errors_are_reported_together_each_at_its_place(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        config(source="slott: x", sink="size_bytes: none", more="log: {level: loud}\nsinx: 1"),
    )
    assert found == {
        "source.slott": "there is no such setting; did you mean 'slot'? (line 4)",
        "sinks[0].size_bytes": "has to be a whole number. (line 8)",
        "log.level": "has to be one of debug, info, warning, error. (line 9)",
        "sinx": "there is no such setting; did you mean 'sinks'? (line 10)",
    }


def test_an_empty_file_says_what_it_needs(tmp_path: Path) -> None:
    found = problems(tmp_path, "")
    assert found["source.dsn"].startswith("is required: libpq connection string")
    assert "sinks: [{type: stdout}]" in found["sinks"]


@pytest.mark.parametrize(
    ("source", "sink", "more", "path", "words"),
    [
        ("slot: Bad-Name", "", "", "source.slot", "lower-case letters"),
        ("slot: 5", "", "", "source.slot", "has to be text; put the value in quotes"),
        ("snapshot: onyl", "", "", "source.snapshot", "Did you mean only?"),
        ("tables: public.t", "", "", "source.tables", "has to be a list"),
        ("tables: [5]", "", "", "source.tables[0]", "has to be text"),
        ("binary: maybe", "", "", "source.binary", "true or false"),
        ("liveness_seconds: 0", "", "", "source.liveness_seconds", "more than 0"),
        ("liveness_seconds: 5", "", "", "source", "longer than status_interval_seconds"),
        ("logical_decoding_work_mem: lots", "", "", "source.logical_decoding_work_mem", "kB, MB"),
        ("", "retry: {max_delay_ms: 0}", "", "sinks[0].retry.max_delay_ms", "at least 1"),
        ("", "retry: {max_delay_ms: 1}", "", "sinks[0].retry", "shorter than initial_delay_ms"),
        ("", "retry: fast", "", "sinks[0].retry", "a section with the settings max_retries"),
        ("", "tls: {verfiy: true}", "", "sinks[0].tls.verfiy", "did you mean 'verify'?"),
        ("", "mode: quick", "", "sinks[0].mode", "has to be one of fast, safe"),
        ("", "dead_leter: true", "", "sinks[0].dead_leter", "did you mean 'dead_letter'?"),
        ("", "settings: {}", "", "sinks[0].settings", "there is no such setting"),
        ("", "", "wal_budget: {on_exceeded: stop}", "wal_budget", "there is no max_bytes"),
        ("", "", "state: [a]", "state", "has to be a section with the settings dir"),
        ("", "", "server: {listen: x}", "server", "there is no such setting"),
        ("", "", "log: {level: info, level: debug}", "log.level", "is set twice"),
        ("", 'token: "${MISSING}"', "", "sinks[0].token", "variable MISSING is not set"),
        ("", 'token: "${not a name}"', "", "sinks[0].token", "${NAME}"),
        ("", 'token: "${OPEN"', "", "sinks[0].token", "${NAME}"),
        ("", f"size_bytes: {CANARY}", "", "sinks[0].size_bytes", "whole number"),
    ],
)
def test_a_mistake_is_named_with_its_cure(
    tmp_path: Path, source: str, sink: str, more: str, path: str, words: str
) -> None:
    found = problems(tmp_path, config(source=source, sink=sink, more=more))
    assert list(found) == [path]
    assert words in found[path]


def test_a_type_of_sink_that_does_not_exist_is_named(tmp_path: Path) -> None:
    found = problems(tmp_path, "source: {dsn: host=h}\nsinks: [{type: inventd}, {path: x}, 5]")
    assert "Did you mean 'invented'?" in found["sinks[0].type"]
    assert found["sinks[1].type"].startswith("is required: kind of target")
    assert "section with a type" in found["sinks[2]"]


def test_two_sinks_may_not_share_a_name(tmp_path: Path) -> None:
    found = problems(tmp_path, config(more="  - {type: invented, path: y}"))
    assert "the other is sinks[0]" in found["sinks[1].name"]


def test_a_wrong_variable_is_named(tmp_path: Path) -> None:
    environ = {
        "PGBRIDGE_SOURCE__SLOT": "Bad",
        "PGBRIDGE_SORUCE__DSN": "host=h",
        "PGBRIDGE_SINKS__9__PATH": "x",
        "PGBRIDGE_SOURCE__TABLES": "[",
    }
    found = problems(tmp_path, config(), environ)
    assert found["source.slot"].endswith("(PGBRIDGE_SOURCE__SLOT)")
    assert "did you mean 'source'" in found["PGBRIDGE_SORUCE__DSN"]
    assert found["sinks[9].path"].endswith("(PGBRIDGE_SINKS__9__PATH)")
    assert "neither a list nor a section" in found["source.tables"]


def test_a_wrong_flag_is_named(tmp_path: Path) -> None:
    found = problems(tmp_path, config(), log__level="loud")
    assert found["log.level"].endswith("(from the command line)")


@pytest.mark.parametrize(
    ("text", "where", "words"),
    [
        ("source: {dsn: [}", "line 1, column 16", "not YAML"),
        ("source:\n\tdsn: x", "line 2, column 1", "not YAML"),
        ("a: 1\n b: 2", "line 2, column 3", "not YAML"),
        (f"token: *{CANARY}", "line 1, column 8", "in quotes"),
        (f"token: %{CANARY}", "line 1, column 8", "in quotes"),
        (f"token: @{CANARY}", "line 1, column 8", "in quotes"),
        (f'token: "{CANARY}', "line 1", "not YAML"),
        ("a: 1\n---\nb: 2", "line 2, column 1", "second document"),
        ("- a", "line 1", "sections"),
        ("a: \x00", "", "not YAML"),
        ("[" * 3000, "", "too deeply"),
    ],
)
def test_what_is_not_yaml_is_told_with_line_and_column(
    tmp_path: Path, text: str, where: str, words: str
) -> None:
    [message] = problems(tmp_path, text).values()
    assert words in message
    assert where in message


def test_a_value_with_a_foreign_tag_is_refused(tmp_path: Path) -> None:
    found = problems(tmp_path, config(sink=f"token: !{CANARY} x"))
    assert "in quotes" in found["sinks[0].token"]


def test_an_alias_that_contains_itself_ends(tmp_path: Path) -> None:
    assert "too deeply" in problems(tmp_path, config(more="log: &a {level: *a}"))["log"]


@pytest.mark.parametrize(
    ("setting", "place", "words"),
    [
        ("filter: {tables: [users]}", "filter", "Write schema.table, such as public.users"),
        ("filter: {operations: [insrt]}", "filter.operations[0]", "Did you mean insert?"),
        ("filter: {where: 'total >'}", "filter.where", "total >"),
        ("filter: {function: wanted}", "filter.function", "package.module:function"),
        ("filter: {wher: x}", "filter.wher", "did you mean 'where'?"),
        ("columns: {users: [id]}", "", "columns: 'users' is not the name of a table"),
        ("columns: {public.users: id}", "columns.public.users", "has to be a list"),
        ("columns: {public.users: {exlude: [a]}}", "columns.public.users.exlude", "'exclude'"),
        ("columns: [id]", "columns", "has to be a section with keys"),
        ("rename: {public.users: {a: c, b: c}}", "", "two columns of 'public.users' the same name"),
        ("rename: {public.users: {a: 1}}", "rename.public.users.a", "has to be text"),
        ("spill_bytes: 1", "spill_bytes", "has to be at least 65536"),
    ],
)
def test_a_mistake_in_what_a_sink_gets_is_named_at_its_place(
    tmp_path: Path, setting: str, place: str, words: str
) -> None:
    found = problems(tmp_path, config(sink=setting))
    assert words in found[f"sinks[0].{place}".removesuffix(".")]
