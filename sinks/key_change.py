"""An UPDATE that changes the key, as two events: for targets that file events by their key."""

from __future__ import annotations

from collections.abc import Callable

from bridge.core.events import CdcEvent, Operation
from sinks.formats.row_key import key_texts


def split_key_change(event: CdcEvent) -> tuple[CdcEvent, CdcEvent] | None:
    """Return an UPDATE of the key as the delete of the old row and the insert of the new one.

    A reader that keeps the last event of each key, as the compaction of Kafka does, would keep the
    row under its old key for ever. Both events have the position and the ``event_id`` of the
    UPDATE: who looks for repeats has to look at the key or the operation too.

    Returns:
        None for every other event: where the key stays as it is, the table has none, or its
        replica identity does not log the old key.
    """
    old, relation = event.old, event.relation
    if event.operation is not Operation.UPDATE or old is None or not relation.key:
        return None
    before = tuple(old[i] for i in relation.key)
    if before == key_texts(event, relation.key):
        return None
    place = (event.transaction, event.ordinal, event.lsn)
    return (
        CdcEvent(*place, Operation.DELETE, relation, None, old),
        CdcEvent(*place, Operation.INSERT, relation, event.new, None),
    )


def has_several_keys(event: CdcEvent, key: Callable[[CdcEvent], str | None]) -> bool:
    """Return whether an event concerns more than one key: a TRUNCATE, or an UPDATE of the key.

    Where events of different keys travel side by side, it must not overtake those before it, nor
    be overtaken by those behind it.
    """
    if event.operation is Operation.TRUNCATE:
        return True
    if event.operation is not Operation.UPDATE or event.old is None:
        return False
    parts = split_key_change(event)
    return parts is not None and key(parts[0]) != key(parts[1])
