"""How events are handed to processors, and how much memory they may take."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.core.errors import ConfigError
from bridge.processing.time import Duration, microseconds

MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamingConfig:
    """The settings of whoever drives processors.

    Attributes:
        batch_size: how many events are handed to a processor at once.
        buffer_size: how many events may wait in memory for the processors.
        row_timeout: how long an event may wait for a batch to fill, in microseconds or a
            timedelta.
        max_buffer_memory_mb: how much the states of processors may take in memory, in millions of
            bytes; None for no limit.
        enable_compression: whether states are compressed where they are stored.

    Raises:
        ConfigError: a setting makes no sense.
    """

    batch_size: int = 10_000
    buffer_size: int = 20_000
    row_timeout: Duration = 0
    max_buffer_memory_mb: int | None = None
    enable_compression: bool = True

    def __post_init__(self) -> None:
        microseconds(self.row_timeout, "row_timeout", minimum=0)
        for name in ("batch_size", "buffer_size", "max_buffer_memory_mb"):
            number = getattr(self, name)
            if number is None and name == "max_buffer_memory_mb":
                continue
            if type(number) is not int or number < 1:
                raise ConfigError(
                    f"{name} is {number!r}.", remedy="It has to be a whole number, at least 1."
                )
        if type(self.enable_compression) is not bool:
            raise ConfigError(
                f"enable_compression is {self.enable_compression!r}.",
                remedy="It has to be True or False.",
            )
        if self.batch_size > self.buffer_size:
            raise ConfigError(
                f"batch_size is {self.batch_size}, and only {self.buffer_size} events may wait.",
                remedy="Set buffer_size to batch_size or more.",
            )

    @property
    def row_timeout_s(self) -> float:
        """``row_timeout`` in seconds."""
        return microseconds(self.row_timeout) / 1e6

    @property
    def max_buffer_bytes(self) -> int | None:
        """``max_buffer_memory_mb`` in bytes."""
        limit = self.max_buffer_memory_mb
        return None if limit is None else limit * MEGABYTE
