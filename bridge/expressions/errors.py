"""How an expression fails: at load time with a place in its text, or for one event."""

from __future__ import annotations

from bridge.core.errors import BridgeError, ConfigError


class EvaluationError(BridgeError):
    """The expression has no value for this event: a division by zero, a text that is no number.

    PostgreSQL fails the statement there. Here it concerns one event, which can neither be delivered
    nor dropped in silence: who knows how to rejects it as a dead letter, and the stream goes on.
    The message holds the expression, never a value of the row.
    """


def wrong(text: str, at: int, problem: str) -> ConfigError:
    """Return the error for a problem in an expression.

    Args:
        text: the expression.
        at: where in it the problem is, in characters from its start.
        problem: what is wrong, in a sentence without its full stop.
    """
    at = max(0, min(at, len(text)))
    start = text.rfind("\n", 0, at) + 1
    line = text[start:].split("\n", 1)[0]
    before = line[: at - start].replace("\t", " ")
    return ConfigError(f"{problem}:\n    {line}\n    {' ' * len(before)}^")
