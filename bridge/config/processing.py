"""The settings of where stream processing keeps its states and results."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

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
    """

    store: ProcessingStoreConfig = field(default_factory=ProcessingStoreConfig)
