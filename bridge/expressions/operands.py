"""Expressions whose values are computed with: moments as numbers, values that keep their order."""

from __future__ import annotations

from bridge.core.events import CdcEvent
from bridge.core.relation import Relation
from bridge.expressions import Expression
from bridge.expressions.compiler import Evaluate, compile_typed
from bridge.expressions.conversion import texts_of
from bridge.expressions.types import FLOAT8, INTERVAL, TIMESTAMPTZ, SqlType


class Moment(Expression):
    """A point in time: of the type timestamptz, timestamp or date, the last two as in UTC.

    Its values are microseconds since the Unix epoch; infinite ones are floats.
    """

    __slots__ = ()

    _expected = TIMESTAMPTZ


class Operand(Expression):
    """A value to be compared and kept: plain data in the order of its type.

    Timestamps are microseconds, dates are days, times of day and LSNs are numbers. Intervals and
    arrays, which have no such form, are as an ``Expression`` gives them.
    """

    __slots__ = ()

    def type_of(self, relation: Relation) -> SqlType:
        """Return the type of the values.

        Raises:
            ConfigError: as ``check``.
        """
        return compile_typed(self.text, self._tree, relation, self._expected)[0]

    def _compile(self, relation: Relation) -> Evaluate:
        sql_type, evaluate = compile_typed(self.text, self._tree, relation, self._expected)
        output = texts_of(sql_type).output
        if output is None or not (sql_type is INTERVAL or sql_type.element is not None):
            return evaluate

        def written(event: CdcEvent) -> object:
            value = evaluate(event)
            return None if value is None else output(value)

        return written


class Double(Operand):
    """A number as a double; of other types there is none."""

    __slots__ = ()

    _expected = FLOAT8
