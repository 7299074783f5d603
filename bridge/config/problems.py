"""What is wrong with a configuration, and where: collected first, reported together."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from bridge.core.errors import ConfigError

Path: TypeAlias = "tuple[str | int, ...]"
"""Where a setting stands: keys, and indexes of lists. ``("sinks", 0, "path")``."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        path: where, as in ``sinks[0].path``; empty for the file as a whole.
        message: what, without the value: it may be a secret.
        origin: which line, environment variable or flag it came from; empty if from none.
    """

    path: str
    message: str
    origin: str = ""

    def __str__(self) -> str:
        where = f"{self.path} ({self.origin})" if self.path and self.origin else self.path
        return f"{where or self.origin}: {self.message}" if where or self.origin else self.message


class ConfigInvalid(ConfigError):
    """The configuration has errors; ``problems`` holds each of them.

    Args:
        file: name of the file, as the operator gave it.
        problems: at least one.
    """

    def __init__(self, file: str, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        if len(self.problems) == 1:
            message = f"{file}: {self.problems[0]}"
        else:
            lines = "".join(f"\n  {problem}" for problem in self.problems)
            message = f"{file} has {len(self.problems)} errors:{lines}\n"
        super().__init__(message, remedy="Every setting is described by: pgbridge config schema")


class Findings:
    """Collects problems, and knows where each setting came from."""

    def __init__(self) -> None:
        self._problems: dict[Path, Problem] = {}
        self._origins: dict[Path, str] = {}

    def __iter__(self) -> Iterator[Problem]:
        return iter(self._problems.values())

    def came_from(self, path: Path, origin: str) -> None:
        """Note where the setting at ``path``, and all below it, came from."""
        for known in [known for known in self._origins if known[: len(path)] == path]:
            del self._origins[known]
        self._origins[path] = origin

    def add(self, path: Path, message: str, origin: str | None = None) -> None:
        """Report a problem; the first one at a path counts."""
        if origin is None:
            origin = self._origin(path)
        self._problems.setdefault(path, Problem(format_path(path), message, origin))

    def has(self, path: Path) -> bool:
        """Whether something at the path, or above it, is already known to be wrong."""
        return any(path[:length] in self._problems for length in range(len(path) + 1))

    def _origin(self, path: Path) -> str:
        for length in range(len(path), 0, -1):
            if path[:length] in self._origins:
                return self._origins[path[:length]]
        return ""


def format_path(path: Path) -> str:
    """Return a path as people write it, ``sinks[0].path``."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")


def unknown_key(key: str, known: Iterable[str] | Mapping[str, object]) -> str:
    """Say that a key is not known, and which one was probably meant."""
    names = list(known)
    near = difflib.get_close_matches(key.lower(), names, n=1)
    if near:
        return f"there is no such setting; did you mean {near[0]!r}?"
    return f"there is no such setting; known here: {', '.join(names)}."
