"""Joins: of two streams within an interval, of a stream with the latest before it, with a table.

``docs/processing-joins.md`` shows them, and says when rows come out and what is kept in memory.
"""

from bridge.processing.joins.as_of import AsOfJoin
from bridge.processing.joins.definitions import JoinType
from bridge.processing.joins.errors import RetractionRefused, TableNotLoaded
from bridge.processing.joins.inputs import LateEvent
from bridge.processing.joins.interval import IntervalJoin
from bridge.processing.joins.result import JoinResult
from bridge.processing.joins.stats import InputStats, JoinStats, TableJoinStats
from bridge.processing.joins.table import TableJoin

__all__ = [
    "AsOfJoin",
    "InputStats",
    "IntervalJoin",
    "JoinResult",
    "JoinStats",
    "JoinType",
    "LateEvent",
    "RetractionRefused",
    "TableJoin",
    "TableJoinStats",
    "TableNotLoaded",
]
