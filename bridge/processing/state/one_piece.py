"""Whether the state of an operator is in one piece, or in partitions."""

from __future__ import annotations

from typing import Any

from bridge.core.errors import EnvironmentProblem


def check_in_one_piece(owner: str, state: Any) -> None:
    """Let only a state pass that holds everything.

    Args:
        owner: whose state it is, such as ``processor 'revenue'``.
        state: a snapshot of the operator.

    Raises:
        EnvironmentProblem: it says where its partitions are, and holds nothing of them.
    """
    if "partitions" in state:
        raise EnvironmentProblem(
            f"The state of {owner} is stored in partitions.",
            remedy="Set max_buffer_memory_mb again: a large limit keeps them all in memory.",
        )
