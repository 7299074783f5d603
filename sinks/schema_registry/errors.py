"""What can go wrong with one event or one schema, while the registry itself is well."""

from __future__ import annotations


class Unencodable(Exception):
    """The event has no form under its schema, or the registry refuses the schema.

    The sink turns it into a ``Rejection``.

    Args:
        reason: why, in a sentence without row values.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class SchemaRefused(Exception):
    """The registry does not take a schema: it is incompatible, invalid, or not there to be found.

    Args:
        reason: why, in a sentence.
        remedy: what an operator can do about it.
    """

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy
