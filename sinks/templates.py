"""Names of targets with placeholders: topics, routing keys, URLs."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from string import Formatter
from typing import Final

from bridge.core.errors import ConfigError
from bridge.core.events import CdcEvent

PLACEHOLDERS: Final = ("schema", "table", "operation", "database", "slot")
"""Every placeholder there is; ``operation`` is in lower case."""

MESSAGE_SCHEMA: Final = "pg_logical"
MESSAGE_TABLE: Final = "message"
"""Stand for the table of a logical message, which has none."""

_MAX_CACHED = 10_000


class Template:
    """A text with placeholders that an event fills in: ``cdc.{table}.{operation}``.

    Braces are written twice where they are meant as such.

    Args:
        text: the template.
        allowed: the placeholders that have a meaning here.
        slot: name of the replication slot; ``for_slot`` adds it where it becomes known later.

    Raises:
        ConfigError: the text has an unknown placeholder, or a brace that stands alone.

    Attributes:
        text: the template as it was written.
        constant: what every event gives; None if that depends on the event.
    """

    __slots__ = ("_allowed", "_cache", "_pieces", "_slot", "constant", "text")

    def __init__(
        self, text: str, *, allowed: Collection[str] = PLACEHOLDERS, slot: str = ""
    ) -> None:
        self.text = text
        self._allowed = allowed
        self._slot = slot
        self._pieces = _parse(text, allowed)
        self.constant = (
            self._fill({"slot": slot})
            if all(name in (None, "slot") for _, name in self._pieces)
            else None
        )
        self._cache: dict[tuple[str | None, ...], str] = {}

    def __repr__(self) -> str:
        return f"<Template {self.text!r}>"

    def for_slot(self, slot: str) -> Template:
        """Return the same template for the events of a replication slot."""
        return Template(self.text, allowed=self._allowed, slot=slot)

    def render(self, event: CdcEvent) -> str:
        """Return the text for an event.

        A logical message, which has no table, counts as the table ``pg_logical.message``.
        """
        relation, database = event.relation, event.transaction.source.database
        key = (relation.schema, relation.table, event.operation, database)
        rendered = self._cache.get(key)
        if rendered is None:
            if len(self._cache) >= _MAX_CACHED:  # tables come and go
                self._cache.clear()
            rendered = self._cache[key] = self._fill(
                {
                    "schema": MESSAGE_SCHEMA if relation.schema is None else relation.schema,
                    "table": MESSAGE_TABLE if relation.table is None else relation.table,
                    "operation": event.operation.lower(),
                    "database": database,
                    "slot": self._slot,
                }
            )
        return rendered

    def _fill(self, values: Mapping[str, str]) -> str:
        return "".join(
            literal + ("" if name is None else values[name]) for literal, name in self._pieces
        )


def _parse(text: str, allowed: Collection[str]) -> list[tuple[str, str | None]]:
    try:
        parsed = list(Formatter().parse(text))
    except ValueError:
        raise ConfigError(
            f"The template {text!r} has a brace that belongs to no placeholder.",
            remedy="Write braces twice where they are meant as such: {{ and }}.",
        ) from None
    pieces: list[tuple[str, str | None]] = []
    for literal, name, form, conversion in parsed:
        if name is not None and (name not in allowed or form or conversion):
            raise _unknown(text, name, allowed)
        pieces.append((literal, name))
    return pieces


def _unknown(text: str, name: str, allowed: Collection[str]) -> ConfigError:
    near = difflib.get_close_matches(name, allowed, n=1)
    known = ", ".join(f"{{{item}}}" for item in PLACEHOLDERS if item in allowed)
    return ConfigError(
        f"The template {text!r} has the unknown placeholder {{{name}}}.",
        remedy=f"Did you mean {{{near[0]}}}?" if near else f"Known placeholders: {known}.",
    )
