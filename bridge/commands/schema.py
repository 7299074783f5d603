"""``pgbridge schema``: how tables have changed."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, Any

from bridge.commands.output import iso_time, print_json, print_table
from bridge.commands.parsing import add_verb, add_verbs_below
from bridge.core.errors import EXIT_OK, ConfigError, EnvironmentProblem

if TYPE_CHECKING:
    from bridge.commands.parsing import Subparsers
    from bridge.config import Config
    from bridge.runtime.schema_history import SchemaHistory, SchemaVersion


def add_parser(subparsers: Subparsers) -> None:
    """Add the verb and the verbs below it."""
    verbs = add_verbs_below(add_verb(subparsers, "schema", "show how tables have changed"))
    history = add_verb(verbs, "history", "show the forms of a table, oldest first", _history)
    history.add_argument("table", metavar="TABLE", help="schema.table, or a name that is unique")


def _history(args: Namespace) -> int:
    from bridge.commands.settings import load_settings

    history = _load(load_settings(args))
    versions = history.versions(_table(history.tables(), args.table))
    if args.json:
        print_json([_document(version) for version in versions])
        return EXIT_OK
    print_table(
        ("version", "position", "committed", "compatibility", "changes"),
        [
            (
                item["version"],
                item["position"],
                iso_time(item["timestamp"]),
                item["compatibility"],
                "; ".join(item["changes"]) or "first seen",
            )
            for item in map(_document, versions)
        ],
    )
    return EXIT_OK


def _load(config: Config) -> SchemaHistory:
    from bridge.runtime.schema_history import SchemaHistory
    from bridge.runtime.state import StateStore

    with StateStore(config.state.dir, exclusive=False) as store:
        checkpoint = store.load_checkpoint(config.source.slot)
        if checkpoint is None:
            raise EnvironmentProblem(
                f"The state in {config.state.dir} knows nothing of slot {config.source.slot!r}.",
                remedy="Start the bridge once, or check state.dir and source.slot.",
            )
        return SchemaHistory(store.file, checkpoint.system_identifier, checkpoint.database)


def _table(known: tuple[str, ...], wanted: str) -> str:
    """Return the whole name of a table."""
    if wanted in known:
        return wanted
    found = [name for name in known if name.endswith(f".{wanted}")]
    if len(found) == 1:
        return found[0]
    if found:
        raise ConfigError(
            f"Several tables are called {wanted!r}.", remedy=f"Say which: {', '.join(found)}."
        )
    raise ConfigError(
        f"The bridge has seen no row of a table {wanted!r}.",
        remedy=f"It has seen: {', '.join(known)}." if known else "It has seen none of any table.",
    )


def _document(version: SchemaVersion) -> dict[str, Any]:
    from bridge.core.lsn import format_lsn

    form = version.form
    return {
        "version": version.version,
        "position": str(form.position),
        "lsn": format_lsn(form.position.commit_lsn),
        "timestamp": form.timestamp,
        "compatibility": version.compatibility,
        "changes": [change.text for change in version.changes],
        "oid": form.schema.oid,
        "replica_identity": form.schema.replica_identity,
        "key": list(form.schema.key),
        "columns": [column._asdict() for column in form.schema.columns],
    }
