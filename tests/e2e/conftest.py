"""Fixtures of the end-to-end tests: real servers, and bridges that are processes of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.fixtures.bridge_process import BridgeProcess
from tests.fixtures.databases import Database, fresh_database
from tests.fixtures.postgres import ServerPool

MakeBridge: TypeAlias = Callable[..., BridgeProcess]
MakeDatabase: TypeAlias = Callable[[int], Database]


@pytest.fixture
def make_bridge(tmp_path: Path) -> Iterator[MakeBridge]:
    """Return a function that makes a bridge, see ``BridgeProcess``; none outlives the test."""
    made: list[BridgeProcess] = []

    def make(dsn: str, *, name: str = "bridge", **settings: Any) -> BridgeProcess:
        bridge = BridgeProcess(tmp_path / name, dsn, **settings)
        made.append(bridge)
        return bridge

    yield make
    for bridge in made:
        bridge.kill()
        print(f"--- standard error of {bridge.directory.name}, last start\n{bridge.stderr}")


@pytest.fixture
def make_database(postgres_servers: ServerPool) -> Iterator[MakeDatabase]:
    """Return a function that makes a database on the shared server of a major version."""
    with ExitStack() as databases:
        yield lambda major: databases.enter_context(fresh_database(postgres_servers.server(major)))
