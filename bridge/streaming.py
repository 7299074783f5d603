"""Opening the stream, at the start and after every lost connection."""

from __future__ import annotations

import time
from collections.abc import Callable

from bridge.config import SourceConfig
from bridge.core.continuity import Server, check_slot
from bridge.core.errors import BridgeError, EnvironmentProblem, GapDetected
from bridge.core.lsn import Lsn, format_lsn
from bridge.lease_keeper import LeaseKeeper
from bridge.postgres.connection import Connection, Database, identify
from bridge.postgres.slots import ReplicationSlotManager
from bridge.postgres.stream import ReplicationStream, StreamOptions
from bridge.starting import slot_state


class Connector:
    """Connects and starts the stream, after making sure that it is still the same one.

    Args:
        source: the configuration of the source.
        database: where to connect.
        slots: of the server.
        lease: without it nothing is streamed: another process may have taken over.
        server: the one that the generation started with.
        confirmed: says what was confirmed last; the slot cannot be beyond that.
        wakeup: file descriptor that ends the stream's waiting.
    """

    def __init__(
        self,
        source: SourceConfig,
        database: Database,
        slots: ReplicationSlotManager,
        lease: LeaseKeeper,
        server: Server,
        *,
        confirmed: Callable[[], Lsn],
        wakeup: int,
    ) -> None:
        self._source = source
        self._database = database
        self._slots = slots
        self._lease = lease
        self._server = server
        self._confirmed = confirmed
        self._wakeup = wakeup

    def __call__(self) -> ReplicationStream:
        """Return a running stream.

        Raises:
            GapDetected: the slot or the server is another one now.
            EnvironmentProblem: the lease was lost, or the slot cannot be used.
            Transient: the server is away, or the slot is still busy.
        """
        self._lease.check()
        settings = {}
        if self._source.logical_decoding_work_mem is not None:
            settings["logical_decoding_work_mem"] = self._source.logical_decoding_work_mem
        connection = self._database.connect_replication(**settings)
        try:
            self._check_server(connection)  # first: on another one the slot is another one too
            self._check_slot()
            stream = ReplicationStream(
                connection,
                StreamOptions(
                    slot=self._source.slot,
                    publication=self._source.publication,
                    binary=self._source.binary,
                    status_interval_s=self._source.status_interval_seconds,
                    silence_s=self._source.liveness_seconds,
                ),
                monotonic=time.monotonic,
                now=time.time,
                wakeup=self._wakeup,
            )
            stream.start()
        except BridgeError:
            connection.close()
            raise
        return stream

    def _check_slot(self) -> None:
        name = self._source.slot
        slot = self._slots.get_slot(name)
        if slot is None:
            raise GapDetected(
                f"Slot {name!r} is gone: the changes since {format_lsn(self._confirmed())} were "
                "not kept.",
                remedy="Start with --accept-gap to create it again and go on without them.",
            )
        check_slot(name, slot_state(slot), self._server.database)
        position = slot.confirmed_flush_lsn
        if position is not None and position > self._confirmed():
            raise GapDetected(
                f"Slot {name!r} stands at {format_lsn(position)}, beyond "
                f"{format_lsn(self._confirmed())}, the last position that the bridge confirmed: "
                "it was created again, or somebody else moved it.",
                remedy="Start with --accept-gap to go on without the changes in between.",
            )

    def _check_server(self, connection: Connection) -> None:
        found, before = identify(connection), self._server
        if found.system_identifier != before.system_identifier:
            raise GapDetected(
                f"The server is another one: its system identifier is {found.system_identifier}, "
                f"it was {before.system_identifier}.",
                remedy="Start with --accept-gap, or with another state.dir, to stream from it.",
            )
        if found.timeline != before.timeline:
            raise EnvironmentProblem(
                f"The server was promoted or recovered: timeline {found.timeline} after "
                f"{before.timeline}.",
                remedy="Start again: the bridge then repeats what it cannot be sure of.",
            )
