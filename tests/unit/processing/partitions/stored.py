"""A store of partitions that keeps what the codec makes of them, and can lose what came last."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bridge.processing.partitions import PartitionMemory
from bridge.processing.state.codec import decode, encode


class StoredPartitions:
    """Holds states as bytes.

    Attributes:
        loads: how many states were asked for.
        saves: how many were given to it.
    """

    def __init__(self) -> None:
        self._states: dict[str, bytes] = {}
        self.loads = 0
        self.saves = 0

    def load(self, name: str) -> Any:
        self.loads += 1
        return decode(self._states[name], name)

    def save(self, states: Mapping[str, Any]) -> None:
        self.saves += len(states)
        self._states.update({name: encode(state, name) for name, state in states.items()})

    def checkpoint(self, memory: PartitionMemory, head: Any) -> None:
        """Store the snapshot of a processor with what has changed."""
        self.save(memory.with_changed({"head": head}))
        memory.committed()

    def head(self) -> Any:
        """Return the snapshot of the last checkpoint."""
        return decode(self._states["head"], "head")
