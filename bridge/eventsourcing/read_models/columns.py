"""The columns of a read model: which Python types they take, and which values fit into them.

What fits is decided here and not in a database, so that every view storage takes the same values
and one row that does not fit never fails a whole batch.
"""

from __future__ import annotations

import json
import math
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, Literal, TypeAlias

from bridge.core.errors import ConfigError

Kind: TypeAlias = Literal["boolean", "integer", "real", "decimal", "text", "time", "json"]
"""What a column holds."""

Stored: TypeAlias = bool | int | float | Decimal | str | datetime | None
"""A value as a view storage gets and gives it; JSON is its text."""

_KINDS: Final[Mapping[Any, Kind]] = {
    bool: "boolean",
    int: "integer",
    float: "real",
    Decimal: "decimal",
    str: "text",
    datetime: "time",
    dict: "json",
    list: "json",
}
_KEY_KINDS: Final = ("boolean", "integer", "text", "time")
_MAX_INTEGER: Final = 2**63
_MAX_EXPONENT: Final = 1000
MAX_KEY_BYTES: Final = 2000
"""What the text of one column of a key may take: the index of a database has a limit."""


class Unfit(Exception):
    """A value does not fit into its column. The message does not hold the value."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        name: of the column, and of the field of the row.
        kind: what it holds.
        nullable: whether the field may be None.
        key: whether it is part of the key.
    """

    name: str
    kind: Kind
    nullable: bool
    key: bool

    def __str__(self) -> str:
        """The column in words; the layout of a build is made of these."""
        kind = f"{self.kind}?" if self.nullable else self.kind
        return f"{self.name} {kind}{' key' if self.key else ''}"

    def store(self, value: object) -> Stored:
        """Return the value as it is stored.

        Raises:
            Unfit: the column cannot hold it.
        """
        if value is None:
            if not self.nullable:
                raise Unfit(f"{self.name} is None")
            return None
        try:
            stored = _STORE[self.kind](value)
        except Unfit as error:
            raise Unfit(f"{self.name} {error}") from None
        if self.key and isinstance(stored, str) and len(stored.encode()) > MAX_KEY_BYTES:
            raise Unfit(f"{self.name} is longer than {MAX_KEY_BYTES} bytes")
        return stored

    def restore(self, stored: Stored) -> Any:
        """Return the value that the field of a row has."""
        return json.loads(str(stored)) if self.kind == "json" and stored is not None else stored


def columns_of(row: type, key: tuple[str, ...]) -> tuple[Column, ...]:
    """Return the columns of a row type.

    Args:
        row: a frozen dataclass.
        key: names of the fields that make the key.

    Raises:
        ConfigError: it is of another kind, or a field has a type that no column has.
    """
    name = getattr(row, "__name__", repr(row))
    if not (isinstance(row, type) and is_dataclass(row) and _is_frozen(row)):
        raise ConfigError(f"The row {name} is not a dataclass.", remedy=_FROZEN)
    hints = typing.get_type_hints(row)
    columns = tuple(
        _column(name, item.name, hints[item.name], key=item.name in key) for item in fields(row)
    )
    known = [column.name for column in columns]
    missing = [part for part in key if part not in known]
    if missing or not key:
        raise ConfigError(
            f"The row {name} has no field {missing[0]!r} for the key."
            if missing
            else f"The row {name} has no key.",
            remedy=f"Its fields are {', '.join(known)}.",
        )
    for column in columns:
        if column.key and (column.nullable or column.kind not in _KEY_KINDS):
            raise ConfigError(
                f"The field {column.name!r} of {name} cannot be part of the key: it is of another "
                "type, or may be None.",
                remedy="Let the key be of str, int, bool or datetime.",
            )
    return columns


_FROZEN: Final = "Decorate it with @dataclass(frozen=True)."


def _is_frozen(row: type) -> bool:
    return bool(row.__dataclass_params__.frozen)  # type: ignore[attr-defined]


def _column(row: str, name: str, hint: Any, *, key: bool) -> Column:
    options = list(typing.get_args(hint)) if _is_union(hint) else [hint]
    nullable = type(None) in options
    shapes = [option for option in options if option is not type(None)]
    shape = shapes[0] if len(shapes) == 1 else None
    kind = _KINDS.get(typing.get_origin(shape) or shape)
    if kind is None:
        raise ConfigError(
            f"The field {name!r} of {row} has a type that no column has.",
            remedy="Columns are of str, int, float, bool, Decimal, datetime, dict or list, each of "
            "them with '| None' if it may be null.",
        )
    return Column(name, kind, nullable, key)


def _is_union(hint: Any) -> bool:
    return typing.get_origin(hint) in (typing.Union, types.UnionType)


def _boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise _of_type(value)


def _integer(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _of_type(value)
    if not -_MAX_INTEGER <= value < _MAX_INTEGER:
        raise Unfit("is an integer of more than 64 bits")
    return int(value)


def _real(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _of_type(value)
    try:
        number = float(value)
    except OverflowError:
        raise Unfit("is too large for a float") from None
    if not math.isfinite(number):
        raise Unfit("is not finite")
    return number


def _decimal(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise _of_type(value)
    number = Decimal(value)
    if not number.is_finite():
        raise Unfit("is not finite")
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)
    if number.adjusted() > _MAX_EXPONENT or exponent < -_MAX_EXPONENT:
        raise Unfit(f"has more than {_MAX_EXPONENT} digits on one side of its point")
    return number


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise _of_type(value)
    if "\0" in value:
        raise Unfit("holds a NUL character, which PostgreSQL has not")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Unfit("holds half a surrogate pair, which is no text") from None
    return str.__str__(value)


def _time(value: object) -> datetime:
    if not isinstance(value, datetime):
        raise _of_type(value)
    if value.tzinfo is None:
        raise Unfit("is a time without a timezone")
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise Unfit("is a time before the year 1 or after 9999") from None


def _json(value: object) -> str:
    if not isinstance(value, dict | list):
        raise _of_type(value)
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError):
        raise Unfit("is no JSON") from None
    if "\\u0000" in text:
        raise Unfit("may hold a NUL character, which PostgreSQL has not")
    return _text(text)


def _of_type(value: object) -> Unfit:
    return Unfit(f"is of type {type(value).__name__}")


_STORE: Final[Mapping[Kind, Callable[[object], Stored]]] = {
    "boolean": _boolean,
    "integer": _integer,
    "real": _real,
    "decimal": _decimal,
    "text": _text,
    "time": _time,
    "json": _json,
}
