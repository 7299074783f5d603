"""A table as the stream describes it at one moment, and what follows from that for its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from json.encoder import encode_basestring
from typing import Any

from bridge.core.events import ABSENT, Texts
from bridge.core.types import TypeInfo, type_text
from bridge.core.values import ColumnForm, Value, ValueStyle, column_form, to_python


class ReplicaIdentity(StrEnum):
    """What UPDATE and DELETE log of the old row (``pg_class.relreplident``)."""

    DEFAULT = "d"
    NOTHING = "n"
    FULL = "f"
    INDEX = "i"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a relation.

    Attributes:
        name: as in the catalog.
        type_oid: of its type; for a domain that of the domain.
        type_modifier: ``atttypmod``; -1 for none.
        in_identity: whether it is part of the replica identity.
        form: how its values are written.
        type_name: its type for people to read, such as ``numeric(10,2)``; empty if nobody knows.
    """

    name: str
    type_oid: int
    type_modifier: int = -1
    in_identity: bool = False
    form: ColumnForm
    type_name: str = ""


class Relation:
    """A table, its columns in order, and its key.

    Args:
        oid: of the table; 0 for a logical message.
        schema: name of the schema; None for a logical message.
        table: name of the table; None for a logical message.
        replica_identity: what the server logs of old rows.
        columns: in the order in which rows arrive.
        primary_key: names of the primary key's columns, for relations under REPLICA IDENTITY
            FULL or NOTHING, where the stream does not mark the key.
    """

    __slots__ = (
        "_to_python",
        "columns",
        "encoders",
        "key",
        "oid",
        "replica_identity",
        "schema",
        "table",
    )

    def __init__(
        self,
        *,
        oid: int,
        schema: str | None,
        table: str | None,
        replica_identity: ReplicaIdentity,
        columns: tuple[Column, ...],
        primary_key: tuple[str, ...] = (),
    ) -> None:
        self.oid = oid
        self.schema = schema
        self.table = table
        self.replica_identity = replica_identity
        self.columns = columns
        if replica_identity in (ReplicaIdentity.FULL, ReplicaIdentity.NOTHING):
            names = [column.name for column in columns]
            known = all(name in names for name in primary_key)
            self.key = tuple(names.index(name) for name in primary_key) if known else ()
        else:
            self.key = tuple(i for i, column in enumerate(columns) if column.in_identity)
        self.encoders: dict[str, Callable[..., Any]] = {}
        """Encode functions by format, generated on first use (see ``sinks.formats``)."""
        self._to_python = tuple((c.name, to_python(c.form)) for c in columns)

    def __repr__(self) -> str:
        return f"<Relation {self.qualified_name}>"

    @property
    def qualified_name(self) -> str:
        """``schema.table``, unquoted."""
        return f"{self.schema}.{self.table}"

    def row_id(self, row: Texts) -> str | None:
        """Return the key of a row as text; a JSON array of texts for composite keys."""
        key = self.key
        if len(key) == 1:
            text = row[key[0]]
            return None if text is ABSENT else text
        if not key or any(row[i] is ABSENT for i in key):
            return None
        return texts_json(row[i] for i in key)

    def values(self, row: Texts) -> dict[str, Value]:
        """Return column to value, without the absent columns."""
        return {
            name: None if text is None else convert(text)
            for (name, convert), text in zip(self._to_python, row, strict=True)
            if text is not ABSENT
        }


def texts_json(texts: Iterable[str | None]) -> str:
    """Return texts as a JSON array without spaces."""
    items = ("null" if text is None else encode_basestring(text) for text in texts)
    return f"[{','.join(items)}]"


def make_columns(
    described: list[tuple[str, int, int, bool]],
    types: Mapping[int, TypeInfo],
    style: ValueStyle,
) -> tuple[Column, ...]:
    """Return columns from (name, type OID, type modifier, part of the identity)."""
    return tuple(
        Column(
            name=name,
            type_oid=type_oid,
            type_modifier=modifier,
            in_identity=in_identity,
            form=column_form(type_oid, types, style),
            type_name=type_text(type_oid, modifier, types),
        )
        for name, type_oid, modifier, in_identity in described
    )
