"""What depends on the order of events: the first value, the last, all of them."""

from __future__ import annotations

from typing import Any, ClassVar

from bridge.core.errors import ConfigError
from bridge.processing.aggregates.function import Field, FieldFunction
from bridge.processing.aggregates.timelines import Timeline


class _OfTimeline(FieldFunction):
    def load(self, plain: Any) -> Any:
        state: Any = self.create()
        state.load(plain)
        return state


class _End(_OfTimeline):
    """The value at one end of time.

    Args:
        field: of any type.
        changelog: whether values can be taken back. Memory: one value; with ``changelog`` all.
    """

    def __init__(self, field: Field = None, *, changelog: bool = False) -> None:
        super().__init__(field)
        self.retracts = changelog


class First(_End):
    """The value of the first event whose value is not NULL; None if there is none."""

    def create(self) -> Timeline:
        return Timeline(earliest=None if self.retracts else 1)

    def result(self, state: Timeline) -> Any:
        return state.entries[0][1] if state.entries else None


class Last(_End):
    """The value of the last event whose value is not NULL; None if there is none."""

    def create(self) -> Timeline:
        return Timeline(latest=None if self.retracts else 1)

    def result(self, state: Timeline) -> Any:
        return state.entries[-1][1] if state.entries else None


class Collect(_OfTimeline):
    """The values in the order of their events, NULLs among them, as ``array_agg`` has them.

    Args:
        field: of any type.
        limit: how many of the first values to give; None for all.
        changelog: whether values can be taken back. Memory: ``limit`` values; all with
            ``changelog``, because a value beyond the limit may move up.

    Raises:
        ConfigError: ``limit`` is no number above 0.
    """

    ignores_null: ClassVar[bool] = False

    def __init__(
        self, field: Field = None, *, limit: int | None = None, changelog: bool = False
    ) -> None:
        super().__init__(field)
        if limit is not None and (type(limit) is not int or limit < 1):
            raise ConfigError(
                f"The limit of {self._label} is {limit!r}.", remedy="Give a number above 0."
            )
        self._limit = limit
        self.retracts = changelog

    def create(self) -> Timeline:
        return Timeline(earliest=None if self.retracts else self._limit)

    def result(self, state: Timeline) -> list[Any]:
        return [item for _, item in state.entries[: self._limit]]
