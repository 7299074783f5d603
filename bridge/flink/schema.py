"""The types of tables: from the catalog of the database, or from a file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from bridge.config import Config
from bridge.core.errors import ConfigError
from bridge.core.relation import Relation, ReplicaIdentity, make_columns
from bridge.core.types import BUILTIN_TYPES
from bridge.core.values import ValueStyle

_OIDS: Final = {
    info.name: info.oid
    for info in BUILTIN_TYPES.values()
    if info.kind == "base" and info.schema == "pg_catalog"
}
_NAMES: Final = {
    "smallint": "int2", "integer": "int4", "int": "int4", "bigint": "int8", "real": "float4",
    "double precision": "float8", "decimal": "numeric", "boolean": "bool",
    "character varying": "varchar", "character": "bpchar", "char": "bpchar",
    "timestamp without time zone": "timestamp", "timestamp with time zone": "timestamptz",
    "time without time zone": "time", "time with time zone": "timetz",
}  # fmt: skip
_TYPE: Final = re.compile(r"(?P<name>[a-z0-9_ ]+?)\s*(\(\s*(?P<p>\d+)\s*(,\s*(?P<s>\d+)\s*)?\))?")
_ENUM_OID: Final = 0
"""Of no type: its values are texts."""


def relations_of_database(config: Config) -> list[Relation]:
    """Return the published tables as the database describes them now.

    Raises:
        EnvironmentProblem: the server does not answer, or the publication has no tables.
    """
    from bridge.postgres.connection import Database
    from bridge.published_relations import published_relations

    source = config.source
    database = Database(source.sql_dsn or source.dsn)
    return published_relations(database, source.publication, config.values)


def relations_of_file(path: Path, style: ValueStyle) -> list[Relation]:
    """Return the tables that a YAML file describes: table to column to type.

    For example ``public.orders: {id: bigint, amount: "numeric(10, 2)"}``. A type that is not
    PostgreSQL's own, such as an enum, is written ``enum``. The tables count as ones with
    ``REPLICA IDENTITY FULL``.

    Raises:
        ConfigError: the file cannot be read, or is of another form.
    """
    try:
        document = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"The file {path} cannot be read: {error}.") from None
    if not isinstance(document, Mapping):
        raise _wrong_form(path, "it is no mapping of tables")
    return [_relation(str(name), columns, style, path) for name, columns in document.items()]


def _relation(name: str, columns: Any, style: ValueStyle, path: Path) -> Relation:
    schema, dot, table = name.partition(".")
    if not dot or not isinstance(columns, Mapping) or not columns:
        raise _wrong_form(path, f"{name!r} is no table with columns")
    described = [
        (str(column), *_type(str(text), f"{name}.{column}", path), False)
        for column, text in columns.items()
    ]
    return Relation(
        oid=0,
        schema=schema,
        table=table,
        replica_identity=ReplicaIdentity.FULL,
        columns=make_columns(described, BUILTIN_TYPES, style),
    )


def _type(text: str, where: str, path: Path) -> tuple[int, int]:
    """Return the OID and the modifier of a type."""
    found = _TYPE.fullmatch(text.strip().lower())
    name = "" if found is None else _NAMES.get(found["name"], found["name"])
    if name == "enum":
        return _ENUM_OID, -1
    if found is None or name not in _OIDS:
        raise _wrong_form(path, f"{where} has the type {text!r}, which is not known")
    modifier = -1
    if name == "numeric" and found["p"]:
        modifier = (int(found["p"]) << 16 | int(found["s"] or 0)) + 4
    return _OIDS[name], modifier


def _wrong_form(path: Path, problem: str) -> ConfigError:
    return ConfigError(
        f"The file {path} does not describe tables: {problem}.",
        remedy='Write table to column to type: public.orders: {id: bigint, paid: "numeric(10,2)"}.',
    )
