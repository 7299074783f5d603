"""The settings of an event store: what belongs to which type, and what must not be shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge.config import Config, load_config, show
from bridge.config.event_store import ArchiveConfig, StoreConfig
from bridge.config.problems import ConfigInvalid
from bridge.core.secret import Dsn, Secret


def load(tmp_path: Path, store: dict[str, Any]) -> Config:
    file = tmp_path / "pgbridge.yaml"
    users = {"table": "public.users", "type": "User", "id": "id"}
    projection = {"name": "accounts", "store": store, "aggregates": [users]}
    file.write_text(yaml.safe_dump({"source": {"dsn": "x"}, "projections": [projection]}))
    return load_config(file, {}, {})


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({"type": "memory"}, StoreConfig(type="memory")),
        (
            {"type": "sqlite", "path": "e.db", "archive": {"dir": "old", "retention": "1d"}},
            StoreConfig(
                type="sqlite",
                path=Path("e.db"),
                archive=ArchiveConfig(dir=Path("old"), retention="1d"),
            ),
        ),
        (
            {"type": "postgres", "dsn": "host=h", "schema": "s"},
            StoreConfig(type="postgres", dsn=Dsn("host=h"), schema="s"),
        ),
        ({"type": "postgres"}, StoreConfig(type="postgres")),
        (
            {"type": "jetstream", "servers": ["nats://a"], "stream": "accounts"},
            StoreConfig(type="jetstream", servers=(Secret("nats://a"),), stream="accounts"),
        ),
    ],
)
def test_a_store_is_read(tmp_path: Path, given: dict[str, Any], read: StoreConfig) -> None:
    assert load(tmp_path, given).projections[0].store == read


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"type": "sqlite"}, "path is missing, which the type sqlite needs"),
        ({"type": "jetstream", "stream": "a"}, "servers is missing, which the type jetstream"),
        ({"type": "jetstream", "servers": ["x"]}, "stream is missing"),
        ({"type": "jetstream", "servers": ["x"], "stream": "a.b"}, "letters, digits"),
        ({"type": "memory", "path": "x"}, "path is given, which belongs to the type sqlite"),
        ({"type": "sqlite", "path": "x", "dsn": "y"}, "dsn is given, which belongs to the type"),
        ({"type": "sqlite", "path": "x", "replicas": 3}, "replicas is given"),
        ({"type": "memory", "archive": {"dir": "x"}}, "the type memory keeps nothing"),
        ({"type": "sqlite", "path": "x", "archive": {"dir": "x", "retention": "soon"}}, "30d|5m"),
        ({"type": "redis"}, "memory"),
        ({}, "type"),
    ],
)
def test_a_setting_that_does_not_fit_is_an_error(
    tmp_path: Path, given: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigInvalid, match=words) as caught:
        load(tmp_path, given)
    assert "projections[0].store" in str(caught.value)


def test_a_login_is_not_shown(tmp_path: Path) -> None:
    url = "nats://me:4711-secret@a:4222"
    config = load(tmp_path, {"type": "jetstream", "servers": [url], "stream": "accounts"})

    assert "4711-secret" not in repr(config) + str(show(config))


def test_a_program_may_give_plain_texts() -> None:
    given: Any = {"servers": ["nats://me:4711-secret@a"], "stream": "accounts"}
    assert "4711-secret" not in repr(StoreConfig(type="jetstream", **given))
    given = {"dsn": "host=h password=4711-secret"}
    assert "4711-secret" not in repr(StoreConfig(type="postgres", **given))
