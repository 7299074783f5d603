"""Events as lines in a file, durable by fsync."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.core.errors import ConfigError
from sinks.append_file import AppendFile
from sinks.json_lines import JsonLinesSink
from sinks.stdout import StandardOutput


@dataclass(frozen=True, slots=True, kw_only=True)
class FileConfig:
    """Settings of the sink ``file``.

    Attributes:
        path: of the file; ``-`` for standard output. Missing directories are made.
        rotate_bytes: when a batch would make the file larger than this, the file is renamed
            after the position of its last event, and the batch begins a new one. None for one
            file that grows.
    """

    path: str
    rotate_bytes: int | None = None

    def __post_init__(self) -> None:
        if not self.path:
            raise ConfigError("The path of a file sink is empty.")
        if self.rotate_bytes is None:
            return
        if self.rotate_bytes < 1:
            raise ConfigError(f"rotate_bytes is {self.rotate_bytes}: it must be at least 1.")
        if self.path == "-":
            raise ConfigError(
                "Standard output cannot be rotated.", remedy="Leave out rotate_bytes."
            )


class FileSink(JsonLinesSink):
    """JSON lines appended to a file."""

    Config = FileConfig

    def __init__(self, config: FileConfig) -> None:
        super().__init__(
            StandardOutput() if config.path == "-" else AppendFile(config.path, config.rotate_bytes)
        )
