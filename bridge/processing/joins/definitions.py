"""The types of joins as they are defined."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.processing.joins.as_of import AsOfHow
from bridge.processing.joins.interval import IntervalHow
from bridge.processing.joins.table import TableHow
from bridge.processing.time import Duration, microseconds


class JoinType:
    """The types of joins. Lengths are microseconds or a timedelta, and kept as microseconds."""

    @dataclass(frozen=True, init=False)
    class Interval:
        """Events of both sides that are close in time, as ``IntervalJoin`` finds them.

        Args:
            how: whether events without a partner come out, too.
            before: how long before the left event the right one may be.
            after: how long after the left event the right one may be.

        Raises:
            ConfigError: a length is negative.
        """

        how: IntervalHow
        before: int
        after: int

        def __init__(
            self, how: IntervalHow = "inner", *, before: Duration = 0, after: Duration = 0
        ) -> None:
            object.__setattr__(self, "how", how)
            object.__setattr__(self, "before", microseconds(before, "before", minimum=0))
            object.__setattr__(self, "after", microseconds(after, "after", minimum=0))

    @dataclass(frozen=True, init=False)
    class AsOf:
        """The latest right event before each left one, as ``AsOfJoin`` finds it.

        Args:
            how: whether left events without a partner come out, too.
            tolerance: how old the right event may be; None for any age.

        Raises:
            ConfigError: the tolerance is negative.
        """

        how: AsOfHow
        tolerance: int | None

        def __init__(self, how: AsOfHow = "inner", *, tolerance: Duration | None = None) -> None:
            length = None if tolerance is None else microseconds(tolerance, "tolerance", minimum=0)
            object.__setattr__(self, "how", how)
            object.__setattr__(self, "tolerance", length)

    @dataclass(frozen=True)
    class Table:
        """The row that a table has, as ``TableJoin`` finds it.

        Attributes:
            how: whether left events without a row come out, too.
        """

        how: TableHow = "inner"
