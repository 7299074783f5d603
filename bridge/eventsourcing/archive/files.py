"""The contract of the place where segment files are; ``bridge.runtime.eventstores.segments``."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol


class SegmentFiles(Protocol):
    """Keeps segment files by their names. Any thread may use it.

    Raises:
        EnvironmentProblem: every method, if a file is missing or the disk refuses.
    """

    def read(self, name: str, offset: int, length: int) -> bytes:
        """Return bytes of a file; fewer than ``length`` at its end."""
        ...

    def write(self, name: str, data: bytes) -> None:
        """Store a file; it is whole and durable when this returns, and otherwise not there."""
        ...

    def names(self) -> list[str]:
        """Return the names of the segments that are there, sorted."""
        ...

    def exclusive(self, identity: str) -> AbstractContextManager[None]:
        """Let nobody else archive this storage during the block; an error if somebody does."""
        ...
