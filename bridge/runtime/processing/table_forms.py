"""Where tables change among events: what comes before is to be durable before what comes after.

A definition that does not fit the new form of a table ends the run. Whoever corrects it needs a
checkpoint that stands right there: the rows before it do not fit the corrected definition.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import attrgetter

from bridge.core.events import CdcEvent
from bridge.core.relation import Relation

_relation = attrgetter("relation")


class TableForms:
    """Knows the form in which each table came last."""

    def __init__(self) -> None:
        self._forms: dict[tuple[str | None, str | None], Relation] = {}

    def parts(
        self, events: Sequence[CdcEvent], size: int
    ) -> Iterator[tuple[Sequence[CdcEvent], bool]]:
        """Cut events into parts of at most ``size``, in none of which a table has two forms.

        Yields:
            a part, and whether it begins with a new form of a table that was seen before.
        """
        begin, renewed = 0, False
        for at in [*self._changes(events), len(events)]:
            for start in range(begin, at, size):
                yield events[start : min(start + size, at)], renewed
                renewed = False
            begin, renewed = at, True

    def _changes(self, events: Sequence[CdcEvent]) -> list[int]:
        """Return the places of events that have another form than those before of their table."""
        found = []
        place = 0
        for relation, group in groupby(events, _relation):
            name = relation.schema, relation.table
            known = self._forms.get(name)
            if known is not relation:
                self._forms[name] = relation
                if known is not None:
                    found.append(place)
            place += len(list(group))
        return found
