"""Every SQL statement of the project, one file each, and the loader for them."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def load(name: str) -> str:
    """Return the statement in a file of this folder, such as ``slots/list.sql``."""
    return files(__name__).joinpath(name).read_text(encoding="utf-8")


@cache
def migrations(folder: str) -> tuple[str, ...]:
    """Return the scripts of ``<folder>/migrations`` in order: number n brings version n."""
    found = files(__name__).joinpath(folder, "migrations").iterdir()
    names = sorted(item.name for item in found if item.name.endswith(".sql"))
    return tuple(load(f"{folder}/migrations/{name}") for name in names)
