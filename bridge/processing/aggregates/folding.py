"""An aggregation function of the user's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bridge.core.errors import ConfigError
from bridge.processing.aggregates.errors import Unaggregatable
from bridge.processing.aggregates.forms import copied
from bridge.processing.aggregates.function import AggregationFunction, At


class Fold(AggregationFunction):
    """Folds the values of events into a state of the user's own, which has to be plain data.

    Args:
        create: returns the state of no values.
        add: takes a state and the value of an event, and returns the state with it.
        merge: takes two states, and returns that of the values of both.
        retract: takes a state and a value that was added, and returns the state without it.
        result: takes a state, and returns the aggregate; the state itself, if not given.

    Raises:
        ConfigError: one of them is no function.
    """

    def __init__(
        self,
        create: Callable[[], Any],
        add: Callable[[Any, Any], Any],
        merge: Callable[[Any, Any], Any] | None = None,
        retract: Callable[[Any, Any], Any] | None = None,
        result: Callable[[Any], Any] | None = None,
    ) -> None:
        given = {
            "create": create, "add": add, "merge": merge, "retract": retract, "result": result
        }  # fmt: skip
        for name, function in given.items():
            if not callable(function) and (function is not None or name in {"create", "add"}):
                raise ConfigError(
                    f"{name} of a fold is no function but a {type(function).__name__}.",
                    remedy="Give a function.",
                )
        self._create = create
        self._add = add
        self._merge = merge
        self._retract = retract
        self._result = result
        self.merges = merge is not None
        self.retracts = retract is not None

    def __repr__(self) -> str:
        return "<fold>"

    def create(self) -> Any:
        return self._create()

    def add(self, state: Any, value: Any, at: At) -> Any:
        return self._add(state, value)

    def retract(self, state: Any, value: Any, at: At) -> Any:
        if self._retract is None:
            raise Unaggregatable(
                "A fold without retract cannot take values back.", remedy="Define it with retract."
            )
        return self._retract(state, value)

    def merge(self, a: Any, b: Any) -> Any:
        if self._merge is None:
            raise Unaggregatable(
                "A fold without merge cannot join two states.", remedy="Define it with merge."
            )
        return self._merge(a, copied(b))

    def result(self, state: Any) -> Any:
        return copied(state if self._result is None else self._result(state))

    def dump(self, state: Any) -> Any:
        return copied(state)

    def load(self, plain: Any) -> Any:
        return copied(plain)
