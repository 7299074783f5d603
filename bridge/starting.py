"""From the slot, the publication and the checkpoint to the point where the stream begins."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace

import structlog

from bridge.config import Config
from bridge.core.continuity import (
    Checkpoint,
    Phase,
    Server,
    SlotState,
    Start,
    check_slot,
    decide_start,
)
from bridge.core.errors import BridgeError, EnvironmentProblem, GapDetected, SlotBusy
from bridge.core.events import Source
from bridge.core.lsn import Lsn, format_lsn
from bridge.postgres.connection import Connection, Database
from bridge.postgres.publications import Publications
from bridge.postgres.slots import CreatedSlot, ReplicationSlot, ReplicationSlotManager
from bridge.postgres.snapshot import Snapshot
from bridge.runtime.state import StateStore
from bridge.runtime.stream_start import StreamStart

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class StartPoint:
    """Where the stream begins.

    Attributes:
        server: which one answers.
        checkpoint: the one to go on from.
        confirmed: where the slot stands.
        gap_from: where the last run had ended, if changes since then are lost and accepted.
        snapshot: of the existing rows, to be delivered first; None if there is none to deliver.
        trust_sinks: whether what a sink claims to hold belongs to this history of the database.
    """

    server: Server
    checkpoint: Checkpoint
    confirmed: Lsn
    gap_from: Lsn | None = None
    snapshot: Snapshot | None = None
    trust_sinks: bool = True

    @property
    def source(self) -> Source:
        """The identity of the database, for the events."""
        return Source(self.server.system_identifier, self.server.database)


class Starter:
    """Makes a start: the first one, or one that goes on.

    Args:
        config: the configuration.
        database: the source, for replication.
        sql: the source, for SQL.
        slots: of the server.
        store: of the checkpoint.
    """

    def __init__(
        self,
        config: Config,
        database: Database,
        sql: Database,
        slots: ReplicationSlotManager,
        store: StateStore,
    ) -> None:
        self._config = config
        self._database = database
        self._sql = sql
        self._slots = slots
        self._store = store

    @contextmanager
    def start(self, *, accept_gap: bool) -> Iterator[StartPoint]:
        """Find the point to start from, creating publication and slot on the first start.

        The context holds what the snapshot needs; leave it when the snapshot is delivered.

        Raises:
            EnvironmentProblem: the server, the slot or the publication cannot be used.
            GapDetected: changes would be skipped, and that was not accepted.
            SlotBusy: another process streams from the slot.
            Transient: the server is away.
        """
        server = self.identify()
        if self._database.tls_note is not None:
            log.warning("connection_unprotected", reason=self._database.tls_note)
        if self._config.source.snapshot == "only":
            with self._snapshot_only(server) as point:
                yield point
            return
        checkpoint = self._store.load_checkpoint(self._config.source.slot)
        slot = self._slots.get_slot(self._config.source.slot)
        if slot is not None and slot.active:
            # Its reader moves it: where it stands can be judged only when that one is gone.
            raise SlotBusy(
                f"Slot {slot.name!r} is in use by the session with pid {slot.active_pid}."
            )
        gap_from: Lsn | None = None
        try:
            start = self._decide(checkpoint, slot, server)
        except GapDetected as gap:
            if not accept_gap or checkpoint is None:
                raise
            gap_from = checkpoint.confirmed
            log.warning("gap_accepted", reason=gap.message, since=format_lsn(gap_from))
            checkpoint, start = None, Start.FIRST if slot is None else Start.ADOPT
        self._prepare_publication()
        log.info("starting", how=start.value, slot=self._config.source.slot)
        if start in (Start.FIRST, Start.AGAIN):
            self._check_new_processors()
            if start is Start.AGAIN and slot is not None:
                self._slots.drop_slot(slot.name)
            with self._first(server, gap_from) as point:
                yield point
            return
        assert slot is not None
        if start is Start.ADOPT and self._config.source.snapshot == "initial" and gap_from is None:
            log.warning("snapshot_skipped", reason="the slot was made before the first start")
        confirmed = slot.confirmed_flush_lsn or 0
        trust_sinks = gap_from is None
        if checkpoint is None:
            checkpoint = self._checkpoint(server, Phase.STREAMING, confirmed)
        elif checkpoint.timeline != server.timeline:
            # After a failover positions may mean other events than before: rather repeat some.
            log.warning("timeline_changed", before=checkpoint.timeline, now=server.timeline)
            checkpoint = replace(checkpoint, timeline=server.timeline, positions={})
            trust_sinks = False
        yield StartPoint(
            server=server,
            checkpoint=checkpoint,
            confirmed=confirmed,
            gap_from=gap_from,
            trust_sinks=trust_sinks,
        )

    def identify(self) -> Server:
        """Return which server answers."""
        found = self._database.identify()
        return Server(
            system_identifier=found.system_identifier,
            timeline=found.timeline,
            wal_lsn=found.wal_lsn,
            database=found.database,
        )

    def _decide(
        self, checkpoint: Checkpoint | None, slot: ReplicationSlot | None, server: Server
    ) -> Start:
        source = self._config.source
        state = None if slot is None else slot_state(slot)
        if state is not None:
            check_slot(source.slot, state, server.database)
        return decide_start(
            checkpoint, state, server, slot_name=source.slot, publication=source.publication
        )

    def _prepare_publication(self) -> None:
        """Publications come before slots: a slot only knows those that existed before it."""
        source = self._config.source
        publications = Publications(self._sql)
        plan = publications.ensure(source.publication, source.tables)
        for note in plan.notes:
            log.warning("publication_note", publication=source.publication, note=note)
        self._check_tables()

    def _check_tables(self) -> None:
        """Refuse tables that cannot give what processors and projections need of them."""
        config = self._config
        publication = config.source.publication
        if config.processors:
            from bridge.dataflow import changelog_tables
            from bridge.postgres.changelog_tables import check_changelog_tables

            check_changelog_tables(self._sql, publication, changelog_tables(config.processors))
        if config.projections:
            from bridge.projecting import make_projections
            from bridge.projecting.tables import check_projected_tables

            check_projected_tables(self._sql, publication, make_projections(config.projections))

    def _check_new_processors(self) -> None:
        """Refuse processors that the tables do not fit. None has a state yet."""
        config = self._config
        if not config.processors:
            return
        from bridge.dataflow import make_dataflows
        from bridge.dataflow.tables import check_processor_tables

        dataflows = make_dataflows(config.processors)
        check_processor_tables(self._sql, config.source.publication, config.values, dataflows)

    @contextmanager
    def _first(self, server: Server, gap_from: Lsn | None) -> Iterator[StartPoint]:
        source = self._config.source
        # With a gap to tell of, the old checkpoint stays until the sinks have the news: after a
        # crash before that, the gap is found again.
        if gap_from is None:
            self._store.save_checkpoint(self._checkpoint(server, Phase.CREATING, 0))
        connection = self._database.connect_replication()
        snapshot: Snapshot | None = None
        try:
            created = self._create_slot(connection, first=gap_from is None)
            log.info("slot_created", slot=source.slot, lsn=format_lsn(created.consistent_point))
            checkpoint = self._checkpoint(server, Phase.SNAPSHOT, created.consistent_point)
            if gap_from is None:
                self._store.save_checkpoint(checkpoint)
                if source.snapshot != "never":
                    snapshot = self._open_snapshot(server, created)
            yield StartPoint(
                server=server,
                checkpoint=checkpoint,
                confirmed=created.consistent_point,
                gap_from=gap_from,
                snapshot=snapshot,
                trust_sinks=gap_from is None,
            )
        finally:
            if snapshot is not None:
                snapshot.close()
            connection.close()
            self._drop_unfinished()

    def _drop_unfinished(self) -> None:
        """Drop the slot of a first start that has ended early: the next one makes another.

        Whatever was wrong, nobody may come back soon, and the server would keep WAL for it.
        """
        name = self._config.source.slot
        checkpoint = self._store.load_checkpoint(name)
        if checkpoint is None or checkpoint.phase is not Phase.SNAPSHOT:
            return
        try:
            self._slots.drop_slot(name)
        except BridgeError as error:  # the next start does it
            log.warning("slot_left", slot=name, error=error.message)
        else:
            log.info("slot_dropped", slot=name)

    def _create_slot(self, connection: Connection, *, first: bool) -> CreatedSlot:
        source = self._config.source
        try:
            return self._slots.create_slot_with_snapshot(
                connection,
                source.slot,
                failover=source.failover,
                timeout_seconds=source.create_slot_timeout_seconds,
            )
        except EnvironmentProblem:
            # Should the next start find a slot, it is one that somebody made in place of ours.
            if first and self._slots.get_slot(source.slot) is None:
                self._store.forget_checkpoint(source.slot)
            raise

    @contextmanager
    def _snapshot_only(self, server: Server) -> Iterator[StartPoint]:
        """Read the rows with a slot that ends with its session, for a position that no commit has.

        No stream follows, so nothing is remembered under the name of the configured slot.
        """
        self._prepare_publication()
        connection = self._database.connect_replication()
        try:
            created = self._slots.create_slot_with_snapshot(
                connection,
                f"{self._config.source.slot[:50]}_snapshot",
                temporary=True,
                timeout_seconds=self._config.source.create_slot_timeout_seconds,
            )
            checkpoint = self._checkpoint(server, Phase.SNAPSHOT, created.consistent_point)
            with closing(self._open_snapshot(server, created)) as snapshot:
                yield StartPoint(
                    server=server,
                    checkpoint=replace(checkpoint, slot=created.name),
                    confirmed=created.consistent_point,
                    snapshot=snapshot,
                )
        finally:
            connection.close()

    def _open_snapshot(self, server: Server, created: CreatedSlot) -> Snapshot:
        slot = self._slots.get_slot(created.name)
        if slot is None or slot.restart_lsn is None:
            raise EnvironmentProblem(f"Slot {created.name!r} vanished right after its creation.")
        return Snapshot(
            self._sql,
            created.snapshot_name,
            source=Source(server.system_identifier, server.database),
            style=self._config.values,
            lsn=created.consistent_point,
            # The slot decodes from here on, and streams commits from the consistent point on: so
            # this lies before every commit of the stream and belongs to no other start.
            base_lsn=slot.restart_lsn,
            timestamp=int(time.time() * 1_000_000),
        )

    def _checkpoint(self, server: Server, phase: Phase, confirmed: Lsn) -> Checkpoint:
        return Checkpoint(
            system_identifier=server.system_identifier,
            timeline=server.timeline,
            database=server.database,
            slot=self._config.source.slot,
            publication=self._config.source.publication,
            phase=phase,
            confirmed=confirmed,
        )


def stream_start(point: StartPoint, participant: str | None, *, accept_gap: bool) -> StreamStart:
    """Return how the stream starts for somebody who keeps positions in a store of its own.

    Args:
        point: where the run begins.
        participant: name in the checkpoint; None for one of which that says nothing.
        accept_gap: whether a store that does not fit to the stream is used all the same.
    """
    known = point.checkpoint.positions
    return StreamStart(
        first=point.checkpoint.phase is not Phase.STREAMING and point.gap_from is None,
        rows=point.snapshot is not None,
        known=None if participant is None else known.get(participant),
        confirmed=point.confirmed,
        wal_lsn=point.server.wal_lsn,
        promoted=not point.trust_sinks and point.gap_from is None,
        accept_gap=accept_gap,
    )


def slot_state(slot: ReplicationSlot) -> SlotState:
    """Return what continuity needs to know of a slot."""
    return SlotState(
        plugin=slot.plugin,
        database=slot.database,
        confirmed=slot.confirmed_flush_lsn,
        wal_status=slot.wal_status,
        invalidation_reason=slot.invalidation_reason,
        two_phase=bool(slot.two_phase),
    )
