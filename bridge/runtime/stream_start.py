"""What the stores of processors and projections are compared with before the stream goes on."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.core.events import Position
from bridge.core.lsn import Lsn


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStart:
    """How the stream starts, for whoever keeps positions in a store of its own.

    Attributes:
        first: whether it begins with this start.
        rows: whether it begins with the existing rows.
        known: up to where the store was, as the bridge's checkpoint says; None if it took no part
            in the last run.
        confirmed: where the slot stands.
        wal_lsn: where the server's WAL ends.
        promoted: whether the server's WAL belongs to another timeline than in the last run.
        accept_gap: whether changes that the store misses are accepted.
    """

    first: bool
    rows: bool
    known: Position | None
    confirmed: Lsn
    wal_lsn: Lsn
    promoted: bool
    accept_gap: bool
