"""The names that aggregates and events have if none are given."""

from __future__ import annotations

import re
from typing import Final

_ENDINGS: Final = (
    ("sses", "ss"),
    ("shes", "sh"),
    ("ches", "ch"),
    ("xes", "x"),
    ("ies", "y"),
    ("ss", "ss"),
    ("us", "us"),
    ("is", "is"),
    ("s", ""),
)
"""Ending of a plural to that of the singular; the first that fits counts."""

DEFAULT_EVENTS: Final = {"insert": "Created", "update": "Updated", "delete": "Deleted"}
"""Operation to what follows the type of the aggregate in the name of its event."""


def aggregate_type_of(table: str) -> str:
    """Return the type of aggregate that the rows of a table are: ``OrderItem`` for ``order_items``.

    Only the last word is taken for a plural, and only in its regular forms.

    Args:
        table: its name, without the schema.
    """
    words = [word for word in re.split(r"[^0-9A-Za-z\u0080-\uffff]+", table) if word]
    if not words:
        return table
    last = words[-1]
    for plural, singular in _ENDINGS:
        if last.endswith(plural) and len(last) > len(plural):
            words[-1] = last.removesuffix(plural) + singular
            break
    return "".join(word[0].upper() + word[1:] for word in words)
