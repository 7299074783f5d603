"""State in parts, of which those that are not needed now are in a store instead of in memory."""

from __future__ import annotations

from bridge.processing.partitions.memory import PartitionMemory, PartitionStore
from bridge.processing.partitions.processor import PartitionedProcessor

__all__ = ["PartitionMemory", "PartitionStore", "PartitionedProcessor"]
