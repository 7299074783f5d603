"""The demo from beginning to end: a private server, a shop, a bridge, and a view of it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from time import monotonic
from types import FrameType

from bridge import log
from bridge.app import Bridge
from bridge.config import Config, SinkConfig, SourceConfig, StateConfig
from bridge.core.errors import BridgeError
from bridge.core.secret import Dsn
from bridge.demo.view import DemoTerminal, DemoView, Style
from bridge.demo.workload import SCHEMA, Workload, open_shop
from bridge.postgres.connection import Database
from bridge.postgres.embedded import EmbeddedPostgres, find_binaries
from bridge.postgres.slots import ReplicationConfig, ReplicationSlotManager
from bridge.runtime.wakeup import Wakeup
from sql import load

_SLOT = "pgbridge"
_LOOK_INTERVAL_S = 0.5
_SHORT_WAIT_S = 2.0
_SHORT_INTERVAL_S = 0.05
_JOIN_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """What the command line says.

    Attributes:
        bindir: the programs of the PostgreSQL to use; None to look for one.
        seconds: how long to go on after the first change was shown; None until a signal comes.
        rate: transactions in a second.
        style: how changes are shown.
        log_level: of what is logged.
        log_format: how it is logged.
    """

    bindir: Path | None
    seconds: float | None
    rate: float
    style: Style
    log_level: log.Level = "warning"
    log_format: log.Style = "console"


def run_demo(options: DemoOptions) -> None:
    """Run until the time is up, a signal comes or something fails; leave nothing behind.

    Raises:
        BridgeError: no server, or the bridge could not go on.
    """
    with ExitStack() as stack:
        ending = _Ending(stack)
        view = DemoView(options.style, ending.first_shown)
        binaries = find_binaries(options.bindir)
        view.tell(f"Starting PostgreSQL {binaries.version} ({binaries.origin}) with a small shop.")
        server = stack.enter_context(EmbeddedPostgres(binaries))
        database = _open_database(server)
        bridge = Bridge(_config(server, view))
        workload = Workload(database, rate=options.rate, failed=ending.fail)
        with view:
            log.configure(options.log_level, options.log_format, view.log_stream)
            stack.callback(log.configure)
            slot = _Slot(database, view)
            streaming = Thread(target=ending.watch, args=[bridge.run], name="bridge", daemon=True)
            streaming.start()
            try:
                if ending.wait_for_first():
                    slot.wait_until_streaming(ending)
                    workload.start()
                    _wait(ending, slot, options.seconds)
                workload.stop()
                slot.wait_until_confirmed(ending)
            finally:
                workload.stop()
                bridge.stop()
                streaming.join(_JOIN_S)
            slot.look()
        ending.raise_failure()
        view.tell(f"\n{view.summary()}", style="bold")


def _open_database(server: EmbeddedPostgres) -> Database:
    with Database(server.dsn()).connect() as connection:
        connection.execute(load("demo/create_database.sql"))
    database = Database(server.dsn(SCHEMA), application_name="pgbridge demo")
    open_shop(database)
    return database


def _config(server: EmbeddedPostgres, view: DemoView) -> Config:
    # Inside the server's directory and owned like it, so that the state goes with the server even
    # if we are killed: what then cleans up runs under the server's account.
    state = server.socket_dir / "state"
    state.mkdir(mode=0o700)
    owner = server.socket_dir.stat()
    os.chown(state, owner.st_uid, owner.st_gid)
    return Config(
        source=SourceConfig(
            dsn=Dsn(server.dsn(SCHEMA)), slot=_SLOT, tables=(f"{SCHEMA}.*",), instance="demo"
        ),
        sinks=(SinkConfig(type="terminal", name="terminal", settings=DemoTerminal(shown_in=view)),),
        state=StateConfig(dir=state),
    )


def _wait(ending: _Ending, slot: _Slot, seconds: float | None) -> None:
    """Look at the slot from time to time until the end is asked for or the time is up."""
    deadline = None if seconds is None else monotonic() + seconds
    while not ending.asked:
        left = _LOOK_INTERVAL_S if deadline is None else deadline - monotonic()
        if left <= 0:
            return
        ending.bell.wait(min(left, _LOOK_INTERVAL_S))
        slot.look()


class _Slot:
    """The bridge's slot as the server sees it, for the view."""

    def __init__(self, database: Database, view: DemoView) -> None:
        self._slots = ReplicationSlotManager(ReplicationConfig(), database)
        self._view = view
        self._active = False

    def look(self) -> None:
        with suppress(BridgeError):  # whether the server is well is for the bridge to find out
            slot = self._slots.get_slot(_SLOT)
            if slot is not None:
                self._active = slot.active
                self._view.confirmed = slot.confirmed_flush_lsn
                self._view.lag_bytes = slot.lag.unconfirmed_bytes

    def wait_until_streaming(self, ending: _Ending) -> None:
        """Give the bridge a moment to finish the snapshot and connect."""
        self._wait(lambda: self._active, ending)

    def wait_until_confirmed(self, ending: _Ending) -> None:
        """Give the bridge a moment to show the last changes."""
        self._wait(lambda: not self._view.lag_bytes, ending)

    def _wait(self, reached: Callable[[], bool], ending: _Ending) -> None:
        deadline = monotonic() + _SHORT_WAIT_S
        self.look()
        while not (reached() or ending.failed) and monotonic() < deadline:
            ending.bell.wait(_SHORT_INTERVAL_S)
            self.look()


class _Ending:
    """Why the demo is to end: a signal, or a failure in one of its threads.

    Args:
        stack: puts back the signal handlers when it is left.
    """

    def __init__(self, stack: ExitStack) -> None:
        self.bell = Wakeup()
        stack.callback(self.bell.close)
        self.asked = False
        self._shown = Event()
        self._failure: Exception | None = None
        for number in (signal.SIGINT, signal.SIGTERM):
            stack.callback(signal.signal, number, signal.signal(number, self._on_signal))

    @property
    def failed(self) -> bool:
        return self._failure is not None

    def first_shown(self) -> None:
        """Take note that something was shown."""
        if not self._shown.is_set():
            self._shown.set()
            self.bell.ring()

    def wait_for_first(self) -> bool:
        """Wait until something was shown. Returns False if the end came first."""
        while not self.asked and not self._shown.is_set():
            self.bell.wait(1.0)
        return not self.asked

    def watch(self, run: Callable[[], None]) -> None:
        """Run a thread's work and take note of its end."""
        try:
            run()
        except Exception as error:
            self.fail(error)
        self.asked = True
        self.bell.ring()

    def fail(self, error: Exception) -> None:
        """Take note of a failure; the first one counts."""
        self._failure = self._failure or error
        self.asked = True
        self.bell.ring()

    def raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self.asked:  # the second one: at once; the server's guard cleans up
            os._exit(128 + number)
        self.asked = True
        self.bell.ring()
