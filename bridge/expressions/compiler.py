"""From a tree and a relation to a Python function: types are found, conversions put in.

Names and literals of the expression are never written into the source of the function: they are
values that it finds under names of ours (``c0``, ``f1``, ...).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from bridge.core.errors import ConfigError
from bridge.core.events import ABSENT, CdcEvent, PartialRow, Texts
from bridge.core.relation import Relation
from bridge.expressions import numbers, patterns
from bridge.expressions.casts import conversion, from_text
from bridge.expressions.conversion import Function, texts_of
from bridge.expressions.errors import EvaluationError, wrong
from bridge.expressions.functions import FUNCTIONS, LIKE, OPERATORS, SPECIAL, Overload
from bridge.expressions.names import EVENT_NAMES, OPERATIONS, nearest
from bridge.expressions.tree import (
    Call,
    Case,
    Cast,
    ColumnName,
    Constant,
    EventName,
    Node,
)
from bridge.expressions.types import (
    BOOL,
    BPCHAR,
    DATE,
    FLOAT4,
    FLOAT8,
    INT2,
    INT4,
    INT8,
    JSON,
    NUMERIC,
    PG_LSN,
    TEXT,
    TIME,
    TIMESTAMP,
    TIMESTAMPTZ,
    UNKNOWN,
    UUID,
    SqlType,
    array_of,
    column_type,
    common_type,
    converts,
    type_named,
)

Evaluate = Callable[[CdcEvent], Any]

_NOT_CONSTANT: Final = object()


@dataclass(frozen=True, slots=True)
class Code:
    """Python for a value.

    It is NULL if one of ``guards`` is true, which also give names to what ``value`` reads; else it
    is ``value``, which then is not None.

    Attributes:
        type: of the value.
        value: an expression in Python.
        guards: expressions in Python, evaluated from the left.
        constant: the value itself, where it does not depend on the event.
    """

    type: SqlType
    value: str
    guards: tuple[str, ...] = ()
    constant: Any = field(default=_NOT_CONSTANT)

    @property
    def is_constant(self) -> bool:
        return self.constant is not _NOT_CONSTANT

    @property
    def is_null(self) -> bool:
        """Whether it is NULL for every event."""
        return self.constant is None

    def whole(self) -> str:
        """Return Python for the value or None."""
        if self.is_null:
            return "None"
        if not self.guards:
            return self.value
        if len(self.guards) == 1 and self.guards[0] == f"({self.value} := {self._source}) is None":
            return self._source
        return f"(None if {' or '.join(self.guards)} else {self.value})"

    @property
    def _source(self) -> str:
        """Python of a guard that gives its name to the value, ``(t1 := source) is None``."""
        head = f"({self.value} := "
        guard = self.guards[0]
        return guard[len(head) : -len(") is None")] if guard.startswith(head) else ""


_ORDERED: Final = frozenset(
    (INT2, INT4, INT8, NUMERIC, FLOAT4, FLOAT8, BOOL, TEXT, BPCHAR)
    + (DATE, TIMESTAMP, TIMESTAMPTZ, TIME, UUID, PG_LSN)
)
_PYTHON: Final = {"=": "==", "<>": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}


def compile_tree(
    text: str, tree: Node, relation: Relation | None, expected: SqlType | None
) -> Evaluate:
    """Return the function that evaluates an expression over events of a relation.

    Args:
        text: the expression, for errors.
        tree: the expression as it was read.
        relation: of the events; None for an expression that reads no column.
        expected: the type that the result has to have; None for any.

    Raises:
        ConfigError: with the place, for an unknown column, or types that do not fit.
    """
    return _Compiler(text, relation).function(tree, expected)


class _Compiler:
    def __init__(self, text: str, relation: Relation | None) -> None:
        self._text = text
        self._relation = relation
        self._columns = relation.columns if relation is not None else ()
        self._places = {column.name: i for i, column in enumerate(self._columns)}
        self._names: dict[str, Any] = {
            "PartialRow": PartialRow,
            "completed": _completed,
            "nulls": (None,) * len(self._columns),
            "operations": OPERATIONS,
            "type": type,
            "len": len,
        }
        self._rows: set[str] = set()
        self._temporaries = 0

    def function(self, tree: Node, expected: SqlType | None) -> Evaluate:
        code = self._code(tree)
        if expected is not None:
            code = self._converted(code, expected, tree.at)
        elif code.type is UNKNOWN:
            code = self._converted(code, TEXT, tree.at)
        output = texts_of(code.type).output
        if expected is None and output is not None:
            code = self._apply(output, (code,), code.type)
        source = "\n".join(
            ["def evaluate(event):", *self._prologue(), f"    return {code.whole()}"]
        )
        try:
            exec(compile(source, "<expression>", "exec"), self._names)  # noqa: S102
        except (RecursionError, MemoryError, SyntaxError):
            # Python's own parser has a limit, too.
            raise wrong(self._text, 0, "the expression is nested too deeply") from None
        evaluate: Evaluate = self._names["evaluate"]
        return evaluate

    def _prologue(self) -> list[str]:
        """Return the lines that give names to the rows."""
        lines = []
        if "new" in self._rows:
            lines += [
                "    new = event.new or nulls",
                "    if type(new) is PartialRow: new = completed(new, event.old)",
            ]
        if "row" in self._rows:
            lines += [
                "    row = event.new or event.old or nulls",
                "    if type(row) is PartialRow: row = completed(row, event.old)",
            ]
        if "old" in self._rows:
            lines += [
                "    old = event.old or nulls",
                "    if type(old) is PartialRow: old = completed(old, None)",
            ]
        return lines

    # Names of our own

    def _temporary(self) -> str:
        self._temporaries += 1
        return f"t{self._temporaries}"

    def _bind(self, prefix: str, value: object) -> str:
        for name, known in self._names.items():
            if known is value and name.startswith(prefix):
                return name
        name = f"{prefix}{len(self._names)}"
        self._names[name] = value
        return name

    def _constant(self, sql_type: SqlType, value: object) -> Code:
        if value is None:
            return Code(sql_type, "None", (), None)
        return Code(sql_type, self._bind("c", value), (), value)

    def _nullable(self, sql_type: SqlType, source: str) -> Code:
        name = self._temporary()
        return Code(sql_type, name, (f"({name} := {source}) is None",))

    def _error(self, at: int, problem: str) -> ConfigError:
        return wrong(self._text, at, problem)

    # Nodes

    def _code(self, node: Node) -> Code:
        match node:
            case Constant():
                return self._literal(node)
            case ColumnName():
                return self._column(node)
            case EventName():
                sql_type, source = EVENT_NAMES[node.name]
                return self._nullable(sql_type, source)
            case Cast():
                return self._cast(node)
            case Case():
                return self._case(node)
            case Call():
                return self._call(node)

    def _literal(self, node: Constant) -> Code:
        match node.kind:
            case "null":
                return self._constant(UNKNOWN, None)
            case "boolean":
                return self._constant(BOOL, node.text == "True")
            case "text":
                if "\0" in node.text:
                    raise self._error(node.at, "a text cannot hold the character NUL")
                return self._constant(UNKNOWN, node.text)
            case "number":
                return self._number(node)

    def _number(self, node: Constant) -> Code:
        try:
            if node.text.lstrip("-").isdigit() and len(node.text) < 20:
                value = int(node.text)
                if -(2**31) <= value < 2**31:
                    return self._constant(INT4, value)
                if -(2**63) <= value < 2**63:
                    return self._constant(INT8, value)
            return self._constant(NUMERIC, numbers.parse_numeric(node.text))
        except (ValueError, EvaluationError):
            raise self._error(node.at, "this is no number") from None

    def _column(self, node: ColumnName) -> Code:
        place = self._places.get(node.name)
        relation = self._relation
        if place is None:
            if relation is not None and relation.schema is None:
                return self._constant(UNKNOWN, None)  # a logical message is no row
            raise self._error(node.at, self._unknown_column(node))
        self._rows.add(node.row)
        sql_type = column_type(self._columns[place])
        load = texts_of(sql_type).load
        text = self._nullable(sql_type, f"{node.row}[{place}]")
        if load is None:
            return text
        if sql_type is BOOL:
            return Code(BOOL, f'({text.value} == "t")', text.guards)
        return Code(sql_type, f"{self._bind('f', load)}({text.value})", text.guards)

    def _unknown_column(self, node: ColumnName) -> str:
        assert self._relation is not None
        known = [*self._places, *(EVENT_NAMES if node.row == "row" else ())]
        table = self._relation.qualified_name
        return f"{table} has no column {node.name}{nearest(node.name, known)}"

    def _cast(self, node: Cast) -> Code:
        target = type_named(node.type_name)
        assert target is not None
        value = self._code(node.value)
        if value.type is UNKNOWN:
            code = self._converted(value, target, node.at)
        else:
            convert = conversion(value.type, target)
            if convert is None:
                raise self._error(node.at, f"{value.type} cannot be cast to {target}")
            code = self._apply(convert, (value,), target, at=node.at)
        if not node.modifiers:
            return code
        if target is NUMERIC and len(node.modifiers) <= 2:
            limit = [self._constant(INT4, modifier) for modifier in node.modifiers]
            return self._apply(numbers.limited_numeric, (code, *limit), NUMERIC, at=node.at)
        if target is TEXT and len(node.modifiers) == 1:
            count = self._constant(INT4, node.modifiers[0])
            return self._apply("{0}[:{1}]", (code, count), TEXT, at=node.at)
        raise self._error(node.at, f"expressions do not support {target} with a length")

    def _case(self, node: Case) -> Code:
        results = [self._code(result) for _, result in node.branches]
        if node.otherwise is not None:
            results.append(self._code(node.otherwise))
        results = self._in_common(results, node.at, "the branches of CASE")
        source = results.pop().whole() if node.otherwise is not None else "None"
        for (condition, _), result in reversed(list(zip(node.branches, results, strict=True))):
            test = self._converted(self._code(condition), BOOL, condition.at)
            source = f"({result.whole()} if {test.whole()} else {source})"
        return self._nullable(results[0].type, source)

    def _call(self, node: Call) -> Code:
        name, at = node.name, node.at
        if name in ("and", "or"):
            return self._logic(node)
        arguments = [self._code(argument) for argument in node.arguments]
        match name:
            case "not":
                value = self._converted(arguments[0], BOOL, at)
                return self._apply("not {0}", (value,), BOOL)
            case "is null":
                return self._is_null(arguments[0])
            case "is true" | "is false":
                value = self._converted(arguments[0], BOOL, at)
                return Code(BOOL, f"({value.whole()} is {name == 'is true'})")
            case "is distinct from" | "is not distinct from":
                return self._distinct(name, arguments, at)
            case "in":
                return self._in(arguments, node)
            case "like" | "ilike":
                return self._like(name, arguments, at)
            case "~" | "~*":
                return self._regex(name, arguments, at)
        if name in _PYTHON:
            return self._compare(name, arguments[0], arguments[1], at)
        if name in SPECIAL:
            return self._special(name, arguments, at)
        operator, _, quantifier = name.partition(" ")
        if quantifier in ("any", "all"):
            return self._quantified(operator, quantifier, arguments, at)
        return self._overloaded(name, arguments, at)

    # Applying

    def _apply(
        self,
        run: str | Function,
        arguments: tuple[Code, ...],
        result: SqlType,
        *,
        nullable: bool = False,
        at: int = 0,
    ) -> Code:
        """Apply something strict: NULL if an argument is NULL."""
        if any(argument.is_null for argument in arguments):
            return self._constant(result, None)
        if not isinstance(run, str) and all(argument.is_constant for argument in arguments):
            try:
                return self._constant(result, run(*(a.constant for a in arguments)))
            except EvaluationError as error:
                raise self._error(at, error.message) from None
        guards = tuple(guard for argument in arguments for guard in argument.guards)
        values = [argument.value for argument in arguments]
        if isinstance(run, str):
            source = f"({run.format(*values)})"
        else:
            source = f"{self._bind('f', run)}({', '.join(values)})"
        if not nullable:
            return Code(result, source, guards)
        name = self._temporary()
        return Code(result, name, (*guards, f"({name} := {source}) is None"))

    def _converted(self, code: Code, target: SqlType, at: int) -> Code:
        """Convert without a cast."""
        if code.type == target:
            return code
        if code.type is UNKNOWN:
            if code.is_null:
                return self._constant(target, None)
            try:
                return self._constant(target, from_text(target)(code.constant))
            except EvaluationError:
                raise self._error(at, f"this text is no {target}") from None
        convert = conversion(code.type, target) if converts(code.type, target) else None
        if convert is None:
            raise self._error(at, f"{code.type} stands where {target} is needed; cast it")
        return self._apply(convert, (code,), target, at=at)

    def _in_common(self, codes: list[Code], at: int, what: str) -> list[Code]:
        common = common_type([code.type for code in codes])
        if common is None:
            names = " and ".join(dict.fromkeys(str(code.type) for code in codes))
            raise self._error(at, f"{what} have types that do not fit: {names}; cast one side")
        return [self._converted(code, common, at) for code in codes]

    def _overloaded(self, name: str, arguments: list[Code], at: int) -> Code:
        overloads = OPERATORS.get(name) or FUNCTIONS[name]
        types = tuple(argument.type for argument in arguments)
        chosen = self._choose(overloads, types)
        if chosen is None:
            listed = ", ".join(map(str, types))
            raise self._error(at, f"{name} does not take ({listed})")
        converted = tuple(
            self._converted(argument, wanted, at)
            for argument, wanted in zip(arguments, chosen.arguments, strict=True)
        )
        return self._apply(chosen.run, converted, chosen.result, nullable=chosen.nullable, at=at)

    def _choose(
        self, overloads: tuple[Overload, ...], types: tuple[SqlType, ...]
    ) -> Overload | None:
        fitting = [o for o in overloads if len(o.arguments) == len(types)]
        for overload in fitting:
            if overload.arguments == types:
                return overload
        for overload in fitting:
            if all(map(converts, types, overload.arguments)):
                return overload
        return None

    # Comparing

    def _compare(self, operator: str, left: Code, right: Code, at: int) -> Code:
        left, right = self._in_common([left, right], at, f"the sides of {operator}")
        sql_type = left.type
        if sql_type is JSON:
            raise self._error(at, "json has no equality; take members with ->>, or cast to text")
        if operator not in ("=", "<>") and sql_type not in _ORDERED:
            raise self._error(at, f"the order of {sql_type} is not known here; cast to text")
        if sql_type is BPCHAR:
            return self._apply(
                f'{{0}}.rstrip(" ") {_PYTHON[operator]} {{1}}.rstrip(" ")', (left, right), BOOL
            )
        return self._apply(f"{{0}} {_PYTHON[operator]} {{1}}", (left, right), BOOL)

    def _is_null(self, value: Code) -> Code:
        if value.is_constant:
            return self._constant(BOOL, value.is_null)
        if not value.guards:
            return self._constant(BOOL, False)
        return Code(BOOL, f"({value.whole()} is None)")

    def _distinct(self, name: str, arguments: list[Code], at: int) -> Code:
        left, right = self._in_common(arguments, at, f"the sides of {name}")
        one, other = (
            self._nullable(left.type, left.whole()),
            self._nullable(right.type, right.whole()),
        )
        test = self._compare("<>", Code(left.type, one.value), Code(right.type, other.value), at)
        source = (
            f"(({other.guards[0]}) is False if {one.guards[0]} else"
            f" True if {other.guards[0]} else {test.value})"
        )
        return Code(BOOL, source if name == "is distinct from" else f"(not {source})")

    def _in(self, arguments: list[Code], node: Call) -> Code:
        value, *items = self._in_common(arguments, node.at, "the values of IN")
        if (
            value.type in _ORDERED
            and value.type is not BPCHAR
            and all(i.is_constant for i in items)
        ):
            known = frozenset(i.constant for i in items if i.constant is not None)
            name = self._bind("c", known)
            found = self._apply(f"{{0}} in {name}", (value,), BOOL)
            if any(item.is_null for item in items):
                return self._apply("True if {0} else None", (found,), BOOL, nullable=True)
            return found
        held = self._nullable(value.type, value.whole())
        tests = [self._compare("=", Code(held.type, held.value), i, node.at) for i in items]
        return Code(BOOL, *_split(self._any_of(tests), held.guards))

    def _any_of(self, tests: list[Code]) -> Code:
        return self._combined(tests, "True", "False")

    def _logic(self, node: Call) -> Code:
        operands = [
            self._converted(self._code(argument), BOOL, argument.at) for argument in node.arguments
        ]
        decisive, other = ("False", "True") if node.name == "and" else ("True", "False")
        return self._combined(operands, decisive, other)

    def _combined(self, operands: list[Code], decisive: str, other: str) -> Code:
        """Combine in three-valued logic: one that is ``decisive`` decides, else NULL, else other."""
        names = [self._temporary() for _ in operands]
        tests = " or ".join(
            f"({name} := {operand.whole()}) is {decisive}"
            for name, operand in zip(names, operands, strict=True)
        )
        doubtful = [
            f"{name} is None"
            for name, operand in zip(names, operands, strict=True)
            if operand.guards or operand.is_null
        ]
        if not doubtful:
            return Code(BOOL, f"({decisive} if {tests} else {other})")
        return self._nullable(
            BOOL, f"({decisive} if {tests} else None if {' or '.join(doubtful)} else {other})"
        )

    def _quantified(self, operator: str, quantifier: str, arguments: list[Code], at: int) -> Code:
        value, array = arguments
        if array.type is UNKNOWN:
            array = self._converted(array, array_of(value.type), at)
        if array.type.element is None:
            raise self._error(at, f"{quantifier}() needs an array, not {array.type}")
        items_type = array.type.element
        item = Code(items_type, "item")
        left, right = self._in_common([value, item], at, f"the sides of {operator}")
        held = self._temporary()
        test = self._compare(operator, Code(left.type, held), right, at)
        scan = self._bind("f", _any if quantifier == "any" else _all)
        guarded = Code(left.type, held, (*left.guards, f"({held} := {left.value}) is None"))
        return self._apply(
            f"{scan}({{1}}, lambda item, {held}={{0}}: {test.value})",
            (guarded, array),
            BOOL,
            nullable=True,
        )

    # Patterns

    def _like(self, name: str, arguments: list[Code], at: int) -> Code:
        codes = [self._as_text(argument, at) for argument in arguments]
        if all(code.is_constant and not code.is_null for code in codes[1:]):
            pattern, escape = codes[1].constant, codes[2].constant if len(codes) > 2 else "\\"
            try:
                matcher = patterns.like_matcher(pattern, escape, name == "ilike")
            except EvaluationError as error:
                raise self._error(at, error.message) from None
            return self._apply(matcher, (codes[0],), BOOL, at=at)
        return self._apply(LIKE[name], tuple(codes), BOOL, at=at)

    def _regex(self, name: str, arguments: list[Code], at: int) -> Code:
        value, pattern = (self._as_text(argument, at) for argument in arguments)
        if pattern.is_null:
            return self._constant(BOOL, None)
        if not pattern.is_constant:
            raise self._error(at, "a regular expression has to be a literal")
        try:
            matcher = patterns.regex_matcher(pattern.constant, name == "~*")
        except ValueError as error:
            raise self._error(at, str(error)) from None
        return self._apply(matcher, (value,), BOOL, at=at)

    def _as_text(self, code: Code, at: int) -> Code:
        """Patterns see the spaces at the end of a ``character(n)``."""
        return (
            Code(TEXT, code.value, code.guards, code.constant)
            if code.type is BPCHAR
            else (self._converted(code, TEXT, at))
        )

    # Functions that are not strict

    def _special(self, name: str, arguments: list[Code], at: int) -> Code:
        match name:
            case "concat":
                return self._concat(arguments, at)
            case "nullif":
                return self._nullif(arguments, at)
        arguments = (
            self._in_common(arguments, at, f"the arguments of {name}()") if arguments else []
        )
        match name:
            case "coalesce":
                return self._coalesce(arguments)
            case "array":
                if not arguments:
                    raise self._error(at, "an empty array is written '{}'")
                wholes = ", ".join(argument.whole() for argument in arguments)
                return Code(array_of(arguments[0].type), f"[{wholes}]")
        if arguments[0].type not in _ORDERED:
            raise self._error(at, f"the order of {arguments[0].type} is not known here")
        choose = self._bind("f", _greatest if name == "greatest" else _least)
        wholes = ", ".join(argument.whole() for argument in arguments)
        return self._nullable(arguments[0].type, f"{choose}({wholes})")

    def _coalesce(self, arguments: list[Code]) -> Code:
        *first, last = arguments
        source = last.whole()
        for argument in reversed(first):
            name = self._temporary()
            source = f"({source} if ({name} := {argument.whole()}) is None else {name})"
        return self._nullable(last.type, source)

    def _nullif(self, arguments: list[Code], at: int) -> Code:
        value, other = arguments
        if value.type is UNKNOWN:
            value = self._converted(value, TEXT if other.type is UNKNOWN else other.type, at)
        held = self._nullable(value.type, value.whole())
        equal = self._compare("=", Code(held.type, held.value), other, at)
        return Code(
            value.type,
            held.value,
            (*held.guards, f"{equal.whole()}"),
        )

    def _concat(self, arguments: list[Code], at: int) -> Code:
        parts = []
        for argument in arguments:
            if argument.type is BPCHAR:
                parts.append(argument.whole())
            elif argument.type is BOOL:
                parts.append(self._apply('"t" if {0} else "f"', (argument,), TEXT).whole())
            else:
                convert = conversion(argument.type, TEXT)
                if argument.type is UNKNOWN:
                    argument = self._converted(argument, TEXT, at)
                elif convert is None:
                    raise self._error(at, f"concat() does not take {argument.type}")
                else:
                    argument = self._apply(convert, (argument,), TEXT, at=at)
                parts.append(argument.whole())
        return Code(TEXT, f"{self._bind('f', _joined)}({', '.join(parts)})")


def _split(code: Code, guards: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    return code.value, (*guards, *code.guards)


def _completed(row: Texts, old: Texts | None) -> Texts:
    """Return a row with what was not sent taken from the old row, or NULL."""
    if old is None:
        return tuple(None if text is ABSENT else text for text in row)
    return tuple(
        (None if before is ABSENT else before) if text is ABSENT else text
        for text, before in zip(row, old, strict=True)
    )


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


def _greatest(*values: Any) -> Any:
    return max((value for value in values if value is not None), default=None)


def _least(*values: Any) -> Any:
    return min((value for value in values if value is not None), default=None)


def _joined(*parts: str | None) -> str:
    return "".join(part for part in parts if part is not None)
