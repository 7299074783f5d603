"""``${VAR}`` and ``${VAR:-default}`` inside the texts of a configuration file."""

from __future__ import annotations

import re
from collections.abc import Mapping

_REFERENCE = re.compile(r"\$\$\{|\$\{([^}]*)\}?")
_INSIDE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)


def interpolate(text: str, environ: Mapping[str, str]) -> str:
    """Replace every reference by the variable's value.

    ``${VAR:-default}`` gives the default where VAR is not set or empty, ``$${`` stands for
    ``${``, and a ``$`` elsewhere for itself. Values are not searched for further references.

    Raises:
        ValueError: a variable is not set, or a reference is malformed. The message names the
            variable, never a value.
    """

    def replacement(reference: re.Match[str]) -> str:
        if reference[0] == "$${":
            return "${"
        inside = _INSIDE.fullmatch(reference[1])
        if inside is None or not reference[0].endswith("}"):
            raise ValueError(
                "a '${' has to begin ${NAME} or ${NAME:-default}; write '$${' for the characters."
            )
        name, default = inside[1], inside[2]
        value = environ.get(name)
        if default is not None:
            return value or default
        if value is None:
            raise ValueError(
                f"the environment variable {name} is not set; "
                f"set it, or give a default: ${{{name}:-...}}"
            )
        return value

    return _REFERENCE.sub(replacement, text)
