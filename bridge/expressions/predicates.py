"""Comparisons, and the other operators that give a boolean."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from bridge.expressions import documents, patterns
from bridge.expressions.code import Code, Scope
from bridge.expressions.errors import EvaluationError
from bridge.expressions.types import (
    BOOL,
    BPCHAR,
    INTERVAL,
    JSON,
    JSONB,
    MOMENTS,
    NAMED,
    NUMBERS,
    PG_LSN,
    TEXT,
    TIME,
    UNKNOWN,
    UUID,
    SqlType,
    array_of,
)

COMPARISONS: Final = {"=": "==", "<>": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
"""The operators of SQL, and those of Python over the values of most types."""

ORDERED: Final = frozenset((*NUMBERS, *MOMENTS, BOOL, TEXT, BPCHAR, TIME, INTERVAL, UUID, PG_LSN))
"""The types whose values Python compares as the server does."""


def compare(scope: Scope, operator: str, left: Code, right: Code, at: int) -> Code:
    """``left = right`` and the like.

    Raises:
        ConfigError: the types do not fit, or have no such operator.
    """
    left, right = scope.in_common([left, right], at, f"the sides of {operator}")
    sql_type = left.type
    if sql_type is BPCHAR:
        return scope.apply(
            f'{{0}}.rstrip(" ") {COMPARISONS[operator]} {{1}}.rstrip(" ")', (left, right), BOOL
        )
    if sql_type in ORDERED:
        return scope.apply(f"{{0}} {COMPARISONS[operator]} {{1}}", (left, right), BOOL)
    if operator not in ("=", "<>"):
        raise scope.error(at, f"expressions have no order of {sql_type}; cast it to text")
    if sql_type is JSONB:
        found = scope.apply(documents.equal, (left, right), BOOL, at=at)
        return found if operator == "=" else scope.apply("not {0}", (found,), BOOL)
    if sql_type is NAMED or (sql_type.element and sql_type.element in {*ORDERED, NAMED} - {BPCHAR}):
        return scope.apply(f"{{0}} {COMPARISONS[operator]} {{1}}", (left, right), BOOL)
    if sql_type is JSON:
        raise scope.error(at, "json has no equality; take members with ->>, or cast to jsonb")
    raise scope.error(at, f"expressions do not compare {sql_type}; cast it to text")


def is_null(scope: Scope, value: Code) -> Code:
    """``value is null``."""
    if value.is_constant:
        return scope.constant(BOOL, value.is_null)
    return Code(BOOL, f"({value.whole} is None)", fails=value.fails)


def is_distinct(scope: Scope, arguments: list[Code], at: int) -> Code:
    """``left is distinct from right``."""
    left, right = scope.in_common(arguments, at, "the sides of IS DISTINCT FROM")
    one, other = scope.held(left), scope.held(right)
    differ = compare(scope, "<>", Code(one.type, one.value), Code(other.type, other.value), at)
    source = (
        f"(({other.guards[0]}) is False if {one.guards[0]}"
        f" else True if {other.guards[0]} else {differ.value})"
    )
    return Code(BOOL, source, fails=left.fails or right.fails)


def is_in(scope: Scope, arguments: list[Code], at: int) -> Code:
    """``value in (item, ...)``."""
    value, *items = scope.in_common(arguments, at, "the values of IN")
    if value.type in ORDERED and value.type is not BPCHAR and all(i.is_constant for i in items):
        known = frozenset(item.constant for item in items if not item.is_null)
        found = scope.apply(f"{{0}} in {scope.bind(known)}", (value,), BOOL)
        if any(item.is_null for item in items):
            return scope.apply("True if {0} else None", (found,), BOOL, nullable=True)
        return found
    held = scope.held(value)
    tests = [compare(scope, "=", Code(held.type, held.value), item, at) for item in items]
    found = scope.combined(tests, True)
    fails = value.fails or found.fails
    return Code(BOOL, found.value, (*held.guards, *found.guards), fails=fails)


def quantified(
    scope: Scope, operator: str, quantifier: str, arguments: list[Code], at: int
) -> Code:
    """``value = any(array)`` and the like."""
    value, array = arguments
    if array.type is UNKNOWN:
        element = TEXT if value.type is UNKNOWN else value.type
        array = scope.converted(array, array_of(element), at)
    if array.type.element is None:
        raise scope.error(at, f"{quantifier}() needs an array, not {array.type}")
    left, right = scope.in_common(
        [value, Code(array.type.element, "item")], at, f"the sides of {operator}"
    )
    held = scope.held(left)
    test = compare(scope, operator, Code(held.type, held.value), right, at)
    scan = scope.bind(_any if quantifier == "any" else _all)
    return scope.apply(
        f"{scan}({{1}}, lambda item, {held.value}={{0}}: {test.whole})",
        (held, array),
        BOOL,
        nullable=True,
    )


def like(scope: Scope, name: str, arguments: list[Code], at: int) -> Code:
    """``value like pattern escape character``; ``name`` is like or ilike."""
    value, *rest = (_pattern_text(scope, argument, at) for argument in arguments)
    if all(code.is_constant and not code.is_null for code in rest):
        try:
            matcher = patterns.like_matcher(name == "ilike", *(code.constant for code in rest))
        except EvaluationError as error:
            raise scope.error(at, error.message) from None
        return scope.apply(matcher, (value,), BOOL, at=at)
    run = patterns.like if name == "like" else patterns.ilike
    return scope.apply(run, (value, *rest), BOOL, at=at)


def regex(scope: Scope, name: str, arguments: list[Code], at: int) -> Code:
    """``value ~ pattern``, or ``~*``."""
    value, pattern = (_pattern_text(scope, argument, at) for argument in arguments)
    if pattern.is_null:
        return scope.constant(BOOL, None)
    if not pattern.is_constant:
        raise scope.error(at, "a regular expression has to be a literal")
    try:
        matcher = patterns.regex_matcher(pattern.constant, name == "~*")
    except ValueError as error:
        raise scope.error(at, str(error)) from None
    return scope.apply(matcher, (value,), BOOL, at=at)


def _pattern_text(scope: Scope, code: Code, at: int) -> Code:
    """Convert to text; patterns see the spaces at the end of a ``character(n)``."""
    if code.type is BPCHAR:
        return Code(TEXT, code.value, code.guards, code.constant, code.fails)
    return scope.converted(code, TEXT, at)


def _any(items: list[Any], test: Callable[[Any], bool]) -> bool | None:
    unknown = False
    for item in _flat(items):
        if item is None:
            unknown = True
        elif test(item):
            return True
    return None if unknown else False


def _all(items: list[Any], test: Callable[[Any], bool]) -> bool | None:
    unknown = False
    for item in _flat(items):
        if item is None:
            unknown = True
        elif not test(item):
            return False
    return None if unknown else True


def _flat(items: list[Any]) -> list[Any]:
    if items and isinstance(items[0], list):
        return [item for inner in items for item in _flat(inner)]
    return items


def is_ordered(sql_type: SqlType) -> bool:
    """Whether ``<`` is known for values of a type."""
    return sql_type in ORDERED
