"""From the text of an expression to its tree: sqlglot reads, and what it read is checked.

Only what is listed here passes. sqlglot reads more SQL than PostgreSQL has, and binds a few
operators otherwise; where the two would not agree, parentheses are demanded.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from sqlglot import exp
from sqlglot.errors import ErrorLevel, ParseError, TokenError
from sqlglot.tokenizer_core import Token, TokenType

from bridge.core.errors import ConfigError
from bridge.expressions.earlier import FUNCTIONS as EARLIER
from bridge.expressions.earlier import read_earlier
from bridge.expressions.errors import wrong
from bridge.expressions.functions import FUNCTIONS, check_arguments
from bridge.expressions.names import EVENT_NAMES, ROWS, nearest
from bridge.expressions.syntax import (
    AGGREGATES,
    BINARY,
    CLOCK_FUNCTIONS,
    CLOCKS,
    LEFT_ASSOCIATIVE,
    NOT,
    SELECT,
    UNSUPPORTED,
    ExpressionDialect,
    level,
    with_plain_intervals,
)
from bridge.expressions.tree import Call, Case, Cast, ColumnName, Constant, EventName, Node
from bridge.expressions.types import type_named

MAX_LENGTH = 10_000
"""Of an expression, in characters."""

MAX_DEPTH = 40
"""Of an expression: operators, functions and parentheses inside each other."""


def read(text: str, rows: Sequence[str] = ROWS, steps: Collection[str] = ()) -> Node:
    """Return the tree of an expression.

    Args:
        text: the expression.
        rows: what can stand before a column.
        steps: steps of a pattern that can be asked for what they accepted.

    Raises:
        ConfigError: with the place, if it is no expression or holds what is not supported.
    """
    if len(text) > MAX_LENGTH:
        raise ConfigError(f"The expression is longer than {MAX_LENGTH} characters.")
    if not text.strip():
        raise ConfigError("The expression is empty.")
    return _Reader(text, rows, steps).read()


class _Reader:
    def __init__(self, text: str, rows: Sequence[str], steps: Collection[str]) -> None:
        self._text = text
        self._rows = rows
        self._steps = steps
        self._kinds: dict[type[exp.Expr], Callable[[Any, int], Node]] = {
            exp.Paren: lambda node, depth: self._node(node.this, depth),
            exp.Literal: self._literal,
            exp.RawString: lambda node, _: Constant("text", node.name, self._at(node)),
            exp.Boolean: lambda node, _: Constant(
                "boolean", "true" if node.this else "false", self._at(node)
            ),
            exp.Null: lambda node, _: Constant("null", "", self._at(node)),
            exp.Column: self._column,
            exp.Anonymous: self._function,
            exp.Not: self._not,
            exp.Neg: self._negative,
            exp.Is: self._is,
            exp.In: self._in,
            exp.Between: self._between,
            exp.Escape: self._escape,
            exp.Case: self._case,
            exp.Cast: self._cast,
            exp.Array: lambda node, depth: self._call("array", node.expressions, node, depth),
            exp.Extract: self._extract,
            exp.StrPosition: lambda node, depth: self._call(
                "strpos", [node.this, node.args["substr"]], node, depth
            ),
            exp.Substring: lambda node, depth: self._call(
                "substring",
                [a for a in (node.this, node.args.get("start"), node.args.get("length")) if a],
                node,
                depth,
            ),
            exp.Trim: self._trim,
        }

    def read(self) -> Node:
        try:
            return self._node(self._only_expression(self._statements()), 0)
        except RecursionError:
            raise self._too_deep(0) from None

    def _statements(self) -> list[exp.Expr | None]:
        try:
            tokens = ExpressionDialect().tokenize(SELECT + self._text)
            self._bound_nesting(tokens)
            parser = ExpressionDialect().parser(error_level=ErrorLevel.IMMEDIATE)
            return parser.parse(with_plain_intervals(tokens), SELECT + self._text)
        except ParseError as error:
            place = error.errors[0] if error.errors else {}
            raise self._syntax_error(place.get("line"), place.get("col")) from None
        except TokenError:
            end = len(self._text)
            raise wrong(self._text, end, "a quotation or comment is not closed") from None
        except (ConfigError, RecursionError):
            raise
        except Exception:  # a parser that stumbles has not read an expression
            raise self._syntax_error(None, None) from None

    def _syntax_error(self, line: int | None, column: int | None) -> ConfigError:
        """Place a syntax error: sqlglot counts lines and columns, of the last character, from 1."""
        if line is None or column is None:
            return wrong(self._text, 0, "this is no expression")
        lines = (SELECT + self._text).splitlines(keepends=True)
        at = sum(map(len, lines[: line - 1])) + column - 1 - len(SELECT)
        return wrong(self._text, at, "the expression cannot be read from about here on")

    def _bound_nesting(self, tokens: list[Token]) -> None:
        """Refuse deep nesting before the parser, which recurses, meets it."""
        opening = {TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE, TokenType.CASE}
        closing = {TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE, TokenType.END}
        prefixes = {TokenType.NOT, TokenType.DASH, TokenType.PLUS, TokenType.TILDE}
        depth = run = 0
        for token in tokens:
            depth += (token.token_type in opening) - (token.token_type in closing)
            run = run + 1 if token.token_type in prefixes else 0
            if depth + run > MAX_DEPTH:
                raise self._too_deep(token.start - len(SELECT))

    def _too_deep(self, at: int) -> ConfigError:
        return wrong(self._text, at, f"the expression is nested more than {MAX_DEPTH} levels deep")

    def _only_expression(self, statements: list[exp.Expr | None]) -> exp.Expr:
        found = [statement for statement in statements if statement is not None]
        if len(found) > 1:
            raise wrong(self._text, self._text.find(";"), "only one expression can stand here")
        select = found[0] if found else None
        if not isinstance(select, exp.Select) or not select.expressions:
            raise wrong(self._text, 0, "this is no expression")
        for name, part in select.args.items():
            if part and name != "expressions":
                at = self._at(part) if isinstance(part, exp.Expr) else 0
                raise wrong(self._text, at, "only an expression can stand here, no query")
        if len(select.expressions) > 1:
            at = self._at(select.expressions[1])
            raise wrong(self._text, at, "only one expression can stand here")
        only: exp.Expr = select.expressions[0]
        return only

    def _at(self, node: exp.Expr) -> int:
        """Return where a node is; one without a place is where the first below it is."""
        starts = [part.meta["start"] for part in node.walk() if "start" in part.meta]
        return max(0, min(starts) - len(SELECT)) if starts else 0

    def _node(self, node: exp.Expr | None, depth: int) -> Node:
        if node is None:
            raise wrong(self._text, 0, "this is no expression")
        if depth > MAX_DEPTH:
            raise self._too_deep(self._at(node))
        kind = type(node)
        if kind in BINARY:
            return self._binary(node, depth)
        read = self._kinds.get(kind)
        if read is not None:
            return read(node, depth + 1)
        at = self._at(node)
        if kind in CLOCKS:
            raise self._no_clock(at)
        what = UNSUPPORTED.get(kind, f"this ({kind.__name__})")
        raise wrong(self._text, at, f"expressions do not support {what}")

    def _no_clock(self, at: int) -> ConfigError:
        return wrong(
            self._text,
            at,
            "expressions have no clock, so that a repeated event gets the same answer;"
            " use commit_time",
        )

    # Operators

    def _operand(self, node: exp.Expr, parent: exp.Expr, depth: int, *, left: bool = False) -> Node:
        """Read an operand, if PostgreSQL would bind the operators in the same way."""
        inner, outer = level(node), level(parent)
        if inner < outer or (inner == outer and not (left and outer in LEFT_ASSOCIATIVE)):
            raise wrong(
                self._text, self._at(node), "parentheses are needed to tell what belongs together"
            )
        return self._node(node, depth)

    def _binary(self, node: Any, depth: int) -> Node:
        name, _ = BINARY[type(node)]
        at = self._at(node)
        if isinstance(node, exp.And | exp.Or):
            return Call(name, self._chain(node, depth + 1), at)
        left = self._operand(node.this, node, depth + 1, left=True)
        quantified = self._quantified(name, node.expression, left, at, depth + 1)
        if quantified is not None:
            return quantified
        found: Node = Call(name, (left, self._operand(node.expression, node, depth + 1)), at)
        return Call("not", (found,), at) if node.args.get("negate") else found

    def _chain(self, node: Any, depth: int) -> tuple[Node, ...]:
        """Read ``a and b and c``, which may be long, as one list."""
        kind, operands = type(node), []
        while isinstance(node, kind):
            operands.append(self._operand(node.expression, node, depth))
            node, parent = node.this, node
        operands.append(self._operand(node, parent, depth, left=True))
        return tuple(reversed(operands))

    def _quantified(
        self, name: str, right: exp.Expr, left: Node, at: int, depth: int
    ) -> Node | None:
        """Read ``x = any(array)``; None if the right side is something else."""
        if isinstance(right, exp.Any):
            quantifier, array = "any", right.this
        elif (
            isinstance(right, exp.Anonymous)
            and right.name.lower() in ("all", "some")
            and len(right.expressions) == 1
        ):
            quantifier = "all" if right.name.lower() == "all" else "any"
            array = right.expressions[0]
        else:
            return None
        if name not in ("=", "<>", "<", "<=", ">", ">="):
            raise wrong(self._text, at, f"expressions do not support {name} {quantifier}(...)")
        return Call(f"{name} {quantifier}", (left, self._node(array, depth)), at)

    def _not(self, node: exp.Not, depth: int) -> Node:
        value = node.this
        # `a !~ b` and `a not in (...)` arrive as `not (a ~ b)`, without the parentheses.
        read = self._node if level(value) >= NOT else self._refused
        return Call("not", (read(value, depth),), self._at(node))

    def _refused(self, node: exp.Expr, depth: int) -> Node:
        raise wrong(
            self._text, self._at(node), "parentheses are needed to tell what belongs together"
        )

    def _negative(self, node: exp.Neg, depth: int) -> Node:
        value = node.this
        if isinstance(value, exp.Literal) and not value.is_string:
            return Constant("number", f"-{value.name}", self._at(node))
        if isinstance(value, exp.Neg):
            return Call("-", (self._node(value, depth),), self._at(node))
        return Call("-", (self._operand(value, node, depth),), self._at(node))

    def _is(self, node: exp.Is, depth: int) -> Node:
        at = self._at(node)
        tested = node.expression
        value = self._operand(node.this, node, depth)
        if isinstance(tested, exp.Null):
            found: Node = Call("is null", (value,), at)
        elif isinstance(tested, exp.Boolean):
            found = Call("is true" if tested.this else "is false", (value,), at)
        else:
            raise wrong(self._text, at, "IS is followed by NULL, TRUE, FALSE or DISTINCT FROM")
        return Call("not", (found,), at) if node.args.get("negate") else found

    def _in(self, node: exp.In, depth: int) -> Node:
        at = self._at(node)
        if node.args.get("query") or node.args.get("unnest") or node.args.get("field"):
            raise wrong(self._text, at, "IN needs a list of values in parentheses")
        if not node.expressions:
            raise wrong(self._text, at, "IN needs at least one value")
        value = self._operand(node.this, node, depth)
        return Call("in", (value, *(self._node(item, depth) for item in node.expressions)), at)

    def _between(self, node: exp.Between, depth: int) -> Node:
        at = self._at(node)
        value, low, high = (
            self._operand(part, node, depth)
            for part in (node.this, node.args["low"], node.args["high"])
        )

        def within(low: Node, high: Node) -> Node:
            return Call("and", (Call(">=", (value, low), at), Call("<=", (value, high), at)), at)

        if node.args.get("symmetric"):
            return Call("or", (within(low, high), within(high, low)), at)
        return within(low, high)

    def _escape(self, node: exp.Escape, depth: int) -> Node:
        at, matched = self._at(node), node.this
        if not isinstance(matched, exp.Like | exp.ILike):
            raise wrong(self._text, at, "ESCAPE belongs to LIKE")
        name, _ = BINARY[type(matched)]
        value = self._operand(matched.this, matched, depth, left=True)
        pattern = self._operand(matched.expression, matched, depth)
        found = Call(name, (value, pattern, self._node(node.expression, depth)), at)
        return Call("not", (found,), at) if matched.args.get("negate") else found

    # Values and names

    def _literal(self, node: exp.Literal, depth: int) -> Node:
        return Constant("text" if node.is_string else "number", node.name, self._at(node))

    def _column(self, node: exp.Column, depth: int) -> Node:
        at = self._at(node)
        if not isinstance(node.this, exp.Identifier):
            raise wrong(self._text, at, "expressions do not support *")
        name = _identifier(node.this)
        if node.args.get("db"):
            raise wrong(self._text, at, "a column is written new.name, old.name or name")
        if node.args.get("table"):
            row = _identifier(node.args["table"])
            if row in self._rows:
                return ColumnName(row, name, at)
            known = " and ".join(self._rows)
            raise wrong(self._text, at, f"unknown row {row}: there are {known}")
        if self._rows is not ROWS:
            forms = " or ".join(f"{row}.{name}" for row in self._rows)
            raise wrong(self._text, at, f"which {name} is meant? Write {forms}")
        if name in EVENT_NAMES and not node.this.args.get("quoted"):
            return EventName(name, at)
        return ColumnName("row", name, at)

    def _function(self, node: exp.Anonymous, depth: int) -> Node:
        at = self._at(node)
        name = node.name.lower()
        if self._steps and name in EARLIER:
            return read_earlier(self._text, node, at, self._steps)
        if name in CLOCK_FUNCTIONS:
            raise self._no_clock(at)
        if name in AGGREGATES:
            raise wrong(self._text, at, f"expressions do not support aggregates such as {name}()")
        return self._call(name, node.expressions, node, depth)

    def _call(self, name: str, arguments: list[exp.Expr], node: exp.Expr, depth: int) -> Node:
        at = self._at(node)
        if name not in FUNCTIONS:
            raise wrong(self._text, at, f"unknown function {name}(){nearest(name, FUNCTIONS)}")
        problem = check_arguments(name, len(arguments))
        if problem:
            raise wrong(self._text, at, problem)
        return Call(name, tuple(self._node(argument, depth) for argument in arguments), at)

    def _extract(self, node: exp.Extract, depth: int) -> Node:
        at = self._at(node)
        field = Constant("text", node.this.name.lower(), at)
        return Call("extract", (field, self._node(node.expression, depth)), at)

    def _trim(self, node: exp.Trim, depth: int) -> Node:
        name = {"LEADING": "ltrim", "TRAILING": "rtrim"}.get(node.args.get("position", ""), "btrim")
        parts = [node.this, node.expression] if node.args.get("expression") else [node.this]
        return self._call(name, parts, node, depth)

    def _case(self, node: exp.Case, depth: int) -> Node:
        at = self._at(node)
        subject = self._node(node.this, depth) if node.args.get("this") else None
        branches = []
        for branch in node.args["ifs"]:
            condition = self._node(branch.this, depth)
            if subject is not None:
                condition = Call("=", (subject, condition), at)
            branches.append((condition, self._node(branch.args["true"], depth)))
        default = node.args.get("default")
        return Case(tuple(branches), self._node(default, depth) if default else None, at)

    def _cast(self, node: exp.Cast, depth: int) -> Node:
        at = self._at(node)
        target = node.to
        array = "[]" if target.is_type(exp.DType.ARRAY) else ""
        if array and target.expressions:
            target = target.expressions[0]
        kind = target.args.get("kind")
        name = kind.name if kind is not None else target.this
        name = str(getattr(name, "value", name)).lower()
        if type_named(name) is None:
            raise wrong(self._text, at, f"expressions do not support the type {name}")
        try:
            modifiers = tuple(int(part.name) for part in target.expressions)
        except ValueError:
            raise wrong(self._text, at, "a type has numbers in its parentheses") from None
        return Cast(self._node(node.this, depth), name + array, modifiers, at)


def _identifier(node: exp.Identifier) -> str:
    """Return the name as PostgreSQL folds it: lower case, unless it is quoted."""
    return node.name if node.args.get("quoted") else node.name.lower()
