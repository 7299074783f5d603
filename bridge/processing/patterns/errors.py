"""What can go wrong while a pattern is matched."""

from __future__ import annotations

from bridge.core.errors import BridgeError


class PatternFailed(BridgeError):
    """An event could not be matched: a condition raised, or a skip strategy has nowhere to go.

    The matcher is in the middle of the event then: restore it from a snapshot to go on.

    Args:
        message: what is wrong, without values of the event.
        step: the name of the step that it happened in.
        remedy: what can be done about it.
    """

    def __init__(self, message: str, *, step: str, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.step = step
