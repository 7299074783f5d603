"""Settings from environment variables and flags, laid over those of the file.

``PGBRIDGE_SOURCE__DSN`` is ``source.dsn``: a double underscore goes one level down, a number
selects from a list (``PGBRIDGE_SINKS__0__PATH``). A value that begins with ``[`` or ``{`` is a list
or a section in YAML; everything else is text, and an empty variable counts as not set.

Variables without a double underscore are left alone unless they name a section: orchestrators put
names such as ``PGBRIDGE_PORT`` into the environment on their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from bridge.config.problems import Findings, Path, unknown_key

PREFIX = "PGBRIDGE_"


def environment_settings(environ: Mapping[str, str], sections: Iterable[str]) -> dict[str, Path]:
    """Return the variables that are settings, and the path of each, shortest paths first."""
    known = set(sections)
    found: dict[str, Path] = {}
    for name in sorted(environ):
        if name.startswith(PREFIX) and environ[name]:
            steps = name.removeprefix(PREFIX).lower().split("__")
            if steps[0] in known or len(steps) > 1:
                found[name] = tuple(int(s) if s.isascii() and s.isdigit() else s for s in steps)
    return dict(sorted(found.items(), key=lambda item: len(item[1])))


def overlay_environment(
    tree: dict[str, Any], environ: Mapping[str, str], sections: Iterable[str], findings: Findings
) -> None:
    """Put the settings of the environment into the tree."""
    sections = list(sections)
    for name, path in environment_settings(environ, sections).items():
        if path[0] not in sections:
            findings.add((name,), unknown_key(str(path[0]), sections), origin="")
            continue
        value: Any = environ[name]
        if value[0] in "[{":
            try:
                value = yaml.safe_load(value)
            except (yaml.YAMLError, RecursionError):
                findings.add(path, "is neither a list nor a section in YAML.", name)
                continue
        put(tree, path, value, name, findings)


def put(tree: dict[str, Any], path: Path, value: object, origin: str, findings: Findings) -> None:
    """Set the value at a path, making the sections on the way."""
    at: Any = tree
    for depth, step in enumerate(path):
        last = depth == len(path) - 1
        if isinstance(at, dict) and isinstance(step, str):
            if not last and not isinstance(at.get(step), dict | list):
                at[step] = [] if isinstance(path[depth + 1], int) else {}
        elif isinstance(at, list) and isinstance(step, int) and step <= len(at):
            if step == len(at):
                at.append({})
        else:
            findings.add(path, "there is nothing at this place.", origin)
            return
        if last:
            at[step] = value
            findings.came_from(path, origin)
        at = at[step]
