"""Events as lines on standard output."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

from bridge.core.errors import EnvironmentProblem
from bridge.core.events import Position, Source
from sinks.formats import FormatConfig, make_format
from sinks.json_lines import JsonLinesSink

_STDOUT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class StdoutConfig(FormatConfig):
    """Settings of the sink ``stdout``: it has none of its own."""


class StandardOutput:
    """A file descriptor as a target of lines.

    What was handed to the operating system counts as durable: nobody can know what a pipe or a
    terminal does with it. No error is worth a second try, because the part of a line that went
    out cannot be taken back.
    """

    def __init__(self, descriptor: int = _STDOUT) -> None:
        self._descriptor = descriptor

    def open(self, source: Source) -> Position | None:
        if self._descriptor == _STDOUT:
            sys.stdout.flush()
        try:
            # Other users of a terminal or pipe may have made it non-blocking.
            os.set_blocking(self._descriptor, True)
        except OSError as error:
            raise _unwritable(error) from error
        return None

    def append(self, lines: bytes, last: Position) -> None:
        rest = memoryview(lines)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except BrokenPipeError as error:
            raise EnvironmentProblem(
                "The reader of standard output has gone away.",
                remedy="Events that it did not get come again at the next start.",
            ) from error
        except OSError as error:
            raise _unwritable(error) from error

    def sync(self) -> None:
        """Nothing to do: ``append`` returns after the operating system has taken all."""

    def close(self) -> None:
        """Leave the descriptor open: it belongs to the process."""


def _unwritable(error: OSError) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"Standard output cannot be written: {os.strerror(error.errno or 0)}.",
        remedy="Check where it is redirected to.",
    )


class StdoutSink(JsonLinesSink):
    """JSON lines on standard output.

    Args:
        config: the settings.
        descriptor: the file descriptor to write to.
    """

    Config = StdoutConfig

    def __init__(self, config: StdoutConfig, descriptor: int = _STDOUT) -> None:
        super().__init__(StandardOutput(descriptor), make_format(config))
