"""``pgbridge demo`` from the outside: what it shows, how it ends, and that it leaves nothing."""

from __future__ import annotations

import fcntl
import io
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from bridge.core.errors import EnvironmentProblem
from bridge.postgres.embedded import find_binaries
from tests.fixtures.waiting import eventually

TIMEOUT_S = 60.0
MOST_BYTES = 300_000
"""What a live demo shows in about a minute and a half; the test needs a second of it."""


@pytest.fixture
def scratch() -> Iterator[Path]:
    """The only directory for temporary files; short, for sockets; for every account."""
    try:
        find_binaries()
    except EnvironmentProblem as problem:
        pytest.skip(problem.message)
    with tempfile.TemporaryDirectory(prefix="demo-") as directory:
        os.chmod(directory, 0o1777)  # like the one of the system
        yield Path(directory)


def demo(*flags: str) -> list[str]:
    return [sys.executable, "-m", "bridge.cli", "demo", *flags]


def surroundings(scratch: Path) -> dict[str, str]:
    return {**os.environ, "TMPDIR": str(scratch)}


def run_demo(scratch: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        demo(*flags),
        env=surroundings(scratch),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )


def processes_of(scratch: Path) -> list[str]:
    listed = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True)
    return [line for line in listed.stdout.splitlines() if str(scratch) in line]


def assert_nothing_is_left(scratch: Path) -> None:
    eventually(lambda: processes_of(scratch) == [], message="no process of the demo is left")
    eventually(lambda: list(scratch.iterdir()) == [], message="no file of the demo is left")


def test_every_kind_of_change_is_shown_and_nothing_is_left(scratch: Path) -> None:
    ended = run_demo(scratch, "--seconds", "3", "--plain")
    assert (ended.returncode, ended.stderr) == (0, "")
    lines = ended.stdout.splitlines()
    changes = [line.split() for line in lines if re.match(r"\d\d:\d\d:\d\d\.\d{3}  ", line)]
    assert {"Read", "Insert", "Update", "Delete", "Truncate"} <= {words[1] for words in changes}
    assert [words[1] for words in changes].index("Insert") == 11  # existing rows come first
    assert all(re.fullmatch(r"[0-9A-F]+/[0-9A-F]+:\d+", words[-1]) for words in changes)
    assert lines[-3].startswith(f"{len(changes)} events in ")
    assert lines[-1].endswith(" 0 bytes of WAL behind")
    assert "\x1b" not in ended.stdout
    assert_nothing_is_left(scratch)


def test_json_lines_are_whole_events_and_nothing_else(scratch: Path) -> None:
    ended = run_demo(scratch, "--seconds", "1", "--rate", "20", "--json")
    assert ended.returncode == 0, ended.stderr
    events = [json.loads(line) for line in ended.stdout.splitlines()]
    assert {event["type"] for event in events} == {"cdc_event"}
    assert len({event["event_id"] for event in events}) == len(events)
    assert_nothing_is_left(scratch)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_demo_in_order(scratch: Path, number: signal.Signals) -> None:
    with subprocess.Popen(
        demo("--plain", "--seconds", "600"),
        env=surroundings(scratch),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert any("Insert" in line for line in iter(process.stdout.readline, ""))
        process.send_signal(number)
        rest, errors = process.communicate(timeout=TIMEOUT_S)
    assert (process.returncode, errors) == (0, "")
    assert " events in " in rest
    assert_nothing_is_left(scratch)


def read_within(deadline_s: float, screen: io.FileIO, shown: bytes) -> bytes:
    """Read what a terminal shows next; a demo that has gone quiet or on for too long fails."""
    ready, _, _ = select.select([screen], [], [], deadline_s)
    assert ready, f"nothing more was shown for {deadline_s:g} s: ...{shown[-2000:]!r}"
    assert len(shown) < MOST_BYTES, f"it did not come to an end: ...{shown[-2000:]!r}"
    return screen.read(65536) or b""


def test_a_terminal_gets_colour_and_a_status_line_until_ctrl_c(scratch: Path) -> None:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 120, 0, 0))
    environment = {**surroundings(scratch), "TERM": "xterm-256color"}
    environment.pop("COLUMNS", None)  # the test runner's; ours is what the terminal says
    shown, asked = b"", False
    with (
        subprocess.Popen(
            demo(),
            env=environment,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        ) as process,
        os.fdopen(ours, "rb", buffering=0) as screen,
    ):
        os.close(theirs)
        with suppress(OSError):  # the other side of a terminal that is gone
            while block := read_within(TIMEOUT_S, screen, shown):
                shown += block
                status = b"transactions  \xc2\xb7  confirmed 0/" in shown
                if status and b"Insert" in shown and not asked:
                    process.send_signal(signal.SIGINT)
                    asked = True  # the second signal ends it at once
        assert process.wait(TIMEOUT_S) == 0
    assert b"\x1b[32mInsert" in shown
    assert b" events/s" in shown
    assert b"Confirmed to PostgreSQL: " in shown
    assert_nothing_is_left(scratch)


def test_a_killed_demo_leaves_nothing_either(scratch: Path) -> None:
    with subprocess.Popen(
        demo("--plain", "--seconds", "600"),
        env=surroundings(scratch),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert any("Read" in line for line in iter(process.stdout.readline, ""))
        process.kill()
    assert_nothing_is_left(scratch)


def test_a_reader_that_has_seen_enough_ends_the_demo(scratch: Path) -> None:
    with subprocess.Popen(
        demo("--plain", "--seconds", "600", "--rate", "50"),
        env=surroundings(scratch),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        errors = process.stderr.read()
        assert process.wait(TIMEOUT_S) == 3
    assert "The reader of standard output has gone away." in errors
    assert "Traceback" not in errors
    assert_nothing_is_left(scratch)


def test_a_directory_without_a_server_is_named(scratch: Path) -> None:
    ended = run_demo(scratch, "--postgres", str(scratch))
    assert (ended.returncode, ended.stdout) == (3, "")
    assert f"{scratch} has no initdb, pg_ctl, postgres" in ended.stderr
    assert_nothing_is_left(scratch)


@pytest.mark.parametrize("flags", [["--rate", "0"], ["--seconds", "soon"], ["--rate", "inf"]])
def test_a_number_that_makes_no_sense_is_refused(flags: list[str], scratch: Path) -> None:
    ended = run_demo(scratch, *flags)
    assert ended.returncode == 2
    assert "is not a number above 0" in ended.stderr
