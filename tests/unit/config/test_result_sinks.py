"""Sinks of processors: which there are, and what they cannot be asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge.config import Config, load_config
from bridge.config.problems import ConfigInvalid

PROCESSOR = {
    "name": "revenue",
    "from": {"tables": ["public.orders"]},
    "window": {"type": "tumbling", "size": "1m"},
    "aggregates": {"orders": "count()"},
    "to": ["results"],
}
CHANGES = {"name": "changes", "type": "null"}


def load(directory: Path, *, to: tuple[str, ...] = ("results",), **settings: Any) -> Config:
    """Load a configuration with one processor, and a file for its results with these settings."""
    sink = {"name": "results", "type": "file", "path": "results.jsonl", **settings}
    document = {
        "source": {"dsn": "postgresql://localhost/shop"},
        "sinks": [CHANGES, sink],
        "processors": [{**PROCESSOR, "to": list(to)}],
    }
    path = directory / "pgbridge.yaml"
    path.write_text(yaml.safe_dump(document))
    return load_config(path, environ={})


def test_a_sink_that_a_processor_names_gets_results(tmp_path: Path) -> None:
    assert load(tmp_path).result_sinks == {"results"}


def test_so_do_those_of_late_events_and_of_what_timed_out(tmp_path: Path) -> None:
    sinks = [CHANGES, *({"name": n, "type": "null"} for n in ("results", "late", "lost"))]
    pattern = {
        "name": "series",
        "from": {"tables": ["public.orders"]},
        "pattern": {"within": "1m", "steps": [{"begin": "small"}, {"next": "large"}]},
        "to": ["results"],
        "late_to": ["late"],
        "timed_out_to": ["lost", "results"],
    }
    document = {"source": {"dsn": "x"}, "sinks": sinks, "processors": [pattern]}
    path = tmp_path / "pgbridge.yaml"
    path.write_text(yaml.safe_dump(document))
    config = load_config(path, environ={})
    assert config.result_sinks == {"results", "late", "lost"}
    assert config.processors[0].targets == ("results", "late", "lost")


@pytest.mark.parametrize(
    ("to", "message"),
    [
        (("result",), r"processors\[0\]\.to\[0\].*no sink 'result'; did you mean 'results'\?"),
        (("zzz",), r"no sink 'zzz'; there are: changes, results"),
        ((), r"processors\[0\]\.to.*is required"),
    ],
)
def test_a_processor_has_to_name_sinks_that_exist(
    to: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigInvalid, match=message):
        load(tmp_path, to=to)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"filter": {"tables": ["public.orders"]}}, r"sinks\[1\]\.filter.*'revenue', and only"),
        ({"columns": {"public.orders": ["id"]}}, r"sinks\[1\]\.columns.*no columns"),
        ({"rename": {"public.orders": {"a": "b"}}}, r"sinks\[1\]\.rename.*no columns"),
        ({"required": False}, r"sinks\[1\]\.required.*wait in the store"),
        ({"format": "flat"}, r"sinks\[1\].*'flat'.*processor 'revenue'"),
    ],
)
def test_a_result_sink_takes_no_setting_that_is_about_changes(
    settings: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigInvalid, match=message):
        load(tmp_path, **settings)


def test_an_sqlite_store_takes_no_connection_string(tmp_path: Path) -> None:
    path = tmp_path / "pgbridge.yaml"
    path.write_text(
        "source: {dsn: 'postgresql://localhost/shop'}\n"
        "sinks: [{type: stdout}]\n"
        "processing: {store: {type: sqlite, dsn: 'postgresql://localhost/other'}}\n"
    )
    with pytest.raises(ConfigInvalid, match="sqlite needs none"):
        load_config(path, environ={})
