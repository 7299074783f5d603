"""The settings: one frozen dataclass for each section of ``pgbridge.yaml``.

This module is a vocabulary without behaviour: it needs nothing but ``bridge.core``, so every part
of the bridge may take its section as an argument. Bounds stand in the metadata of the fields
(``ge``, ``gt``, ``le``, ``pattern``; ``form`` says a pattern in words) and are checked once, where
the file is read (``bridge.config.load_config``). The ``Attributes`` of the docstrings become the
descriptions of the JSON Schema and of the error messages.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from bridge.config.processing import ProcessingConfig
from bridge.config.processors import ProcessorConfig
from bridge.config.projections import ProjectionConfig
from bridge.config.read_models import ReadModelConfig
from bridge.config.schema_changes import SchemaChangesConfig
from bridge.config.sinks import SinkConfig
from bridge.core.secret import Dsn
from bridge.core.values import ValueStyle

MIB = 1024 * 1024
GIB = 1024 * MIB

DEFAULT_CREATE_SLOT_TIMEOUT_SECONDS = 60.0
"""Creating a slot waits for every older writing transaction, of any length. A minute is far
beyond ordinary ones, and short enough for an operator to see the name of a forgotten one."""

DEFAULT_STATUS_INTERVAL_SECONDS = 10.0
"""A sixth of the server's default ``wal_sender_timeout``: several may be lost on the way."""

DEFAULT_LIVENESS_SECONDS = 60.0
"""A server sends a keepalive at least every half ``wal_sender_timeout`` (30 s by default)."""

DEFAULT_LEASE_SECONDS = 15.0
"""Five signs of life may be late before a standby takes over from a healthy process."""

DEFAULT_MAX_EVENTS = 20_000
"""A fraction of a second of a fast stream: enough to keep every sink busy, cheap to hold."""

DEFAULT_MAX_BYTES = 32 * MIB
"""Keeps the process within the memory of a small container when rows are wide."""

DEFAULT_SPOOL_BYTES = 256 * MIB
"""Rides out a short failure of a sink without giving up the connection to the server."""

DEFAULT_MAX_PAUSE_SECONDS = 20.0
"""A connection that is not read cannot be ended by the server and can block its CHECKPOINT."""

DEFAULT_CHECKPOINT_INTERVAL_MS = 200
"""One fsync for many transactions; what is repeated after a crash is at most this much."""

DEFAULT_WARN_BYTES = GIB
"""The default ``max_wal_size`` of a server: beyond it the slot holds more than a checkpoint."""

DEFAULT_WAL_CHECK_SECONDS = 30.0
"""A server that writes 100 MB/s moves by 3 GB between two looks."""

DEFAULT_MAX_SLOTS = 10
"""The default ``max_replication_slots`` of a server."""

DEFAULT_STALE_SECONDS = 86_400.0
"""A slot that nobody has used for a day was forgotten, or its owner needs help."""

DEFAULT_DRAIN_SECONDS = 20.0
"""Below the 30 s that orchestrators give a process between SIGTERM and SIGKILL."""

_SLOT_NAME = {
    "pattern": r"^[a-z0-9_]{1,63}$",
    "form": "at most 63 lower-case letters, digits and underscores",
}


def _at_least(minimum: float) -> dict[str, Any]:
    return {"ge": minimum}


