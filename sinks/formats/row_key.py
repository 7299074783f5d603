"""The key of an event's row as plain text: that of the formats whose keys are no documents."""

from __future__ import annotations

import json

from bridge.core.events import ABSENT, CdcEvent, Texts


def row_key(event: CdcEvent, columns: tuple[str, ...] | None = None) -> str | None:
    """Return the ``row_id``, or what it would be if ``columns`` were the key.

    The key of a logical message is its prefix.

    Returns:
        None where the table has no key, lacks one of ``columns``, or does not log it.
    """
    if event.schema is None:
        return None if event.new is None else event.new[0]
    if columns is None:
        return event.row_id
    texts = key_texts(event, columns)
    if texts is None or len(texts) == 1:
        return texts[0] if texts else None
    return json.dumps(texts, ensure_ascii=False, separators=(",", ":"))


def key_texts(event: CdcEvent, columns: tuple[str, ...]) -> Texts | None:
    """Return the texts of columns as they are after the change, and before it for a delete.

    Returns:
        None where the table lacks one of them, or the event does not carry it.
    """
    names = [column.name for column in event.relation.columns]
    rows = [row for row in (event.new, event.old) if row is not None]
    found: list[str | None] = []
    for name in columns:
        if name not in names:
            return None
        i = names.index(name)
        text = next((row[i] for row in rows if row[i] is not ABSENT), ABSENT)
        if text is ABSENT:
            return None
        found.append(text)
    return tuple(found)
