"""In which database a store in PostgreSQL is: its own, or the one whose changes are captured."""

from __future__ import annotations

from bridge.config import SourceConfig
from bridge.core.errors import ConfigError
from bridge.core.secret import Dsn
from bridge.postgres.connection import Database


def store_database(own: Dsn | None, source: SourceConfig | None) -> Database:
    """Return the database of a store.

    Args:
        own: ``store.dsn``, which messages then name; None where the store has none.
        source: whose database it is otherwise; None outside of a bridge.

    Raises:
        ConfigError: there is neither.
    """
    if own is not None:
        return Database(own, setting="store.dsn")
    if source is not None:
        return Database(source.sql_dsn or source.dsn)
    raise ConfigError(
        "A store of type postgres has no dsn.",
        remedy="Give the connection string of its database.",
    )
