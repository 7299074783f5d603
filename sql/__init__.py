"""Every SQL statement of the project, one file each, and the loader for them."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def load(name: str) -> str:
    """Return the statement in a file of this folder, such as ``slots/list.sql``."""
    return files(__name__).joinpath(name).read_text(encoding="utf-8")
