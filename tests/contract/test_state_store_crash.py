"""A store whose process or session ends at any moment holds one whole checkpoint."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bridge.core.errors import Transient
from bridge.processing.state.store import StateStore
from tests.contract.state_store_writer import open_store
from tests.contract.state_stores import (
    PostgresHome,
    SqliteHome,
    make_checkpoint,
    make_result,
    make_results,
)
from tests.fixtures.waiting import eventually

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["sqlite", "postgres"])
def where(request: pytest.FixtureRequest) -> tuple[str, str]:
    if request.param == "sqlite":
        return "sqlite", str(SqliteHome(request).directory)
    return "postgres", PostgresHome(request).dsn


def kill_after(where: tuple[str, str], commits: int, delay_s: float) -> int:
    """Run the writer, kill it so long after so many commits, and return the last one it told."""
    told: list[int] = []
    command = [sys.executable, "-m", "tests.contract.state_store_writer", *where]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        for line in writer.stdout:
            told.append(int(line))
            if len(told) == commits:
                break
        threading.Timer(delay_s, writer.kill).start()
        told += [int(line) for line in writer.stdout if line.endswith("\n")]
        assert writer.wait(30) == -signal.SIGKILL
    return told[-1]


def assert_whole(store: StateStore, told: int) -> None:
    """Check that a checkpoint, not older than the one that was told, is there with its results."""
    found = store.load()
    assert found is not None
    number = found.states["sums-1"]["n"]
    assert told <= number <= told + 1
    assert found == make_checkpoint(number)
    delivered = store.deliveries().get("out", 0)
    assert store.results("out", 0, 1_000_000) == [
        (n, make_result(n)) for n in range(delivered + 1, 2 * number + 1)
    ]


@pytest.mark.parametrize("kills", [5, pytest.param(60, marks=pytest.mark.nightly)])
def test_a_process_that_is_killed_leaves_one_whole_checkpoint(
    where: tuple[str, str], kills: int
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    for _ in range(kills):
        told = kill_after(where, chance.randint(1, 8), chance.uniform(0, 0.02))

        store = open_store(*where)
        assert_whole(store, told)
        store.close()


def test_a_session_that_is_ended_by_the_server_loses_and_repeats_nothing(
    request: pytest.FixtureRequest,
) -> None:
    home = PostgresHome(request)
    store = home.open()
    admin = home.database.connect()
    done = threading.Event()
    failures: list[Transient] = []

    def end_sessions() -> None:
        while not done.is_set():
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            done.wait(0.02)

    def commit(number: int) -> bool:
        try:
            store.commit(make_checkpoint(number), make_results(number))
        except Transient as error:
            failures.append(error)
            return False
        return True

    ender = threading.Thread(target=end_sessions)
    ender.start()
    try:
        number = 0
        while len(failures) < 20:
            number += 1
            eventually(
                lambda: commit(number),  # noqa: B023
                message=f"checkpoint {number} is stored",
            )
    finally:
        done.set()
        ender.join(30)

    # The last of these sessions may have been ended while nobody used it.
    found = eventually(store.load, message="the store answers", ignoring=(Transient,))
    assert found == make_checkpoint(number)
    expected = [(n, make_result(n)) for n in range(1, 2 * number + 1)]
    assert store.results("out", 0, 1_000_000) == expected
    store.close()
