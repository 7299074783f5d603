"""Where in the configuration something is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bridge.core.errors import ConfigError


@contextmanager
def at_place(place: str, *, remedy: str = "") -> Iterator[None]:
    """Let errors of the configuration begin with the place, ``processors[0].where``.

    Args:
        place: of the setting that is read inside.
        remedy: for an error without a remedy of its own.
    """
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{place}: {error.message}", remedy=error.remedy or remedy) from error
