"""A row as an Avro record: each column nullable, with the default null.

So a schema with one more or one fewer column reads what the other wrote, in both directions.
"""

from __future__ import annotations

from bridge.core.events import ABSENT, CdcEvent, PartialRow, Texts
from bridge.core.relation import Relation
from sinks.schema_registry.avro_columns import OutOfRange, Schema, avro_column
from sinks.schema_registry.names import avro_name

Record = dict[str, object]


class AvroRow:
    """The rows of a relation as records.

    Args:
        relation: whose rows.
        name: of the record, without its namespace.
        out_of_range: what becomes of values that their type has no place for.

    Attributes:
        schema: of the record.
    """

    def __init__(self, relation: Relation, name: str, out_of_range: OutOfRange) -> None:
        columns = [avro_column(column, out_of_range) for column in relation.columns]
        names = [avro_name(column.name) for column in relation.columns]
        self.schema: dict[str, Schema] = {
            "type": "record",
            "name": name,
            "fields": [
                {"name": field, "type": column.nullable, "default": None, **_doc(field, known.name)}
                for field, column, known in zip(names, columns, relation.columns, strict=True)
            ],
        }
        self._names = names
        self._columns = [
            (field, column.convert, column.placeholder)
            for field, column in zip(names, columns, strict=True)
        ]

    def absent(self, row: Texts | None) -> list[str]:
        """Return the fields of the columns that were not sent."""
        if type(row) is not PartialRow:
            return []
        return [name for name, text in zip(self._names, row, strict=True) if text is ABSENT]

    def present(self, row: Texts | None) -> list[str] | None:
        """Return the fields of the columns that were sent; None where that is every column."""
        if type(row) is not PartialRow:
            return None
        return [name for name, text in zip(self._names, row, strict=True) if text is not ABSENT]

    def record(self, row: Texts | None, *, placeholders: bool = False) -> Record | None:
        """Return the record of a row; None where there is none.

        Args:
            row: the texts.
            placeholders: whether columns that were not sent hold Debezium's placeholder, where
                their type has room for it; else they are null.

        Raises:
            Unencodable: a value has no place in its type.
        """
        if row is None:
            return None
        found: Record = {}
        for (name, convert, placeholder), text in zip(self._columns, row, strict=True):
            if text is None:
                found[name] = None
            elif text is ABSENT:
                found[name] = placeholder if placeholders else None
            else:
                found[name] = text if convert is None else convert(text)
        return found


class AvroKey:
    """The keys of a relation as records of the key's columns, or its name where it has no key.

    Args:
        relation: whose keys.
        namespace: of the record.
        out_of_range: what becomes of values that their type has no place for.

    Attributes:
        schema: of the record, or of a text.
    """

    def __init__(self, relation: Relation, namespace: str, out_of_range: OutOfRange) -> None:
        self._name = relation.qualified_name
        columns = [(i, relation.columns[i]) for i in relation.key]
        known = [(i, c.name, avro_column(c, out_of_range)) for i, c in columns]
        self._columns = [(i, avro_name(name), column.convert) for i, name, column in known]
        self.schema: Schema = "string"
        if known:
            self.schema = {
                "type": "record",
                "name": "Key",
                "namespace": namespace,
                "fields": [
                    {
                        "name": avro_name(name),
                        "type": column.required,
                        **_doc(avro_name(name), name),
                    }
                    for _, name, column in known
                ],
            }

    def record(self, event: CdcEvent) -> Record | str | None:
        """Return the key of an event's row; None for an event without a row, or without its key.

        Raises:
            Unencodable: a value has no place in its type.
        """
        if not self._columns:
            return self._name
        texts = key_texts(event)
        if texts is None:
            return None
        return {
            name: text if convert is None else convert(text)
            for (_, name, convert), text in zip(self._columns, texts, strict=True)
        }


def key_texts(event: CdcEvent) -> list[str] | None:
    """Return the texts of the key's columns, after the change, or before it for a delete.

    Returns:
        None where the event has no row, or does not carry its key.
    """
    new, old = event.new, event.old
    found: list[str] = []
    for i in event.relation.key:
        text = new[i] if new is not None else ABSENT
        if text is ABSENT and old is not None:
            text = old[i]
        if text is ABSENT or text is None:
            return None
        found.append(text)
    return found


def _doc(field: str, column: str) -> dict[str, Schema]:
    """Note the name of the column where Avro does not allow it."""
    return {} if field == column else {"doc": column}
