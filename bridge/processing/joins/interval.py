"""Two streams joined where their events are near each other in time."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args

from bridge.processing.joins.how import check_how
from bridge.processing.joins.inputs import Side
from bridge.processing.joins.near import NearEvents
from bridge.processing.joins.two_streams import TwoStreamJoin
from bridge.processing.time import Duration, microseconds

IntervalHow: TypeAlias = Literal["inner", "left", "right", "full"]

_PADS: Final[dict[IntervalHow, frozenset[Side]]] = {
    "inner": frozenset(),
    "left": frozenset(("left",)),
    "right": frozenset(("right",)),
    "full": frozenset(("left", "right")),
}


class IntervalJoin(TwoStreamJoin):
    """Joins a left event at ``t`` to every right event of its key in ``[t - before, t + after]``.

    Both ends belong to the interval. Seen from a right event at ``u``, the left ones are those in
    ``[u - after, u + before]``.

    *A pair* comes out as soon as its second event is there, whatever the watermark is.

    *A row without a partner* comes out once the watermark proves that none can come. An event
    with the timestamp of the watermark may still come, so that is when the watermark is
    **greater** than the end of the interval: ``t + after`` for a left event, ``u + before`` for
    a right one. From that moment on no event that is not late reaches it, which is also when it is
    dropped from memory, with or without partners.

    *The watermark* is the lower one of both sides: each follows the greatest timestamp of its own
    events, less ``out_of_orderness``, and ``advance`` moves both. A side that is silent therefore
    holds everything back, until ``advance`` tells how late it is.

    *Late* is an event whose timestamp is lower than that watermark when it comes. It joins
    nothing, not even events that are still there, so that results do not depend on what memory
    happens to hold; ``take_late`` has it.

    *A key that is NULL*, or a tuple with a NULL in it, joins nothing. Such an event gives its row
    without a partner at once if its side keeps those, and nothing otherwise.

    *Order* of the results of one call: the pairs of the event, by timestamp, sequence and arrival
    of the other event; then rows without a partner, by timestamp, left before right, sequence,
    arrival.

    Events are told apart by key, timestamp and ``sequence``: those of one side that share all
    three give results with the same id.

    Args:
        how: which events come out without a partner too: none, those of the ``left``, those of
            the ``right``, or all (``full``).
        before: how long before the left event the right one may be; microseconds or timedelta.
        after: how long after the left event the right one may be. With both 0, which is what is
            taken if they are not given, only events of the same instant join.
        name: stands in each result and in its id.
        out_of_orderness: how far behind the latest event of its side an event may come.

    Raises:
        ConfigError: ``how`` is unknown or a duration is negative.
    """

    def __init__(
        self,
        how: IntervalHow = "inner",
        *,
        before: Duration = 0,
        after: Duration = 0,
        name: str = "join",
        out_of_orderness: Duration = 0,
    ) -> None:
        check_how(name, how, get_args(IntervalHow))
        self._before = microseconds(before, "before", minimum=0)
        self._after = microseconds(after, "after", minimum=0)
        super().__init__(name, _PADS[how], out_of_orderness)

    def make_kept(self) -> NearEvents:
        """Return what the join keeps of its events, empty."""
        return NearEvents(self.name, self._before, self._after, self.pads)