_POSITIVE = {"gt": 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceConfig:
    """The database whose changes are captured.

    Attributes:
        dsn: libpq connection string or URI of the database; the account needs REPLICATION.
        sql_dsn: connection string for ordinary SQL, where that takes another way or account;
            ``dsn`` by default.
        slot: name of the replication slot.
        publication: name of the publication.
        tables: what the bridge publishes: names, ``schema.*``, or ``*`` for every table. Left out,
            the publication stays as the DBA made it.
        snapshot: whether existing rows come first: ``initial`` once, when the slot is created;
            ``never``; ``only`` reads them and ends.
        binary: ask for column values in binary form; for PostgreSQL 14 and newer.
        failover: make the slot one that follows a failover; for PostgreSQL 17 and newer.
        create_slot_timeout_seconds: how long creating the slot may wait for older transactions.
        status_interval_seconds: how often the server is told how far the bridge has come.
        liveness_seconds: after how long without a word from the server the connection is replaced.
        lease_seconds: after how long without a sign of life a process that hangs loses the slot to
            the next one; for PostgreSQL 14 and newer.
        logical_decoding_work_mem: memory of the server for decoding before it spills to its disk,
            such as ``64MB``; the server's own setting by default.
        instance: name of this process in ``application_name`` and in messages; the host name by
            default.
    """

    dsn: Dsn
    sql_dsn: Dsn | None = None
    slot: str = field(default="pgbridge", metadata=_SLOT_NAME)
    publication: str = field(default="pgbridge", metadata={"min_length": 1, "max_length": 63})
    tables: tuple[str, ...] | None = None
    snapshot: Literal["initial", "never", "only"] = "initial"
    binary: bool = False
    failover: bool = False
    create_slot_timeout_seconds: float = field(
        default=DEFAULT_CREATE_SLOT_TIMEOUT_SECONDS, metadata=_POSITIVE
    )
    status_interval_seconds: float = field(
        default=DEFAULT_STATUS_INTERVAL_SECONDS, metadata=_POSITIVE
    )
    liveness_seconds: float = field(default=DEFAULT_LIVENESS_SECONDS, metadata=_POSITIVE)
    lease_seconds: float = field(default=DEFAULT_LEASE_SECONDS, metadata=_at_least(1))
    logical_decoding_work_mem: str | None = field(
        default=None,
        metadata={"pattern": r"^[0-9]+ *(kB|MB|GB)$", "form": "a number with kB, MB or GB"},
    )
    instance: str | None = field(
        default=None,
        metadata={
            "pattern": r"^[A-Za-z0-9._-]{1,32}$",
            "form": "at most 32 letters, digits, dots, dashes and underscores",
        },
    )

    def __post_init__(self) -> None:
        if not self.dsn:
            raise ValueError("dsn is empty: it is the connection string of the database.")
        if self.tables is not None and not all(name.strip() for name in self.tables):
            raise ValueError("tables names a table without a name.")
        if self.status_interval_seconds >= self.liveness_seconds:
            raise ValueError("liveness_seconds has to be longer than status_interval_seconds.")


@dataclass(frozen=True, slots=True, kw_only=True)
class BackpressureConfig:
    """How much may wait for slow sinks, in memory and then on disk.

    Attributes:
        max_events: events in memory.
        max_bytes: bytes in memory, as they came from the server.
        spool_bytes: bytes on disk once memory is full; 0 for none.
        max_pause_seconds: how long the connection may stay unread once both are full; then it is
            closed, keeping the slot, until there is room.
    """

    max_events: int = field(default=DEFAULT_MAX_EVENTS, metadata=_at_least(1))
    max_bytes: int = field(default=DEFAULT_MAX_BYTES, metadata=_at_least(64 * 1024))
    spool_bytes: int = field(default=DEFAULT_SPOOL_BYTES, metadata=_at_least(0))
    max_pause_seconds: float = field(default=DEFAULT_MAX_PAUSE_SECONDS, metadata=_POSITIVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointConfig:
    """How often progress is stored, before it is confirmed to the server.

    Attributes:
        interval_ms: between two checkpoints while there is progress.
    """

    interval_ms: int = field(default=DEFAULT_CHECKPOINT_INTERVAL_MS, metadata=_at_least(1))


@dataclass(frozen=True, slots=True, kw_only=True)
class WalBudgetConfig:
    """How much WAL the slot may make the server keep, and what follows.

    Attributes:
        warn_bytes: from here on every check warns.
        max_bytes: the budget; null for none.
        on_exceeded: what follows beyond ``max_bytes``: ``warn``; ``stop`` ends the bridge and
            keeps the slot; ``drop_slot`` gives up the slot to save the server's disk, and with it
            every change that was not delivered.
        check_interval_seconds: how often the server is asked.
    """

    warn_bytes: int = field(default=DEFAULT_WARN_BYTES, metadata=_at_least(1))
    max_bytes: int | None = field(default=None, metadata=_at_least(1))
    on_exceeded: Literal["warn", "stop", "drop_slot"] = "warn"
    check_interval_seconds: float = field(default=DEFAULT_WAL_CHECK_SECONDS, metadata=_POSITIVE)

    def __post_init__(self) -> None:
        if self.max_bytes is None:
            if self.on_exceeded != "warn":
                raise ValueError(f"on_exceeded is {self.on_exceeded}, but there is no max_bytes.")
        elif self.max_bytes < self.warn_bytes:
            raise ValueError("max_bytes is smaller than warn_bytes.")


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotsConfig:
    """Limits for slots.

    Attributes:
        max_slots: how many logical slots the database may have before none is added.
        stale_threshold_seconds: after how long without use a slot counts as stale.
        auto_cleanup: whether stale slots of the bridge are dropped at the start.
        max_lag_bytes: retained WAL from which a slot counts as stale too; null for no limit.
    """

    max_slots: int = field(default=DEFAULT_MAX_SLOTS, metadata=_at_least(1))
    stale_threshold_seconds: float = field(default=DEFAULT_STALE_SECONDS, metadata=_POSITIVE)
    auto_cleanup: bool = False
    max_lag_bytes: int | None = field(default=None, metadata=_at_least(1))


@dataclass(frozen=True, slots=True, kw_only=True)
class ShutdownConfig:
    """What happens at SIGTERM.

    Attributes:
        drain_seconds: how long sinks may take for what was already read.
    """

    drain_seconds: float = field(default=DEFAULT_DRAIN_SECONDS, metadata=_at_least(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class StateConfig:
    """Where the bridge keeps its own state.

    Attributes:
        dir: directory of the checkpoint, the dead letters and the spool, on a local disk; for
            one process only.
    """

    dir: Path = Path("./state")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogConfig:
    """What is logged, to standard error.

    Attributes:
        level: the least severe level that is shown.
        format: ``console`` for people, ``json`` for machines, one object a line.
    """

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["console", "json"] = "console"


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything that can be configured.

    Attributes:
        source: the database.
        sinks: the targets; at least one, unless there are projections.
        processors: what turns changes into answers, for sinks of their own.
        projections: what turns changes into domain events, in event stores.
        read_models: tables that follow domain events.
        values: how numbers are written.
        backpressure: how much may wait for slow sinks.
        checkpoint: how often progress is stored.
        wal_budget: how much WAL the server may have to keep.
        slots: limits for the slots of the bridge.
        shutdown: what happens at SIGTERM.
        state: where the bridge keeps its own state.
        schema_changes: what happens when a table changes.
        processing: how processors are run.
        log: what is logged.
    """

    source: SourceConfig
    sinks: tuple[SinkConfig, ...]
    processors: tuple[ProcessorConfig, ...] = ()
    projections: tuple[ProjectionConfig, ...] = ()
    read_models: tuple[ReadModelConfig, ...] = ()
    values: ValueStyle = field(default_factory=ValueStyle)
    backpressure: BackpressureConfig = field(default_factory=BackpressureConfig)
    checkpoint: CheckpointConfig = field(default_factory=CheckpointConfig)
    wal_budget: WalBudgetConfig = field(default_factory=WalBudgetConfig)
    slots: SlotsConfig = field(default_factory=SlotsConfig)
    shutdown: ShutdownConfig = field(default_factory=ShutdownConfig)
    state: StateConfig = field(default_factory=StateConfig)
    schema_changes: SchemaChangesConfig = field(default_factory=SchemaChangesConfig)
    processing: ProcessingConfig = field(default_factory=ProcessingConfig)
    log: LogConfig = field(default_factory=LogConfig)

    @property
    def result_sinks(self) -> frozenset[str]:
        """The names of the sinks that get results of processors, and nothing else."""
        return frozenset(name for processor in self.processors for name in processor.targets)
