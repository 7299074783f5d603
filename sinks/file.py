"""Events as lines in a file, durable by fsync."""

from __future__ import annotations

from dataclasses import dataclass, field

from bridge.core.errors import ConfigError
from sinks.append_file import AppendFile
from sinks.formats import FormatConfig, make_format
from sinks.json_lines import JsonLinesSink
from sinks.stdout import StandardOutput

STDOUT_PATH = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileConfig(FormatConfig):
    """Settings of the sink ``file``.

    Attributes:
        path: of the file; ``-`` for standard output. Missing directories are made.
        rotate_bytes: when a batch would make the file larger than this, the file is renamed
            after the position of its last event, and the batch begins a new one; null for one
            file that grows.
    """

    path: str = field(metadata={"min_length": 1})
    rotate_bytes: int | None = field(default=None, metadata={"ge": 1})

    def __post_init__(self) -> None:
        if self.path == STDOUT_PATH and self.rotate_bytes is not None:
            raise ConfigError(
                "Standard output cannot be rotated.", remedy="Leave out rotate_bytes."
            )


class FileSink(JsonLinesSink):
    """JSON lines appended to a file."""

    Config = FileConfig

    def __init__(self, config: FileConfig) -> None:
        fmt = make_format(config)
        super().__init__(
            StandardOutput()
            if config.path == STDOUT_PATH
            else AppendFile(config.path, config.rotate_bytes, fmt.line_starts),
            fmt,
        )
