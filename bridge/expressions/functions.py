"""The functions and operators, by name: the types they take, and the Python that computes them.

An overload with ``strict`` is NULL if an argument is. ``run`` is Python over ``{0}``, ``{1}``, ...
for what is one operator of Python, else a function. The first overload whose types fit exactly is
taken, else the first to whose types the arguments convert.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bridge.expressions import documents, floats, intervals, numbers, texts, times
from bridge.expressions.conversion import Function
from bridge.expressions.types import (
    DATE,
    FLOAT4,
    FLOAT8,
    INT2,
    INT4,
    INT8,
    INTERVAL,
    JSON,
    JSONB,
    NUMERIC,
    TEXT,
    TIMESTAMP,
    TIMESTAMPTZ,
    SqlType,
    array_of,
)


@dataclass(frozen=True, slots=True)
class Overload:
    """One way to call a function.

    Attributes:
        arguments: their types.
        result: its type.
        run: Python with ``{0}`` for the first argument and so on, or a function.
        nullable: whether the result can be NULL although no argument is.
    """

    arguments: tuple[SqlType, ...]
    result: SqlType
    run: str | Function
    nullable: bool = False


_CHECKS: Final = {INT2: numbers.int2, INT4: numbers.int4, INT8: numbers.int8}


def _integer(run: Function, count: int = 2) -> tuple[Overload, ...]:
    """Return the overloads for each integer type, with the check of its range."""

    def checked(check: Function) -> Function:
        return lambda *arguments: check(run(*arguments))

    return tuple(Overload((t,) * count, t, checked(_CHECKS[t])) for t in _CHECKS)


def _decimal(run: Function, count: int = 2) -> tuple[Overload, ...]:
    return (Overload((NUMERIC,) * count, NUMERIC, run),)


def _float(run: Function, count: int = 2) -> tuple[Overload, ...]:
    def rounded(*arguments: float) -> float:
        return floats.float4_result(run(*arguments))

    return (
        Overload((FLOAT4,) * count, FLOAT4, rounded),
        Overload((FLOAT8,) * count, FLOAT8, run),
    )


def _text(run: str | Function, *arguments: SqlType, result: SqlType = TEXT) -> tuple[Overload, ...]:
    return (Overload(arguments or (TEXT,), result, run),)


_PATH: Final = array_of(TEXT)

_MOMENT_PLUS: Final = (
    Overload((DATE, INT4), DATE, times.date_add),
    Overload((INTERVAL, INTERVAL), INTERVAL, intervals.add),
    Overload((TIMESTAMP, INTERVAL), TIMESTAMP, intervals.timestamp_add),
    Overload((TIMESTAMPTZ, INTERVAL), TIMESTAMPTZ, intervals.timestamp_add),
)
_MOMENT_MINUS: Final = (
    Overload((DATE, DATE), INT4, intervals.days_between),
    Overload((DATE, INT4), DATE, times.date_subtract),
    Overload((TIMESTAMP, TIMESTAMP), INTERVAL, intervals.between),
    Overload((TIMESTAMPTZ, TIMESTAMPTZ), INTERVAL, intervals.between),
    Overload((INTERVAL, INTERVAL), INTERVAL, intervals.subtract),
    Overload((TIMESTAMP, INTERVAL), TIMESTAMP, intervals.timestamp_subtract),
    Overload((TIMESTAMPTZ, INTERVAL), TIMESTAMPTZ, intervals.timestamp_subtract),
    Overload((INTERVAL,), INTERVAL, intervals.negate),
)

OPERATORS: Final[dict[str, tuple[Overload, ...]]] = {
    "+": (
        *_integer(int.__add__),
        *_decimal(numbers.numeric_add),
        *_float(floats.float_add),
        *_MOMENT_PLUS,
    ),
    "-": (
        *_integer(int.__sub__),
        *_decimal(numbers.numeric_subtract),
        *_float(floats.float_subtract),
        *_integer(int.__neg__, 1),
        *_decimal(numbers.numeric_negate, 1),
        *_float(floats.float_negate, 1),
        *_MOMENT_MINUS,
    ),
    "*": (
        *_integer(int.__mul__),
        *_decimal(numbers.numeric_multiply),
        *_float(floats.float_multiply),
    ),
    "/": (
        *_integer(numbers.int_divide),
        *_decimal(numbers.numeric_divide),
        *_float(floats.float_divide),
    ),
    "%": (*_integer(numbers.int_modulo), *_decimal(numbers.numeric_modulo)),
    "||": _text(texts.concatenate, TEXT, TEXT),
    "->": (
        Overload((JSONB, TEXT), JSONB, documents.member, nullable=True),
        Overload((JSONB, INT4), JSONB, documents.jsonb_element, nullable=True),
        Overload((JSON, TEXT), JSON, documents.member, nullable=True),
        Overload((JSON, INT4), JSON, documents.element, nullable=True),
    ),
    "->>": (
        Overload((JSONB, TEXT), TEXT, documents.member_text, nullable=True),
        Overload((JSONB, INT4), TEXT, documents.jsonb_element_text, nullable=True),
        Overload((JSON, TEXT), TEXT, documents.member_text, nullable=True),
        Overload((JSON, INT4), TEXT, documents.element_text, nullable=True),
    ),
    "#>": tuple(
        Overload((document, _PATH), document, documents.at_path, nullable=True)
        for document in (JSONB, JSON)
    ),
    "#>>": tuple(
        Overload((document, _PATH), TEXT, documents.text_at_path, nullable=True)
        for document in (JSONB, JSON)
    ),
}

_STRICT: Final[dict[str, tuple[Overload, ...]]] = {
    "abs": (
        *_integer(abs, 1),
        *_decimal(numbers.numeric_abs, 1),
        *_float(floats.float_abs, 1),
    ),
    "round": (
        Overload((FLOAT8,), FLOAT8, floats.float_round),
        Overload((NUMERIC,), NUMERIC, numbers.numeric_round),
        Overload((NUMERIC, INT4), NUMERIC, numbers.numeric_round),
    ),
    "floor": (
        Overload((FLOAT8,), FLOAT8, floats.float_floor),
        Overload((NUMERIC,), NUMERIC, numbers.numeric_floor),
    ),
    "ceil": (
        Overload((FLOAT8,), FLOAT8, floats.float_ceil),
        Overload((NUMERIC,), NUMERIC, numbers.numeric_ceil),
    ),
    "mod": (*_integer(numbers.int_modulo), *_decimal(numbers.numeric_modulo)),
    "sign": (
        Overload((FLOAT8,), FLOAT8, floats.float_sign),
        Overload((NUMERIC,), NUMERIC, numbers.numeric_sign),
    ),
    "lower": _text(texts.lower),
    "upper": _text(texts.upper),
    "length": _text("len({0})", result=INT4),
    "substring": (
        *_text(texts.substring, TEXT, INT4),
        *_text(texts.substring, TEXT, INT4, INT4),
    ),
    "left": _text(texts.left, TEXT, INT4),
    "right": _text(texts.right, TEXT, INT4),
    "btrim": (*_text(texts.btrim), *_text(texts.btrim, TEXT, TEXT)),
    "ltrim": (*_text(texts.ltrim), *_text(texts.ltrim, TEXT, TEXT)),
    "rtrim": (*_text(texts.rtrim), *_text(texts.rtrim, TEXT, TEXT)),
    "replace": _text(texts.replace, TEXT, TEXT, TEXT),
    "strpos": _text(texts.strpos, TEXT, TEXT, result=INT4),
    "split_part": _text(texts.split_part, TEXT, TEXT, INT4),
}

SPECIAL: Final[dict[str, tuple[int, int | None]]] = {
    "coalesce": (1, None),
    "nullif": (2, 2),
    "greatest": (1, None),
    "least": (1, None),
    "concat": (1, None),
    "array": (0, None),
    "extract": (2, 2),
    "date_trunc": (2, 2),
}
"""Functions that are not strict or take any type (``bridge.expressions.choices``): how many
arguments they take, at least and at most."""

_SYNONYMS: Final = {
    "ceiling": "ceil",
    "char_length": "length",
    "character_length": "length",
    "substr": "substring",
    "trim": "btrim",
}

FUNCTIONS: Final[dict[str, tuple[Overload, ...]]] = {
    **_STRICT,
    **{synonym: _STRICT[name] for synonym, name in _SYNONYMS.items()},
    **dict.fromkeys(SPECIAL, ()),
}
"""What can be called by name; those of ``SPECIAL`` without overloads."""


def check_arguments(name: str, count: int) -> str:
    """Return what is wrong with the number of arguments of a function, or nothing."""
    if name in SPECIAL:
        low, high = SPECIAL[name]
        if count < low or (high is not None and count > high):
            wanted = str(low) if low == high else f"at least {low}"
            return f"{name}() takes {wanted} argument{'s' if low > 1 else ''}, not {count}"
        return ""
    counts = sorted({len(overload.arguments) for overload in FUNCTIONS[name]})
    if count in counts:
        return ""
    wanted = " or ".join(map(str, counts))
    return f"{name}() takes {wanted} argument{'s' if counts != [1] else ''}, not {count}"
