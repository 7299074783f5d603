"""What chooses among values or takes NULL for a value: coalesce, case, greatest, concat, ..."""

from __future__ import annotations

from functools import partial
from typing import Any

from bridge.expressions import fields
from bridge.expressions.casts import conversion
from bridge.expressions.code import Code, Scope
from bridge.expressions.conversion import Function
from bridge.expressions.names import nearest
from bridge.expressions.predicates import compare, is_ordered
from bridge.expressions.types import (
    BOOL,
    BPCHAR,
    DATE,
    INTERVAL,
    NAMED,
    NUMERIC,
    TEXT,
    TIME,
    TIMESTAMP,
    TIMESTAMPTZ,
    UNKNOWN,
    SqlType,
    array_of,
)


def choice(scope: Scope, name: str, arguments: list[Code], at: int) -> Code:
    """Apply a function of ``functions.SPECIAL``."""
    match name:
        case "concat":
            return _concat(scope, arguments, at)
        case "nullif":
            return _nullif(scope, arguments, at)
        case "extract":
            return _extract(scope, arguments, at)
        case "date_trunc":
            return _date_trunc(scope, arguments, at)
        case "array" if not arguments:
            raise scope.error(at, "an empty array is written '{}'")
    codes = scope.in_common(arguments, at, f"the arguments of {name}()")
    wholes = [code.whole for code in codes]
    sql_type = codes[0].type
    fails = any(code.fails for code in codes)
    if name == "coalesce":
        source = wholes.pop()
        for whole in reversed(wholes):
            held = scope.temporary()
            source = f"({source} if ({held} := {whole}) is None else {held})"
        return scope.nullable(sql_type, source, fails=fails)
    if name == "array":
        return Code(array_of(sql_type), f"[{', '.join(wholes)}]", fails=fails)
    if not is_ordered(sql_type):
        raise scope.error(at, f"expressions have no order of {sql_type}; cast it to text")
    choose = scope.bind(_greatest if name == "greatest" else _least)
    return scope.nullable(sql_type, f"{choose}({', '.join(wholes)})", fails=fails)


def _extract(scope: Scope, arguments: list[Code], at: int) -> Code:
    name, value = _field(scope, arguments, at), arguments[1]
    day, clock = fields.DAY_FIELDS, fields.TIME_FIELDS
    known: dict[SqlType, tuple[Function, tuple[str, ...]]] = {
        DATE: (fields.date_field, ("epoch", *day)),
        TIME: (fields.time_field, ("epoch", *clock)),
        TIMESTAMP: (fields.timestamp_field, ("epoch", *day, *clock)),
        TIMESTAMPTZ: (fields.timestamp_field, ("epoch", *day, *clock)),
        INTERVAL: (fields.interval_field, fields.INTERVAL_FIELDS),
    }
    if value.type not in known:
        raise scope.error(at, f"extract does not take {value.type}; cast it to timestamptz")
    run, names = known[value.type]
    if name not in names:
        raise scope.error(at, f"{value.type} has no field {name}{nearest(name, names)}")
    return scope.apply(partial(run, name), (value,), NUMERIC, at=at, nullable=True)


def _date_trunc(scope: Scope, arguments: list[Code], at: int) -> Code:
    name, value = _field(scope, arguments, at), arguments[1]
    if value.type is DATE or value.type is UNKNOWN:
        value = scope.converted(value, TIMESTAMPTZ, at)
    if value.type not in (TIMESTAMP, TIMESTAMPTZ):
        raise scope.error(at, f"date_trunc() does not take {value.type}; cast it to timestamptz")
    if name not in fields.TRUNCATED:
        known = nearest(name, fields.TRUNCATED)
        raise scope.error(at, f"date_trunc() does not truncate to {name}{known}")
    return scope.apply(partial(fields.truncated, name), (value,), value.type, at=at)


def _field(scope: Scope, arguments: list[Code], at: int) -> str:
    field = arguments[0]
    if field.type is not UNKNOWN or not isinstance(field.constant, str):
        raise scope.error(at, "the field has to be a literal")
    return fields.field_name(field.constant)


def case(scope: Scope, branches: list[tuple[Code, Code]], otherwise: Code | None, at: int) -> Code:
    """``case when condition then result ... else otherwise end``."""
    results = [result for _, result in branches]
    if otherwise is not None:
        results.append(otherwise)
    results = scope.in_common(results, at, "the results of CASE")
    fails = any(code.fails for code in (*results, *(condition for condition, _ in branches)))
    sql_type = results[0].type
    source = results.pop().whole if otherwise is not None else "None"
    for (condition, _), result in reversed(list(zip(branches, results, strict=True))):
        source = f"({result.whole} if {condition.whole} else {source})"
    return scope.nullable(sql_type, source, fails=fails)


def concatenated(scope: Scope, arguments: list[Code], at: int) -> list[Code]:
    """Return the sides of ``||`` as texts: one of them has to be a text, the other can be any."""
    if all(code.type not in (TEXT, BPCHAR, UNKNOWN, NAMED) for code in arguments):
        names = ", ".join(str(code.type) for code in arguments)
        raise scope.error(at, f"|| does not take ({names}); cast one of them to text")
    return [_text(scope, code, at, "||") for code in arguments]


def _text(scope: Scope, code: Code, at: int, name: str) -> Code:
    if code.type is UNKNOWN:
        return scope.converted(code, TEXT, at)
    convert = conversion(code.type, TEXT)
    if convert is None:
        raise scope.error(at, f"{name} does not take {code.type}; cast it to text")
    return scope.apply(convert, (code,), TEXT, at=at)


def _concat(scope: Scope, arguments: list[Code], at: int) -> Code:
    parts = []
    for code in arguments:
        if code.type is BOOL:
            parts.append(scope.apply('"t" if {0} else "f"', (code,), TEXT).whole)
        elif code.type is BPCHAR:
            parts.append(code.whole)
        else:
            parts.append(_text(scope, code, at, "concat()").whole)
    fails = any(code.fails for code in arguments)
    return Code(TEXT, f"{scope.bind(_joined)}({', '.join(parts)})", fails=fails)


def _nullif(scope: Scope, arguments: list[Code], at: int) -> Code:
    value, other = arguments
    if value.type is UNKNOWN:
        value = scope.converted(value, TEXT if other.type is UNKNOWN else other.type, at)
    held = scope.held(value)
    guards = held.guards
    if other.fails:  # both are evaluated, even if the first is NULL
        second = scope.held(other)
        guards = (f"({second.guards[0]}) and False", *guards)
        other = Code(other.type, second.value, (f"{second.value} is None",))
    equal = compare(scope, "=", Code(held.type, held.value), other, at)
    return Code(held.type, held.value, (*guards, equal.whole), fails=value.fails or other.fails)


def _greatest(*values: Any) -> Any:
    return max((value for value in values if value is not None), default=None)


def _least(*values: Any) -> Any:
    return min((value for value in values if value is not None), default=None)


def _joined(*parts: str | None) -> str:
    return "".join(part for part in parts if part is not None)
