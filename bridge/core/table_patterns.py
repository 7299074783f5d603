"""Names of tables as the configuration writes them: ``public.users``, ``sales.*``, ``*``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bridge.core.errors import ConfigError

EVERY_TABLE = "*"

_PART = r'(?:"(?:[^"]|"")+"|[^".]+)'
_PATTERN = re.compile(rf"(?P<schema>{_PART})\.(?P<table>{_PART})")


@dataclass(frozen=True, slots=True)
class TablePattern:
    """A schema and a table, in each of which ``*`` stands for any characters.

    Names are compared as they are in the catalog. In double quotes, dots and stars are ordinary
    characters.
    """

    text: str
    schema: re.Pattern[str]
    table: re.Pattern[str]

    @classmethod
    def parse(cls, text: str, *, setting: str) -> TablePattern:
        """Read a pattern.

        Args:
            text: as it stands in the configuration.
            setting: where it stands there, for the error.

        Raises:
            ConfigError: there is no schema in it, or it is no name.
        """
        if text.strip() == EVERY_TABLE:
            return cls(text, re.compile(".*", re.DOTALL), re.compile(".*", re.DOTALL))
        found = _PATTERN.fullmatch(text.strip())
        if found is None:
            hint = f", such as public.{text.strip()}" if "." not in text else ""
            raise ConfigError(
                f"{setting}: {text!r} is not the name of a table.",
                remedy=f"Write schema.table{hint}; `*` stands for any characters.",
            )
        return cls(text, _regex(found["schema"]), _regex(found["table"]))

    def matches(self, schema: str, table: str) -> bool:
        """Whether the pattern covers a table."""
        return bool(self.schema.fullmatch(schema) and self.table.fullmatch(table))

    @property
    def names_one(self) -> bool:
        """Whether it can cover one table at most."""
        return ".*" not in self.schema.pattern and ".*" not in self.table.pattern


def _regex(part: str) -> re.Pattern[str]:
    if part.startswith('"'):
        return re.compile(re.escape(part[1:-1].replace('""', '"')))
    return re.compile(".*".join(map(re.escape, part.split("*"))), re.DOTALL)
