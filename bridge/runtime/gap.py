"""The message event that tells consumers between which positions changes are missing."""

from __future__ import annotations

import json

from bridge.core.events import GAP_PREFIX, CdcEvent, Operation, Position, Source, Transaction
from decoders.logical_message import MESSAGE_RELATION, message_row
from decoders.messages import Message


def gap_event(
    source: Source, position: Position, *, since: str | None, until: str, now: float
) -> CdcEvent:
    """Return the message.

    Args:
        source: that the missing events came from.
        position: of the message.
        since: the last event, or the LSN, before the gap; None if nobody knows.
        until: the last event, or the LSN, that is missing.
        now: seconds since the Unix epoch.
    """
    message = Message(
        transactional=False,
        lsn=position.commit_lsn,
        prefix=GAP_PREFIX,
        content=json.dumps({"from": since, "to": until}).encode(),
    )
    return CdcEvent(
        Transaction(source, None, position.commit_lsn, int(now * 1_000_000)),
        position.ordinal,
        position.commit_lsn,
        Operation.MESSAGE,
        MESSAGE_RELATION,
        message_row(message),
        None,
    )
