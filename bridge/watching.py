"""What is looked at from time to time while the stream runs: lease, slot, publication.

Over a session of its own, so that it works just as well while the stream is stuck.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Thread

import structlog

from bridge.config import Config
from bridge.core.errors import BridgeError, EnvironmentProblem, Transient
from bridge.postgres.lease import Lease
from bridge.postgres.publications import Publications
from bridge.postgres.slots import ReplicationSlotManager
from bridge.runtime.wal_budget import Verdict, WalBudget

log = structlog.get_logger()

_LEASE_INTERVAL_S = 2.0


class Watch:
    """A thread that looks, warns, and ends the run where that is the only safe thing.

    Args:
        config: the configuration.
        lease: kept alive by looking at it.
        slots: of the server.
        publications: of the server.
        failed: called with the error that must end the run.
        holders: names the sinks that hold the slot back.
    """

    def __init__(
        self,
        config: Config,
        lease: Lease,
        slots: ReplicationSlotManager,
        publications: Publications,
        *,
        failed: Callable[[Exception], None],
        holders: Callable[[], tuple[str, ...]],
    ) -> None:
        self._source = config.source
        self._lease = lease
        self._slots = slots
        self._publications = publications
        self._failed = failed
        self._holders = holders
        self._interval_s = config.wal_budget.check_interval_seconds
        self._budget = WalBudget(
            warn_bytes=config.wal_budget.warn_bytes,
            max_bytes=config.wal_budget.max_bytes,
            on_exceeded=config.wal_budget.on_exceeded,
        )
        self._ending = Event()
        self._thread = Thread(target=self._run, name="watch", daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join(5.0)

    def _run(self) -> None:
        due = 0.0
        try:
            while not self._ending.wait(min(_LEASE_INTERVAL_S, self._interval_s)):
                self._lease.held()  # the server ends a session that has been silent for too long
                due -= min(_LEASE_INTERVAL_S, self._interval_s)
                if due <= 0:
                    due = self._interval_s
                    self._look()
        except BridgeError as error:
            self._failed(error)

    def _look(self) -> None:
        try:
            self._look_at_publication()
            self._look_at_slot()
        except Transient as error:
            log.debug("watch_skipped", error=error.message)

    def _look_at_publication(self) -> None:
        name = self._source.publication
        if self._publications.get(name) is None:
            raise EnvironmentProblem(
                f"Publication {name!r} was dropped: the server leaves out its changes.",
                remedy="Create it again with 'pgbridge init'; changes made without it are only in "
                "the tables, so take a new snapshot (drop the slot first).",
            )

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


class SlotGivenUp(EnvironmentProblem):
    """The budget is used up, and the configuration gives up the slot rather than the disk."""
