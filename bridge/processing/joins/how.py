"""What the words for the kinds of joins are."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.core.errors import ConfigError


def check_how(join: str, how: str, known: Sequence[str]) -> None:
    """Check the kind of a join.

    Raises:
        ConfigError: it is none of those that are known.
    """
    if how not in known:
        raise ConfigError(
            f"The join {join!r} has the unknown kind {how!r}.",
            remedy=f"Set how to one of: {', '.join(known)}.",
        )
