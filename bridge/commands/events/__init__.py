"""``pgbridge events``: append, look at, keep, move and check the events of a projection's store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.commands.events import (
    append,
    archive,
    read_models,
    rebuild,
    show,
    snapshot,
    stats,
    verify,
)
from bridge.commands.parsing import add_verb, add_verbs_below

if TYPE_CHECKING:
    from bridge.commands.parsing import Subparsers


def add_parser(subparsers: Subparsers) -> None:
    """Add the verb and the verbs below it."""
    verbs = add_verbs_below(
        add_verb(subparsers, "events", "append, show, archive or verify the events of a store")
    )
    for below in (append, show, rebuild, read_models, snapshot, archive, verify, stats):
        below.add_parser(verbs)
