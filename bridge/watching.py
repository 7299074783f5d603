"""What is looked at from time to time while the stream runs: the slot and the publication.

Over a session of its own, so that it works just as well while the stream is stuck.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Event, Thread

import structlog

from bridge.config import Config
from bridge.core.errors import BridgeError, EnvironmentProblem, Transient
from bridge.core.lsn import Lsn
from bridge.postgres.publications import Publications
from bridge.postgres.server_clock import ServerClock
from bridge.postgres.slots import ReplicationSlotManager
from bridge.runtime.wal_budget import Verdict, WalBudget

log = structlog.get_logger()


class Periodically:
    """A thread that calls something at intervals, until the context ends.

    Args:
        name: of the thread.
        interval_s: between the end of a call and the next.
        look: what is called. Raising ``Transient`` is as good as returning.
        failed: called with any other error, which ends the thread.
    """

    def __init__(
        self,
        name: str,
        interval_s: float,
        look: Callable[[], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self._interval_s = interval_s
        self._look = look
        self._failed = failed
        self._ending = Event()
        self._thread = Thread(target=self._run, name=name, daemon=True)

    def __enter__(self) -> Periodically:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join(_JOIN_S)

    def _run(self) -> None:
        while not self._ending.wait(self._interval_s):
            try:
                self._look()
            except Transient as error:
                log.debug("watch_skipped", error=error.message)
            except BridgeError as error:
                self._failed(error)
                return


_JOIN_S = 5.0


class SlotWatch:
    """Looks at slot and publication, warns, and raises where ending is the only safe thing.

    Args:
        config: the configuration.
        slots: of the server.
        publications: of the server.
        holders: names the sinks that hold the slot back.
    """

    def __init__(
        self,
        config: Config,
        slots: ReplicationSlotManager,
        publications: Publications,
        *,
        holders: Callable[[], tuple[str, ...]],
    ) -> None:
        self._source = config.source
        self._slots = slots
        self._publications = publications
        self._holders = holders
        self._noted = ""
        self._budget = WalBudget(
            warn_bytes=config.wal_budget.warn_bytes,
            max_bytes=config.wal_budget.max_bytes,
            on_exceeded=config.wal_budget.on_exceeded,
        )

    def look(self) -> None:
        """Look once.

        Raises:
            EnvironmentProblem: the run must end.
            Transient: the server did not answer.
        """
        self._look_at_publication()
        self._look_at_slot()

    def _look_at_publication(self) -> None:
        name = self._source.publication
        if self._publications.get(name) is None:
            raise EnvironmentProblem(
                f"Publication {name!r} was dropped: the server leaves out its changes.",
                remedy="Create it again with 'pgbridge init'; changes made without it are only in "
                "the tables, so take a new snapshot: drop the slot, empty state.dir, start again.",
            )

        if self._source.tables is not None:
            self._compare_tables(name, self._source.tables)

    def _compare_tables(self, publication: str, tables: Sequence[str]) -> None:
        """Say so, once, when a configured table is not published any more.

        A table that is made anew, or swapped with another one by renaming, leaves the publication
        without a word; so does one whose publication somebody altered.
        """
        try:
            missing = self._publications.plan(publication, tables).added
        except EnvironmentProblem as problem:
            note = problem.message
        else:
            note = f"Not published, so without changes: {', '.join(missing)}." if missing else ""
        if note and note != self._noted:
            log.warning("publication_note", publication=publication, note=note)
        self._noted = note

    def _look_at_slot(self) -> None:
        name = self._source.slot
        slot = self._slots.get_slot(name)
        if slot is None:
            return  # the stream finds that out when it connects, and says what it means
        lag = self._slots.get_slot_lag(name)
        verdict = self._budget.judge(
            retained_bytes=lag.retained_bytes,
            wal_status=slot.wal_status,
            safe_wal_size=slot.safe_wal_size,
        )
        facts = {
            "slot": name,
            "retained_bytes": lag.retained_bytes,
            "unconfirmed_bytes": lag.unconfirmed_bytes,
            "wal_status": slot.wal_status,
            "held_by": self._holders(),
        }
        if verdict is Verdict.FINE:
            log.debug("slot_watched", **facts)
            return
        log.warning("wal_budget", **facts)
        if verdict in (Verdict.STOP, Verdict.DROP_SLOT):
            self._give_up(verdict)

    def _give_up(self, verdict: Verdict) -> None:
        name = self._source.slot
        if verdict is Verdict.DROP_SLOT:
            # The slot is in use by our own stream: it goes when the run has ended.
            log.error("slot_given_up", slot=name)
            raise SlotGivenUp(
                f"Slot {name!r} makes the server keep more WAL than wal_budget.max_bytes; it is "
                "dropped, as on_exceeded says. Changes that were not delivered are lost.",
                remedy="Start with --accept-gap, after a look at what holds the sinks back.",
            )
        raise EnvironmentProblem(
            f"Slot {name!r} makes the server keep more WAL than wal_budget.max_bytes.",
            remedy="See which sink holds it back; the slot is kept, and with it the WAL.",
        )


class ClockWatch:
    """Looks what time it is at the server.

    Args:
        clock: of the server.
        note: called with the clock, and where the WAL ended then.
    """

    def __init__(self, clock: ServerClock, note: Callable[[int, Lsn], None]) -> None:
        self._clock = clock
        self._note = note

    def look(self) -> None:
        """Look once.

        Raises:
            EnvironmentProblem: the server refuses us.
            Transient: the server did not answer.
        """
        now = self._clock.read()
        if now is not None:
            self._note(*now)


class SlotGivenUp(EnvironmentProblem):
    """The budget is used up, and the configuration gives up the slot rather than the disk."""
