"""How each table has looked, and from which change on: kept in the state directory.

The decoder tells of a table before it decodes the first row of a new form, and a form is on the
disk before that call returns. So it is stored before anything of it is delivered or confirmed.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter

import structlog

import sql
from bridge.core.errors import EnvironmentProblem
from bridge.core.events import EventBatch, Position
from bridge.core.lsn import format_lsn, parse_lsn
from bridge.core.relation import Relation
from bridge.core.table_schema import (
    Change,
    ColumnSchema,
    Compatibility,
    TableSchema,
    changes,
    compatibility,
)
from bridge.runtime.sqlite_file import SqliteFile

log = structlog.get_logger()

_position = attrgetter("position")


@dataclass(frozen=True, slots=True)
class TableForm:
    """A form of a table.

    Attributes:
        schema: the form.
        position: of the first change in it.
        timestamp: of the commit of that, in microseconds since the Unix epoch.
    """

    schema: TableSchema
    position: Position
    timestamp: int


@dataclass(frozen=True, slots=True)
class SchemaVersion:
    """A form of a table among the others.

    Attributes:
        version: from 1, in the order of positions.
        form: what it looks like.
        changes: since the version before; empty for the first one.
        compatibility: with the version before; None for the first one.
    """

    version: int
    form: TableForm
    changes: tuple[Change, ...]
    compatibility: Compatibility | None


class SchemaHistory:
    """The forms of the tables of one database.

    Args:
        file: of the state directory.
        system_identifier: of the cluster.
        database: name of the database.
        required: what every change has to leave; see ``note``.
    """

    def __init__(
        self,
        file: SqliteFile,
        system_identifier: str,
        database: str,
        *,
        required: Compatibility = Compatibility.NONE,
    ) -> None:
        self._file = file
        self._source = {"system_identifier": system_identifier, "database": database}
        self._required = required
        self._tables: dict[str, list[TableForm]] = {}
        self._by_oid: dict[int, list[TableForm]] = {}
        with file.reading() as connection:
            rows = connection.execute(sql.load("state/table_schemas.sql"), self._source).fetchall()
        for recorded in sorted(map(_recorded, rows), key=_position):
            self._tables.setdefault(recorded.schema.name, []).append(recorded)
            self._by_oid.setdefault(recorded.schema.oid, []).append(recorded)

    def note(self, relation: Relation, position: Position, timestamp: int) -> None:
        """Store how a table looks, if that is new: see ``decoders.decoder.RelationWatch``.

        What comes again after a crash is known from its position, and stored once.

        Raises:
            EnvironmentProblem: the change leaves less than what is required: nothing is stored; or
                the file cannot be written.
        """
        new = TableForm(TableSchema.of(relation), position, timestamp)
        known = self._tables.setdefault(new.schema.name, [])
        place = bisect_right(known, position, key=_position)
        in_force = known[max(place - 1, 0) : max(place, 1)]
        if in_force and in_force[0].schema == new.schema:
            return
        before = known[place - 1] if place else self._under_another_name(new)
        if before is not None:
            self._check(place + 1, before.schema, new)
        self._save(new)
        known.insert(place, new)
        self._by_oid.setdefault(new.schema.oid, []).append(new)

    def is_last(self, relation: Relation, after: Position | None) -> bool:
        """Whether a table looks like this to who has everything up to a position behind him.

        Then no row of an older form can come. Of a table that was never seen that is not known.
        """
        schema = TableSchema.of(relation)
        known = self._tables.get(schema.name) or []
        if not known or after is None:
            return False
        return known[-1].schema == schema and known[-1].position <= after

    def watching(self, batches: Iterable[EventBatch]) -> Iterator[EventBatch]:
        """Pass on batches of existing rows, of one table each, after taking note of the tables."""
        relation: Relation | None = None
        for batch in batches:
            first = batch.events[0]
            if first.relation is not relation:
                relation = first.relation
                self.note(relation, first.position, first.timestamp)
            yield batch

    def tables(self) -> tuple[str, ...]:
        """Return the names of all tables that were ever seen, as ``schema.table``."""
        return tuple(sorted(self._tables))

    def versions(self, name: str) -> tuple[SchemaVersion, ...]:
        """Return the forms of a table, oldest first; none if it was never seen."""
        versions: list[SchemaVersion] = []
        for number, recorded in enumerate(self._tables.get(name, ()), start=1):
            before = versions[-1].form if versions else self._under_another_name(recorded)
            found = () if before is None else changes(before.schema, recorded.schema)
            left = None if before is None else compatibility(found)
            versions.append(SchemaVersion(number, recorded, found, left))
        return tuple(versions)

    def _under_another_name(self, recorded: TableForm) -> TableForm | None:
        """Return the last form of a table before it got its name."""
        earlier = (
            each
            for each in self._by_oid.get(recorded.schema.oid, ())
            if each.schema.name != recorded.schema.name and each.position <= recorded.position
        )
        return max(earlier, key=_position, default=None)

    def _check(self, version: int, before: TableSchema, new: TableForm) -> None:
        found = changes(before, new.schema)
        left = compatibility(found)
        texts = [change.text for change in found]
        where = format_lsn(new.position.commit_lsn)
        if not left.covers(self._required):
            raise EnvironmentProblem(
                f"Table {new.schema.name} changed at {where}: {'; '.join(texts)}. The "
                f"compatibility of that is {left}, and schema_changes.compatibility asks for "
                f"{self._required}.",
                remedy="Nothing of the new form was delivered. Get the readers ready for it, then "
                "start once with schema_changes.compatibility: none.",
            )
        log.info(
            "table_schema_changed",
            table=new.schema.name,
            version=version,
            lsn=where,
            compatibility=left.value,
            changes=texts,
        )

    def _save(self, new: TableForm) -> None:
        schema = new.schema
        values: Mapping[str, object] = {
            **self._source,
            "name": schema.name,
            "commit_lsn": format_lsn(new.position.commit_lsn),
            "ordinal": new.position.ordinal,
            "timestamp": new.timestamp,
            "oid": schema.oid,
            "replica_identity": schema.replica_identity,
            "key": json.dumps(schema.key),
            "columns": json.dumps(schema.columns),
        }
        with self._file.transaction() as connection:
            connection.execute(sql.load("state/save_table_schema.sql"), values)


def _recorded(row: tuple[str, str, int, int, int, str, str, str]) -> TableForm:
    name, commit_lsn, ordinal, timestamp, oid, replica_identity, key, columns = row
    schema = TableSchema(
        oid=oid,
        name=name,
        columns=tuple(ColumnSchema(*column) for column in json.loads(columns)),
        key=tuple(json.loads(key)),
        replica_identity=replica_identity,
    )
    return TableForm(schema, Position(parse_lsn(commit_lsn), ordinal), timestamp)
