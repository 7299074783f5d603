"""The descriptions of settings, from the ``Attributes`` of their dataclass's docstring."""

from __future__ import annotations

import inspect
import re
from dataclasses import Field
from typing import Any

_ENTRY = re.compile(r"^    (\w+): (.+)$")


def setting_name(field: Field[Any]) -> str:
    """Return how the file calls a field: ``from`` is no name in Python, and called ``from_``."""
    name: str = field.metadata.get("alias", field.name)
    return name


def attribute_docs(shape: type) -> dict[str, str]:
    """Return setting to description, each as one line, with single backquotes.

    A dataclass has the attributes of those that it inherits from too.
    """
    docs: dict[str, str] = {}
    for ancestor in reversed(shape.__mro__):
        docs |= _own_docs(ancestor)
    return docs


def _own_docs(shape: type) -> dict[str, str]:
    lines = inspect.cleandoc(shape.__doc__ or "").splitlines()
    if "Attributes:" not in lines:
        return {}
    docs: dict[str, str] = {}
    name = ""
    for line in lines[lines.index("Attributes:") + 1 :]:
        entry = _ENTRY.match(line)
        if entry:
            name = entry[1]
            docs[name] = entry[2].strip()
        elif line.startswith("     ") and name:
            docs[name] += f" {line.strip()}"
        elif line.strip():
            break
    return {name.removesuffix("_"): text.replace("``", "`") for name, text in docs.items()}


def summary(shape: type) -> str:
    """Return the first line of the docstring."""
    return inspect.cleandoc(shape.__doc__ or "").partition("\n")[0]
