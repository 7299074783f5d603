"""From a tree and a relation to a Python function: types are found, conversions put in."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from bridge.core.events import ABSENT, CdcEvent, PartialRow, Texts
from bridge.core.relation import Relation
from bridge.expressions import numbers, predicates
from bridge.expressions.casts import conversion
from bridge.expressions.choices import case, choice, concatenated
from bridge.expressions.code import Code, Scope
from bridge.expressions.conversion import texts_of
from bridge.expressions.errors import EvaluationError, wrong
from bridge.expressions.functions import FUNCTIONS, OPERATORS, SPECIAL, Overload
from bridge.expressions.names import EVENT_NAMES, OPERATIONS, nearest
from bridge.expressions.tree import Call, Case, Cast, ColumnName, Constant, Earlier, EventName, Node
from bridge.expressions.types import (
    BOOL,
    INT4,
    INT8,
    NUMERIC,
    TEXT,
    UNKNOWN,
    SqlType,
    column_type,
    converts,
    type_named,
)

Evaluate: TypeAlias = Callable[[CdcEvent], Any]


def compile_tree(
    text: str, tree: Node, relation: Relation | None, expected: SqlType | None
) -> Evaluate:
    """Return the function that evaluates an expression over events of a relation.

    For ``amount > 100 and status = 'paid'`` its source is about::

        def evaluate(event):
            row = event.new or event.old or nulls
            if type(row) is PartialRow:
                row = completed(row, event.old)
            return (
                False
                if (t3 := None if (t1 := row[3]) is None else c7(t1) > c8) is False
                or (t4 := None if (t2 := row[4]) is None else t2 == c9) is False
                else None if t3 is None or t4 is None else True
            )

    Args:
        text: the expression, for errors.
        tree: the expression as it was read.
        relation: of the events; None for an expression that reads no column.
        expected: the type that the result has to have; None for any.

    Raises:
        ConfigError: with the place, for an unknown column, or types that do not fit.
    """
    compiler = _Compiler(text, relation)
    code = compiler.typed(tree, expected)
    return compiler.function(code if expected is not None else compiler.shown(code))


def compile_typed(
    text: str, tree: Node, relation: Relation | None, expected: SqlType | None
) -> tuple[SqlType, Evaluate]:
    """Return the type of an expression, and the function that gives its values as they are held.

    How values are held is said in ``bridge.expressions.types``. Arguments and errors are those of
    ``compile_tree``.
    """
    compiler = _Compiler(text, relation)
    code = compiler.typed(tree, expected)
    return code.type, compiler.function(code)


class _Compiler:
    def __init__(self, text: str, relation: Relation | None) -> None:
        self._relation = relation
        self._columns = relation.columns if relation is not None else ()
        self._places = {column.name: i for i, column in enumerate(self._columns)}
        self._rows: set[str] = set()
        self._scope = Scope(
            text,
            {
                "PartialRow": PartialRow,
                "completed": _completed,
                "nulls": (None,) * len(self._columns),
                "operations": OPERATIONS,
                "type": type,
                "len": len,
            },
        )

    def typed(self, tree: Node, expected: SqlType | None) -> Code:
        """Return the code of a tree, which is of a type that is known, or of the one expected."""
        code = self._code(tree)
        if expected is None and code.type is UNKNOWN:
            expected = TEXT
        return code if expected is None else self._scope.converted(code, expected, tree.at)

    def shown(self, code: Code) -> Code:
        """Return the code of the same value as an expression gives it to its caller."""
        output = texts_of(code.type).output
        return code if output is None else self._scope.apply(output, (code,), code.type)

    def function(self, code: Code) -> Evaluate:
        scope = self._scope
        lines = ["def evaluate(event):", *self._prologue(), f"    return {code.whole}"]
        try:
            exec(compile("\n".join(lines), "<expression>", "exec"), scope.names)  # noqa: S102
        except (RecursionError, MemoryError, SyntaxError):
            # Python's own parser has a limit, too.
            raise wrong(scope.text, 0, "the expression is nested too deeply") from None
        evaluate: Evaluate = scope.names["evaluate"]
        return evaluate

    def _prologue(self) -> list[str]:
        """Return the lines that give names to the rows."""
        rows = {
            "new": ("event.new or nulls", "event.old"),
            "row": ("event.new or event.old or nulls", "event.old"),
            "old": ("event.old or nulls", "None"),
        }
        return [
            line
            for name in sorted(self._rows)
            for source, before in (rows.get(name, rows["row"]),)
            for line in (
                f"    {name} = {source}",
                f"    if type({name}) is PartialRow: {name} = completed({name}, {before})",
            )
        ]

    def _code(self, node: Node) -> Code:
        match node:
            case Constant():
                return self._literal(node)
            case ColumnName():
                return self._column(node)
            case Earlier():
                return self._column(ColumnName("row", node.label, node.at))
            case EventName():
                sql_type, source = EVENT_NAMES[node.name]
                return self._scope.nullable(sql_type, source)
            case Cast():
                return self._cast(node)
            case Case():
                return self._case(node)
            case Call():
                return self._call(node)

    def _case(self, node: Case) -> Code:
        unreached = self._scope.unreached
        branches, decided = [], False
        for when, then in node.branches:
            with unreached(decided):
                condition = self._condition(when)
            with unreached(decided or condition.constant in (False, None)):
                branches.append((condition, self._code(then)))
            decided = decided or condition.constant is True
        with unreached(decided):
            otherwise = None if node.otherwise is None else self._code(node.otherwise)
        return case(self._scope, branches, otherwise, node.at)

    def _in_turn(
        self, nodes: Iterable[Node], code: Callable[[Node], Code], decides: Callable[[Code], bool]
    ) -> list[Code]:
        """Return the codes; those behind one that decides are not reached."""
        codes: list[Code] = []
        for node in nodes:
            with self._scope.unreached(any(map(decides, codes))):
                codes.append(code(node))
        return codes

    def _condition(self, node: Node) -> Code:
        return self._scope.converted(self._code(node), BOOL, node.at)

    def _literal(self, node: Constant) -> Code:
        scope = self._scope
        match node.kind:
            case "null":
                return scope.constant(UNKNOWN, None)
            case "boolean":
                return scope.constant(BOOL, node.text == "true")
            case "text":
                if "\0" in node.text:
                    raise scope.error(node.at, "a text cannot hold the character NUL")
                return scope.constant(UNKNOWN, node.text)
            case "number":
                return self._number(node)

    def _number(self, node: Constant) -> Code:
        scope = self._scope
        digits = node.text.removeprefix("-")
        if digits.isdecimal() and len(digits) < 20:
            # The sign does not count: -2147483648 is the negative of a bigint.
            for sql_type, limit in ((INT4, 2**31), (INT8, 2**63)):
                if int(digits) < limit:
                    return scope.constant(sql_type, int(node.text))
        try:
            return scope.constant(NUMERIC, numbers.parse_numeric(node.text))
        except (ValueError, EvaluationError):
            raise scope.error(node.at, "this is no number that a numeric holds") from None

    def _column(self, node: ColumnName) -> Code:
        scope, relation = self._scope, self._relation
        place = self._places.get(node.name)
        if place is None:
            if relation is not None and relation.schema is None:
                return scope.constant(UNKNOWN, None)  # a logical message has no row
            raise scope.error(node.at, self._unknown_column(node))
        self._rows.add(node.row)
        sql_type = column_type(self._columns[place])
        load = texts_of(sql_type).load
        text = scope.nullable(sql_type, f"{node.row}[{place}]")
        if load is None:
            return text
        if sql_type is BOOL:
            return Code(BOOL, f'({text.value} == "t")', text.guards)
        fails = sql_type.element is not None
        return Code(sql_type, f"{scope.bind(load)}({text.value})", text.guards, fails=fails)

    def _unknown_column(self, node: ColumnName) -> str:
        table = "the event" if self._relation is None else self._relation.qualified_name
        known = [*self._places, *(EVENT_NAMES if node.row == "row" else ())]
        return f"{table} has no column {node.name}{nearest(node.name, known)}"

    def _cast(self, node: Cast) -> Code:
        scope, at = self._scope, node.at
        target = type_named(node.type_name)
        assert target is not None
        value = self._code(node.value)
        if value.type is UNKNOWN:
            code = scope.converted(value, target, at)
        else:
            convert = conversion(value.type, target)
            if convert is None:
                raise scope.error(at, f"{value.type} cannot be cast to {target}")
            code = scope.apply(convert, (value,), target, at=at)
        if not node.modifiers:
            return code
        limits = tuple(scope.constant(INT4, modifier) for modifier in node.modifiers)
        if target is NUMERIC and len(limits) <= 2:
            return scope.apply(numbers.limited_numeric, (code, *limits), NUMERIC, at=at)
        if target is TEXT and len(limits) == 1:
            return scope.apply("{0}[:{1}]", (code, *limits), TEXT)
        raise scope.error(at, f"expressions do not support a length of {target}")

    def _call(self, node: Call) -> Code:
        scope, name, at = self._scope, node.name, node.at
        if name in ("and", "or"):
            decisive = name == "or"
            operands = self._in_turn(
                node.arguments, self._condition, lambda code: code.constant is decisive
            )
            return scope.combined(operands, decisive)
        if name in ("not", "is true", "is false"):
            value = self._condition(node.arguments[0])
            if name == "not":
                return scope.apply("not {0}", (value,), BOOL)
            source = f"({value.whole} is {name == 'is true'})"
            if value.is_constant:
                return scope.computed(BOOL, source, at)
            return Code(BOOL, source, fails=value.fails)
        if name == "coalesce":
            arguments = self._in_turn(
                node.arguments, self._code, lambda code: code.is_constant and not code.is_null
            )
        else:
            arguments = [self._code(argument) for argument in node.arguments]
        code = self._applied(name, arguments, at)
        if all(argument.is_constant for argument in arguments) and not code.is_constant:
            return scope.computed(code.type, code.whole, at)
        return code

    def _applied(self, name: str, arguments: list[Code], at: int) -> Code:
        scope = self._scope
        if name in predicates.COMPARISONS:
            return predicates.compare(scope, name, arguments[0], arguments[1], at)
        if name in SPECIAL:
            return choice(scope, name, arguments, at)
        match name:
            case "is null":
                return predicates.is_null(scope, arguments[0])
            case "is distinct from":
                return predicates.is_distinct(scope, arguments, at)
            case "is not distinct from":
                distinct = predicates.is_distinct(scope, arguments, at)
                return scope.apply("not {0}", (distinct,), BOOL)
            case "in":
                return predicates.is_in(scope, arguments, at)
            case "like" | "ilike":
                return predicates.like(scope, name, arguments, at)
            case "~" | "~*":
                return predicates.regex(scope, name, arguments, at)
            case "||":
                arguments = concatenated(scope, arguments, at)
        operator, _, quantifier = name.partition(" ")
        if quantifier:
            return predicates.quantified(scope, operator, quantifier, arguments, at)
        return self._overloaded(name, arguments, at)

    def _overloaded(self, name: str, arguments: list[Code], at: int) -> Code:
        overloads = OPERATORS.get(name) or FUNCTIONS[name]
        types = tuple(argument.type for argument in arguments)
        nulls = any(argument.is_null for argument in arguments)
        chosen = _choose(overloads, types, nulls=nulls)
        if chosen is None:
            listed = ", ".join("a quoted literal" if t is UNKNOWN else str(t) for t in types)
            raise self._scope.error(at, f"{name} does not take ({listed}); a cast may help")
        converted = tuple(
            self._scope.converted(argument, wanted, at)
            for argument, wanted in zip(arguments, chosen.arguments, strict=True)
        )
        return self._scope.apply(
            chosen.run, converted, chosen.result, at=at, nullable=chosen.nullable
        )


def _choose(
    overloads: tuple[Overload, ...], types: tuple[SqlType, ...], *, nulls: bool
) -> Overload | None:
    """Return the overload that PostgreSQL would take: the exact one, or the first to convert to."""
    fitting = [o for o in overloads if len(o.arguments) == len(types)]
    for overload in fitting:
        if overload.arguments == types:
            return overload
    convertible = [o for o in fitting if all(map(converts, types, o.arguments))]
    if len(convertible) > 1 and all(t is UNKNOWN for t in types) and not nulls:
        return None  # two literals do not tell what they are
    return convertible[0] if convertible else None


def _completed(row: Texts, old: Texts | None) -> Texts:
    """Return a row with what was not sent taken from the old row, or NULL."""
    if old is None:
        return tuple(None if text is ABSENT else text for text in row)
    return tuple(
        (None if before is ABSENT else before) if text is ABSENT else text
        for text, before in zip(row, old, strict=True)
    )
