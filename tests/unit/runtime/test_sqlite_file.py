"""A SQLite file that several parts of one process, and other processes, have open."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from bridge.runtime.sqlite_file import SqliteFile

OTHER_PROCESS = """
import sys
from pathlib import Path
from bridge.runtime.sqlite_file import SqliteFile

file = SqliteFile(Path(sys.argv[1]), layout="read_models/sqlite", when_lost="")
with file.transaction() as connection:
    connection.execute("CREATE TABLE theirs (n)")
file.close()
"""


def open_file(path: Path) -> SqliteFile:
    return SqliteFile(path, layout="read_models/sqlite", when_lost="")


def tables(file: SqliteFile) -> set[str]:
    with file.reading() as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}


def test_a_process_that_has_it_open_twice_keeps_its_locks_while_another_one_closes_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / "views.db"
    with closing(open_file(path)) as first, closing(open_file(path)) as second:
        with first.transaction() as connection:
            connection.execute("CREATE TABLE ours (n)")
        subprocess.run([sys.executable, "-c", OTHER_PROCESS, str(path)], check=True)
        with second.transaction() as connection:
            connection.execute("CREATE TABLE ours_too (n)")

        assert {"ours", "theirs", "ours_too"} <= tables(first)
        with closing(open_file(path)) as third:
            assert tables(third) == tables(first)


def test_threads_may_open_a_file_that_is_not_there_yet(tmp_path: Path) -> None:
    path = tmp_path / "views.db"
    with ThreadPoolExecutor(8) as threads:
        files = list(threads.map(open_file, [path] * 8))
    for file in files:
        assert "pgbridge_read_models" in tables(file)
        file.close()

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_another_process_may_make_the_tables_at_the_same_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "views.db"
    connect = sqlite3.connect

    class Overtaken(sqlite3.Connection):
        """Another process makes the tables when this one has seen that there are none."""

        def executescript(self, script: str, /) -> sqlite3.Cursor:
            with closing(connect(path)) as other:
                other.executescript(script)
            return super().executescript(script)

    monkeypatch.setattr(sqlite3, "connect", partial(connect, factory=Overtaken))
    with closing(open_file(path)) as file:
        assert "pgbridge_read_models" in tables(file)
        with file.transaction() as connection:
            connection.execute("CREATE TABLE ours (n)")
