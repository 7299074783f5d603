"""The key of an event's row: which texts make it up, and how they look as plain text."""

from __future__ import annotations

from functools import lru_cache

from bridge.core.events import ABSENT, CdcEvent, Texts
from bridge.core.relation import Relation, texts_json

_MAX_RELATIONS = 10_000


def row_key(event: CdcEvent, columns: tuple[str, ...] | None = None) -> str | None:
    """Return the ``row_id``, or what it would be if ``columns`` were the key.

    The key of a logical message is its prefix.

    Returns:
        None where the table has no key, lacks one of ``columns``, or does not log it.
    """
    if event.schema is None:
        return message_prefix(event)
    if columns is None:
        return event.row_id
    texts = key_texts(event, key_indices(event.relation, columns))
    if not texts or len(texts) == 1:
        return texts[0] if texts else None
    return texts_json(texts)


def message_prefix(event: CdcEvent) -> str:
    """Return the prefix of a logical message."""
    return event.new[0] or "" if event.new else ""


def key_texts(event: CdcEvent, indices: tuple[int, ...]) -> Texts | None:
    """Return the texts of columns as they are after the change, and before it for a delete.

    Returns:
        None if the event does not carry one of them.
    """
    new, old = event.new, event.old
    texts = []
    for i in indices:
        text = ABSENT if new is None else new[i]
        if text is ABSENT and old is not None:
            text = old[i]  # a TOASTed key that did not change
        if text is ABSENT:
            return None
        texts.append(text)
    return tuple(texts)


@lru_cache(maxsize=_MAX_RELATIONS)
def key_indices(relation: Relation, columns: tuple[str, ...] | None) -> tuple[int, ...]:
    """Return where the columns of a key stand; the table's own key by default.

    Empty if the table has no key, or lacks one of ``columns``.
    """
    if columns is None:
        return relation.key
    places = {column.name: i for i, column in enumerate(relation.columns)}
    return tuple(places[name] for name in columns) if places.keys() >= set(columns) else ()
