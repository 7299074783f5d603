"""Files that load, and what every part of them means."""

from pathlib import Path

import pytest

from bridge.config import Config, load_config
from bridge.core.errors import ConfigError
from bridge.core.secret import Secret
from tests.unit.config.invented_sinks import InventedConfig, TlsConfig

MINIMAL = """
source: {dsn: "postgresql://u:canary@h/db"}
sinks: [{type: invented, path: out}]
"""


def load(
    tmp_path: Path, text: str, environ: dict[str, str] | None = None, **flags: object
) -> Config:
    file = tmp_path / "pgbridge.yaml"
    file.write_text(text)
    overrides = {name.replace("__", "."): value for name, value in flags.items()}
    return load_config(file, overrides, environ or {})


def test_a_source_and_a_sink_are_enough(tmp_path: Path) -> None:
    config = load(tmp_path, MINIMAL)
    assert config.source.slot == config.source.publication == "pgbridge"
    assert config.source.tables is None
    assert config.source.dsn.reveal() == "postgresql://u:canary@h/db"
    assert config.state.dir == Path("state")
    [sink] = config.sinks
    assert (sink.name, sink.type, sink.dead_letter) == ("invented", "invented", True)
    assert sink.settings == InventedConfig(path="out")


def test_every_section_can_be_given(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        """
source:
  dsn: host=h
  tables: [public.users, "sales.*"]
  snapshot: never
  logical_decoding_work_mem: 64MB
values: {int8: string, numeric: number}
sinks:
  - {name: a, type: invented, path: x, token: t, tls: {verify: false}}
  - name: b
    type: invented
    path: y
    retry: {initial_delay_ms: 5, max_delay_ms: 50, backoff_multiplier: 1.5, deadline_seconds: 9}
backpressure: {max_events: 1, max_bytes: 65536, spool_bytes: 0, max_pause_seconds: 0.5}
checkpoint: {interval_ms: 10}
wal_budget: {warn_bytes: 1, max_bytes: 2, on_exceeded: drop_slot, check_interval_seconds: 1}
slots: {max_slots: 3, stale_threshold_seconds: 60, auto_cleanup: true, max_lag_bytes: 5}
shutdown: {drain_seconds: 0}
state: {dir: /var/lib/pgbridge}
log: {level: warning, format: json}
""",
    )
    assert config.source.tables == ("public.users", "sales.*")
    assert config.values.int8 == "string"
    assert config.wal_budget.on_exceeded == "drop_slot"
    assert config.sinks[0].settings.tls == TlsConfig(verify=False)
    assert config.sinks[0].settings.token == Secret("t")
    assert config.sinks[1].retry.deadline_seconds == 9
    assert config.log.format == "json"


def test_an_empty_section_is_its_defaults(tmp_path: Path) -> None:
    assert load(tmp_path, MINIMAL + "log:\nvalues:\n") == load(tmp_path, MINIMAL)


def test_flags_win_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    text = MINIMAL + "log: {level: error, format: json}\nstate: {dir: a}\n"
    environ = {"PGBRIDGE_LOG__LEVEL": "warning", "PGBRIDGE_STATE__DIR": "b"}
    config = load(tmp_path, text, environ, log__level="debug")
    assert config.log.level == "debug"
    assert config.log.format == "json"
    assert config.state.dir == Path("b")


def test_the_environment_reaches_into_lists_and_may_hold_whole_ones(tmp_path: Path) -> None:
    environ = {
        "PGBRIDGE_SOURCE__TABLES": '[a.b, "c.*"]',
        "PGBRIDGE_SINKS__0__SIZE_BYTES": "7",
        "PGBRIDGE_SINKS__1": "{name: second, type: invented}",
        "PGBRIDGE_SINKS__1__PATH": "p",
        "PGBRIDGE_SOURCE__SLOT": "",
    }
    config = load(tmp_path, MINIMAL, environ)
    assert config.source.tables == ("a.b", "c.*")
    assert config.source.slot == "pgbridge"
    assert [(s.name, s.settings.path) for s in config.sinks] == [
        ("invented", "out"),
        ("second", "p"),
    ]
    assert config.sinks[0].settings.size_bytes == 7


def test_without_a_file_the_environment_is_enough() -> None:
    environ = {
        "PGBRIDGE_SOURCE__DSN": "host=h",
        "PGBRIDGE_SINKS": "[{type: invented, path: x}]",
    }
    assert load_config(None, {}, environ).source.dsn.reveal() == "host=h"


def test_names_that_an_orchestrator_sets_are_left_alone(tmp_path: Path) -> None:
    environ = {"PGBRIDGE_PORT": "tcp://10.0.0.1:80", "PGBRIDGE_SERVICE_HOST": "10.0.0.1"}
    assert load(tmp_path, MINIMAL, environ) == load(tmp_path, MINIMAL)


def test_variables_are_replaced_inside_texts(tmp_path: Path) -> None:
    text = """
source: {dsn: "host=${HOST} password=${PASSWORD:-none}", slot: "${SLOT:-s1}"}
sinks: [{type: invented, path: "$${HOME}/$x", size_bytes: "${SIZE}"}]
"""
    config = load(tmp_path, text, {"HOST": "h", "SLOT": "", "SIZE": "42", "x": "no"})
    assert config.source.dsn.reveal() == "host=h password=none"
    assert config.source.slot == "s1"
    assert config.sinks[0].settings.path == "${HOME}/$x"
    assert config.sinks[0].settings.size_bytes == 42


def test_a_value_is_not_searched_for_variables_again(tmp_path: Path) -> None:
    text = MINIMAL.replace("path: out", 'path: "${A}"')
    assert load(tmp_path, text, {"A": "${B}"}).sinks[0].settings.path == "${B}"


def test_words_that_older_yaml_takes_for_booleans_and_dates_stay_words(tmp_path: Path) -> None:
    text = MINIMAL.replace("path: out", "path: no") + "state: {dir: 2024-01-01}\n"
    config = load(tmp_path, text + "source2: &x {}\n".replace("source2: &x {}\n", ""))
    assert config.sinks[0].settings.path == "no"
    assert config.state.dir == Path("2024-01-01")


def test_anchors_and_merge_keys_work(tmp_path: Path) -> None:
    text = """
source: {dsn: host=h}
sinks:
  - &first {name: a, type: invented, path: x, size_bytes: 5}
  - {<<: *first, name: b}
"""
    config = load(tmp_path, text)
    assert [(sink.name, sink.settings.size_bytes) for sink in config.sinks] == [("a", 5), ("b", 5)]


@pytest.mark.parametrize("content", [None, b"\xff\xfe", ""])
def test_a_file_that_cannot_be_read_is_a_sentence(
    tmp_path: Path, content: bytes | str | None
) -> None:
    file = tmp_path / "pgbridge.yaml"
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content is not None:
        file.mkdir()
    with pytest.raises(ConfigError, match=r"pgbridge\.yaml"):
        load_config(file, {}, {})
