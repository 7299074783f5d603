"""The settings of where stream processing keeps its states and results."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from bridge.config.durations import DURATION
from bridge.core.secret import Dsn


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessingStoreConfig:
    """Where states, and results on their way to sinks, are kept.

    Attributes:
        type: ``sqlite``, a file in ``state.dir``; or ``postgres``, a schema of a database, which
            outlives the machine of the bridge.
        dsn: connection string of that database; that of the source by default.
        schema: name of the schema; made if the account may.
    """

    type: Literal["sqlite", "postgres"] = "sqlite"
    dsn: Dsn | None = None
    schema: str = field(default="pgbridge", metadata={"min_length": 1, "max_length": 63})

    def __post_init__(self) -> None:
        if self.type == "sqlite" and self.dsn is not None:
            raise ValueError("dsn is given, but the type sqlite needs none.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessingConfig:
    """How processors are run.

    Attributes:
        store: where states, and results on their way to sinks, are kept.
        batch_size: events that are handed to a processor at once.
        buffer_size: events that may wait in memory for the processors, in place of
            `backpressure.max_events`; the other bounds there count here too.
        row_timeout: how long an event may wait for a batch to fill, such as `50ms`.
        max_buffer_memory_mb: what the states of processors may take in memory, in millions of
            bytes; what is beyond waits in the store. null for no limit.
        enable_compression: whether states are compressed in the store.
    """

    store: ProcessingStoreConfig = field(default_factory=ProcessingStoreConfig)
    batch_size: int = field(default=10_000, metadata={"ge": 1})
    buffer_size: int = field(default=20_000, metadata={"ge": 1})
    row_timeout: str = field(default="0s", metadata=DURATION)
    max_buffer_memory_mb: int | None = field(default=None, metadata={"ge": 1})
    enable_compression: bool = True

    def __post_init__(self) -> None:
        if self.batch_size > self.buffer_size:
            raise ValueError("batch_size is larger than buffer_size.")
