"""Pieces of the generated Python, and the names that they use.

Names and literals of the expression are never written into the source: they are values that the
generated function finds under names of ours (``c0``, ``f1``, ...).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

from bridge.core.errors import ConfigError
from bridge.expressions.casts import SAME_VALUES, conversion, from_text
from bridge.expressions.conversion import Function
from bridge.expressions.errors import EvaluationError, wrong
from bridge.expressions.types import BOOL, UNKNOWN, SqlType, common_type, converts

_DEPENDS: Final = object()


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
        fails: whether its evaluation can raise EvaluationError.
    """

    type: SqlType
    value: str
    guards: tuple[str, ...] = ()
    constant: Any = field(default=_DEPENDS)
    fails: bool = False
    _whole: str = ""  # where it is shorter than guards and value

    @property
    def is_constant(self) -> bool:
        """Whether the value is known without an event."""
        return self.constant is not _DEPENDS

    @property
    def is_null(self) -> bool:
        """Whether it is NULL for every event."""
        return self.constant is None

    @property
    def whole(self) -> str:
        """Python for the value or None."""
        if self._whole:
            return self._whole
        if not self.guards:
            return self.value
        return f"(None if {' or '.join(self.guards)} else {self.value})"


class Scope:
    """What the generated function of one expression can name.

    Args:
        text: the expression, for errors.
        names: what every function needs.
    """

    def __init__(self, text: str, names: dict[str, Any]) -> None:
        self.text = text
        self.names = names
        self._temporaries = 0
        self._is_unreached = False

    def error(self, at: int, problem: str) -> ConfigError:
        """Return the error for a problem at a place."""
        return wrong(self.text, at, problem)

    @contextmanager
    def unreached(self, is_so: bool = True) -> Iterator[None]:
        """Within, what is constant may have no value: another constant keeps it from being read."""
        before = self._is_unreached
        self._is_unreached = before or is_so
        yield
        self._is_unreached = before

    def temporary(self) -> str:
        """Return a name that nothing else uses."""
        self._temporaries += 1
        return f"t{self._temporaries}"

    def bind(self, value: object) -> str:
        """Return a name under which the function finds a value."""
        name = f"c{len(self.names)}"
        self.names[name] = value
        return name

    def constant(self, sql_type: SqlType, value: object) -> Code:
        """Return the code of a value that is known now."""
        return Code(sql_type, "None" if value is None else self.bind(value), constant=value)

    def nullable(self, sql_type: SqlType, source: str, *, fails: bool = False) -> Code:
        """Return the code of a value that Python gives as None if it is NULL."""
        name = self.temporary()
        guard = f"({name} := {source}) is None"
        return Code(sql_type, name, (guard,), fails=fails, _whole=source)

    def apply(
        self,
        run: str | Function,
        arguments: tuple[Code, ...],
        result: SqlType,
        *,
        at: int = 0,
        nullable: bool = False,
    ) -> Code:
        """Apply what is NULL if an argument is: Python over ``{0}``, ``{1}``, ..., or a function.

        Raises:
            ConfigError: all arguments are constant, and the function has no value for them.
        """
        if any(argument.is_null for argument in arguments):
            return self.constant(result, None)
        fails = any(argument.fails for argument in arguments)
        if fails and sum(not argument.is_constant for argument in arguments) > 1:
            arguments = self._evaluated(arguments)
        guards = tuple(guard for argument in arguments for guard in argument.guards)
        values = [argument.value for argument in arguments]
        fails = fails or not isinstance(run, str)
        if isinstance(run, str):
            source = f"({run.format(*values)})"
        else:
            source = f"{self.bind(run)}({', '.join(values)})"
        if all(argument.is_constant for argument in arguments):
            return self.computed(result, source, at)
        if not nullable:
            return Code(result, source, guards, fails=fails)
        name = self.temporary()
        return Code(result, name, (*guards, f"({name} := {source}) is None"), fails=fails)

    def computed(self, sql_type: SqlType, source: str, at: int) -> Code:
        """Return the code of what does not depend on the event, as the value that it has.

        Raises:
            ConfigError: it has none, and may be reached.
        """
        try:
            return self.constant(sql_type, eval(source, self.names))
        except EvaluationError as error:
            if self._is_unreached:
                return Code(sql_type, source, fails=True)
            raise self.error(at, error.message) from None

    def _evaluated(self, arguments: tuple[Code, ...]) -> tuple[Code, ...]:
        """Return the arguments so that all are evaluated, even if one is NULL.

        An error of one is then an error of the whole, as on the server.
        """
        held = [code if code.is_constant else self.held(code) for code in arguments]
        # Python's | evaluates both sides.
        guard = " | ".join(f"({guard})" for code in held for guard in code.guards)
        first = next(i for i, code in enumerate(held) if not code.is_constant)
        return tuple(
            code if code.is_constant else replace(code, guards=(guard,) if i == first else ())
            for i, code in enumerate(held)
        )

    def converted(self, code: Code, target: SqlType, at: int) -> Code:
        """Convert without a cast.

        Raises:
            ConfigError: it takes a cast, or a literal is no such value.
        """
        if code.type == target:
            return code
        if code.type is UNKNOWN:
            if code.is_null:
                return self.constant(target, None)
            try:
                return self.constant(target, from_text(target)(code.constant))
            except EvaluationError:
                raise self.error(at, f"this text is no {target}") from None
        if (code.type, target) in SAME_VALUES:
            return replace(code, type=target)
        convert = conversion(code.type, target) if converts(code.type, target) else None
        if convert is None:
            raise self.error(at, f"{code.type} stands where {target} is needed; cast it")
        return self.apply(convert, (code,), target, at=at)

    def in_common(self, codes: list[Code], at: int, what: str) -> list[Code]:
        """Convert all to the type that they have in common.

        Raises:
            ConfigError: there is none.
        """
        common = common_type([code.type for code in codes])
        if common is None:
            names = " and ".join(dict.fromkeys(str(code.type) for code in codes))
            raise self.error(at, f"{what} have types that do not fit, {names}; cast one of them")
        return [self.converted(code, common, at) for code in codes]

    def held(self, code: Code) -> Code:
        """Return the same value under a name, so that it can be read several times."""
        return self.nullable(code.type, code.whole, fails=code.fails)

    def combined(self, operands: list[Code], decisive: bool) -> Code:
        """Combine conditions: one that is ``decisive`` decides, else NULL, else the opposite."""
        if any(code.constant is decisive for code in operands):
            return self.constant(BOOL, decisive)  # the others are not evaluated, as on the server
        operands = [code for code in operands if code.constant is not (not decisive)]
        if not operands:
            return self.constant(BOOL, not decisive)
        names = [self.temporary() for _ in operands]
        pairs = list(zip(names, operands, strict=True))
        tests = " or ".join(f"({name} := {code.whole}) is {decisive}" for name, code in pairs)
        doubtful = [f"{name} is None" for name, code in pairs if code.guards or code.is_null]
        fails = any(code.fails for code in operands)
        if not doubtful:
            return Code(BOOL, f"({decisive} if {tests} else {not decisive})", fails=fails)
        doubts = " or ".join(doubtful)
        source = f"({decisive} if {tests} else None if {doubts} else {not decisive})"
        return self.nullable(BOOL, source, fails=fails)
