"""What a check found out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

_SHOWN = 10


class Status(StrEnum):
    """How a check ended."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"


class Category(StrEnum):
    """What a check is about."""

    CONNECTION = "connection"
    SERVER = "server"
    PERMISSIONS = "permissions"
    PUBLICATION = "publication"
    SLOT = "slot"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The result of one check.

    Attributes:
        name: of the check, the same in every version: ``server.wal_level``.
        category: what it is about.
        status: ``fail`` for what stops the bridge or loses changes, ``warn`` for what may.
        message: what was found, in a sentence.
        remedy: what helps, in a sentence; empty if there is nothing to do.
    """

    name: str
    category: Category
    status: Status
    message: str
    remedy: str = ""


def passed(name: str, message: str, remedy: str = "") -> Finding:
    """Return a finding without a complaint."""
    return _finding(name, Status.PASS, message, remedy)


def warned(name: str, message: str, remedy: str = "") -> Finding:
    """Return a finding that an operator should know."""
    return _finding(name, Status.WARN, message, remedy)


def failed(name: str, message: str, remedy: str = "") -> Finding:
    """Return a finding that needs an operator."""
    return _finding(name, Status.FAIL, message, remedy)


def _finding(name: str, status: Status, message: str, remedy: str) -> Finding:
    return Finding(
        name=name,
        category=Category(name.partition(".")[0]),
        status=status,
        message=message,
        remedy=remedy,
    )


def some(items: Iterable[str]) -> str:
    """Return the items in a row; of many the first ten, and how many more there are."""
    items = list(items)
    more = len(items) - _SHOWN
    shown = ", ".join(items[:_SHOWN])
    return f"{shown} and {more} more" if more > 0 else shown
