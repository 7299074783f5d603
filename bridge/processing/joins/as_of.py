"""A stream joined with what was the latest of another one at that time."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

from bridge.processing.joins.how import check_how
from bridge.processing.joins.inputs import Side
from bridge.processing.joins.latest import LatestEvents
from bridge.processing.joins.two_streams import TwoStreamJoin
from bridge.processing.time import Duration, microseconds

AsOfHow: TypeAlias = Literal["inner", "left"]


class AsOfJoin(TwoStreamJoin):
    """Joins each left event to the latest right event of its key that is not after it.

    A right event of the same instant counts as not after it. Of several right events of one
    instant, that with the greatest ``sequence`` is the latest, and the one that came last if that
    is the same too.

    *A row* comes out once the watermark is **greater** than the timestamp of its left event:
    until then a right event that is nearer may still come. So disorder within
    ``out_of_orderness`` does not change an answer. Each left event gives one row at most; without
    a partner it gives none (``inner``) or a row with None on the right (``left``).

    *The watermark* is the lower one of both sides, and *late* is an event whose timestamp is
    lower than it when it comes, as in ``IntervalJoin``. A silent side needs ``advance``.

    *A key that is NULL*, or a tuple with a NULL in it, joins nothing: with ``left`` such a left
    event gives its row at once.

    *Memory* holds the events that the watermark has not passed, and of the right ones that it has
    passed the latest of each key. That one is dropped once it is older than ``tolerance`` for
    every left event that can still come.

    *Order* of the results of one call: that of an event without a key, then by timestamp,
    sequence and arrival of the left event.

    Args:
        how: ``inner``, or ``left`` for left events without a partner too.
        tolerance: how old the right event may be, this length included; microseconds or
            timedelta. None: any age, and the latest event of each key is kept for ever, which
            suits a side with a bounded number of keys.
        name: stands in each result and in its id.
        out_of_orderness: how far behind the latest event of its side an event may come.

    Raises:
        ConfigError: ``how`` is unknown or a duration is negative.
    """

    def __init__(
        self,
        how: AsOfHow = "inner",
        *,
        tolerance: Duration | None = None,
        name: str = "join",
        out_of_orderness: Duration = 0,
    ) -> None:
        check_how(name, how, get_args(AsOfHow))
        self._tolerance = (
            None if tolerance is None else microseconds(tolerance, "tolerance", minimum=0)
        )
        pads: frozenset[Side] = frozenset(("left",)) if how == "left" else frozenset()
        super().__init__(name, pads, out_of_orderness)

    def make_kept(self) -> LatestEvents:
        """Return what the join keeps of its events, empty."""
        return LatestEvents(self.name, self._tolerance, self.pads)
