"""How a table looks to the readers of its changes, and what it means for them when that changes.

Readers find values by the names of columns, and take a column that a row lacks for NULL:

============================================  ========  =======
Change                                        backward  forward
============================================  ========  =======
a column is added                             yes       yes
a column is dropped                           yes       no
a type gets wider, int4 to int8               yes       no
a type gets narrower                          no        yes
any other change of type, a rename, the key   no        no
============================================  ========  =======

*Backward*: who knows the new form reads old rows. *Forward*: who knows the old form reads new rows.
The stream says nothing of NOT NULL and defaults.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from bridge.core.relation import Relation


class Compatibility(StrEnum):
    """Which readers understand the rows before and after a change."""

    NONE = "none"
    BACKWARD = "backward"
    FORWARD = "forward"
    FULL = "full"

    def covers(self, required: Compatibility) -> bool:
        """Tell whether this is as much as is required, or more."""
        return required in (self, Compatibility.NONE) or self is Compatibility.FULL


class ColumnSchema(NamedTuple):
    """A column: its name, and its type as people write it."""

    name: str
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSchema:
    """A table at one moment.

    Attributes:
        oid: of the table: it stays when the table gets another name.
        name: ``schema.table``, unquoted.
        columns: in the order in which rows arrive.
        key: names of the columns that identify a row; empty without any.
        replica_identity: what the server logs of old rows: ``d``, ``n``, ``f`` or ``i``.
    """

    oid: int
    name: str
    columns: tuple[ColumnSchema, ...]
    key: tuple[str, ...]
    replica_identity: str

    @classmethod
    def of(cls, relation: Relation) -> TableSchema:
        """Return what the stream says of a table."""
        return cls(
            oid=relation.oid,
            name=relation.qualified_name,
            columns=tuple(ColumnSchema(c.name, c.type_name) for c in relation.columns),
            key=tuple(relation.columns[index].name for index in relation.key),
            replica_identity=relation.replica_identity.value,
        )


class Change(NamedTuple):
    """One difference between two forms of a table.

    Attributes:
        text: what changed, for people.
        backward: whether who knows the new form reads old rows.
        forward: whether who knows the old form reads new rows.
    """

    text: str
    backward: bool
    forward: bool


def changes(old: TableSchema, new: TableSchema) -> tuple[Change, ...]:
    """Return what is different.

    A column that is gone, with another one of the same type in its place, counts as renamed: the
    stream does not tell that from a last column that was dropped before another was added.
    """
    before, after = dict(old.columns), dict(new.columns)
    renamed = _renamed(old.columns, new.columns)
    found: list[Change] = []
    if old.name != new.name:
        found.append(Change(f"table renamed from {old.name}", False, False))
    elif old.oid != new.oid:
        found.append(Change("table created again", True, True))
    for name, kind in old.columns:
        if name in renamed:
            found.append(Change(f"renamed {name} to {renamed[name]}", False, False))
        elif name not in after:
            found.append(Change(f"dropped {name} {kind}", True, False))
        elif after[name] != kind:
            wider, narrower = widens(kind, after[name]), widens(after[name], kind)
            found.append(Change(f"{name} from {kind} to {after[name]}", wider, narrower))
    found += [
        Change(f"added {name} {kind}", True, True)
        for name, kind in new.columns
        if name not in before and name not in renamed.values()
    ]
    if tuple(renamed.get(name, name) for name in old.key) != new.key:
        key = ", ".join(new.key) or "nothing"
        found.append(Change(f"key is now {key}", False, False))
    if old.replica_identity != new.replica_identity:
        identity = _IDENTITIES[new.replica_identity]
        found.append(Change(f"replica identity is now {identity}", True, True))
    if not found and old != new:
        found.append(Change("columns in another order", True, True))
    return tuple(found)


def compatibility(found: Sequence[Change]) -> Compatibility:
    """Return what all of these changes leave together."""
    backward = all(change.backward for change in found)
    forward = all(change.forward for change in found)
    if backward and forward:
        return Compatibility.FULL
    if backward:
        return Compatibility.BACKWARD
    return Compatibility.FORWARD if forward else Compatibility.NONE


def widens(old: str, new: str) -> bool:
    """Tell whether every value of the type ``old`` is one of ``new``, and looks the same."""
    if new in _WIDER.get(old, ()):
        return True
    before, after = _TYPE.fullmatch(old), _TYPE.fullmatch(new)
    if before is None or after is None:
        return False
    match before["name"], after["name"]:
        case "varchar", "text":
            return True
        case "varchar", "varchar":
            return after["first"] is None or _number(before["first"]) <= _number(after["first"])
        case "numeric", "numeric" if before["first"] is not None:
            if after["first"] is None:
                return True
            digits, more_digits = (_number(one["first"]) for one in (before, after))
            scale, more_scale = (_number(one["second"]) for one in (before, after))
            return scale <= more_scale and digits - scale <= more_digits - more_scale
    return False


_WIDER: Final = {
    "int2": ("int4", "int8", "numeric"),
    "int4": ("int8", "numeric"),
    "int8": ("numeric",),
    "float4": ("float8",),
}
_TYPE: Final = re.compile(r"(?P<name>\w+)(\((?P<first>\d+)(,(?P<second>-?\d+))?\))?")
_UNLIMITED: Final = 1 << 40
_IDENTITIES: Final = {"d": "DEFAULT", "n": "NOTHING", "f": "FULL", "i": "an index"}


def _number(text: str | None) -> int:
    return _UNLIMITED if text is None else int(text)


def _renamed(old: Sequence[ColumnSchema], new: Sequence[ColumnSchema]) -> dict[str, str]:
    """Return old to new name, for columns behind the same column as before and of the same type."""
    kept = {column.name for column in old} & {column.name for column in new}
    places = [_places(columns, kept) for columns in (old, new)]
    return {
        before.name: after.name
        for behind, gone in places[0].items()
        for before, after in zip(gone, places[1].get(behind, ()), strict=False)
        if before.type == after.type
    }


def _places(columns: Sequence[ColumnSchema], kept: set[str]) -> dict[str, list[ColumnSchema]]:
    """Return the columns that are not kept, by the kept one in front of them."""
    places: dict[str, list[ColumnSchema]] = {}
    behind = ""
    for column in columns:
        if column.name in kept:
            behind = column.name
        else:
            places.setdefault(behind, []).append(column)
    return places
