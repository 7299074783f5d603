"""Ids for new events that sort by the time at which they were made.

A store has an index of them. Random ids would fall anywhere into it, so that a transaction of a
hundred events would write a hundred of its pages; these go to its end, into one or two.
"""

from __future__ import annotations

from uuid_utils import uuid7


def new_event_id() -> str:
    """Return a UUID of version 7: milliseconds since 1970, a counter, and 32 random bits.

    The counter begins somewhere in each millisecond, so that the ids of a process are in the order
    in which they were made. A forked process draws anew.
    """
    return str(uuid7())
