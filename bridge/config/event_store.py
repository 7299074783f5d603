"""The settings of an event store: where events are, and when they move away."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from bridge.config.durations import DURATION
from bridge.core.secret import Dsn, Secret

_STREAM_NAME = {
    "pattern": r"^[A-Za-z0-9_-]{1,64}$",
    "form": "at most 64 letters, digits, dashes and underscores",
}

_OWN: dict[str, tuple[str, ...]] = {
    "memory": (),
    "sqlite": ("path",),
    "postgres": ("dsn", "schema"),
    "jetstream": ("servers", "stream", "replicas"),
}
"""Type of a store to the settings that belong to it."""

_NEEDED: dict[str, tuple[str, ...]] = {
    "memory": (),
    "sqlite": ("path",),
    "postgres": (),
    "jetstream": ("servers", "stream"),
}
"""Type of a store to the settings that it cannot do without."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveConfig:
    """Where events go that lie below a snapshot and are older than the retention.

    Attributes:
        dir: directory of the segment files.
        retention: age from which events may move away, such as `30d`.
    """

    dir: Path
    retention: str = field(default="30d", metadata=DURATION)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreConfig:
    """Where the events of a projection are kept.

    Attributes:
        type: ``sqlite``, a file; ``postgres``, a schema of a database; ``jetstream``, a replicated
            stream of NATS; or ``memory``, which forgets everything at the end.
        path: of the file, for ``sqlite``.
        dsn: connection string of the database, for ``postgres``; that of the source by default.
        schema: name of the schema, for ``postgres``: ``pgbridge_events`` by default.
        servers: URLs of the servers of one cluster, for ``jetstream``; they may hold a login.
        stream: name of the stream, for ``jetstream``.
        replicas: on how many servers each event is kept, for ``jetstream``: 3 by default.
        archive: where old events go; left out, they stay where they are.
    """

    type: Literal["memory", "sqlite", "postgres", "jetstream"]
    path: Path | None = None
    dsn: Dsn | None = None
    schema: str | None = field(default=None, metadata={"min_length": 1, "max_length": 63})
    servers: tuple[Secret, ...] | None = field(default=None, metadata={"min_length": 1})
    stream: str | None = field(default=None, metadata=_STREAM_NAME)
    replicas: int | None = field(default=None, metadata={"ge": 1, "le": 5})
    archive: ArchiveConfig | None = None

    def __post_init__(self) -> None:
        # A program may give plain texts; they are as secret as those of a file.
        if isinstance(self.dsn, str):
            object.__setattr__(self, "dsn", Dsn(self.dsn))
        servers = tuple(Secret(url) if isinstance(url, str) else url for url in self.servers or ())
        object.__setattr__(self, "servers", servers or None)
        for other, names in _OWN.items():
            foreign = [name for name in names if getattr(self, name) is not None]
            if other != self.type and foreign:
                raise ValueError(
                    f"{foreign[0]} is given, which belongs to the type {other}, not {self.type}."
                )
        for name in _NEEDED[self.type]:
            if getattr(self, name) is None:
                raise ValueError(f"{name} is missing, which the type {self.type} needs.")
        if self.type == "memory" and self.archive is not None:
            raise ValueError("archive is given, but the type memory keeps nothing.")
