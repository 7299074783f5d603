"""A row as an Avro record: each column nullable, with the default null.

So a schema with one more or one fewer column reads what the other wrote, in both directions.
"""

from __future__ import annotations

from bridge.core.events import ABSENT, CdcEvent, PartialRow, Texts
from bridge.core.relation import Relation
from sinks.formats.row_key import key_texts, message_prefix
from sinks.schema_registry.avro_binary import NULL, SOME, encode_text
from sinks.schema_registry.avro_columns import (
    OutOfRange,
    Schema,
    nullable_column,
    required_column,
)
from sinks.schema_registry.names import avro_name


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
        columns = [nullable_column(column, out_of_range) for column in relation.columns]
        self._names = [avro_name(column.name) for column in relation.columns]
        self._encoders = [column.encode for column in columns]
        self._placeholders = [column.placeholder for column in columns]
        self.schema: dict[str, Schema] = {
            "type": "record",
            "name": name,
            "fields": [
                {"name": field, "type": column.schema, "default": None, **_doc(field, known.name)}
                for field, column, known in zip(self._names, columns, relation.columns, strict=True)
            ],
        }

    def encode(self, row: Texts | None, *, placeholders: bool = False) -> bytes:
        """Encode a row, or that there is none.

        Args:
            row: the texts.
            placeholders: whether columns that were not sent hold Debezium's placeholder, where
                their type has room for it; else they are null.

        Raises:
            Unencodable: a value has no place in its type.
        """
        if row is None:
            return NULL
        pairs = zip(self._encoders, row, strict=True)
        if type(row) is not PartialRow:
            values = [NULL if text is None else encode(text) for encode, text in pairs]
        else:
            values = [
                NULL if text is None or text is ABSENT else encode(text) for encode, text in pairs
            ]
            if placeholders:
                for i, text in enumerate(row):
                    if text is ABSENT:
                        values[i] = self._placeholders[i]
        return SOME + b"".join(values)

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


class AvroKey:
    """The keys of a relation as records of the key's columns, or a text where it has none.

    Args:
        relation: whose keys.
        namespace: of the record.
        out_of_range: what becomes of values that their type has no place for.

    Attributes:
        schema: of the record, or of a text.
    """

    def __init__(self, relation: Relation, namespace: str, out_of_range: OutOfRange) -> None:
        known = [relation.columns[i] for i in relation.key]
        columns = [required_column(column, out_of_range) for column in known]
        self._encoders = [column.encode for column in columns]
        self._indices = relation.key
        self.schema: Schema = "string"
        if known:
            names = [avro_name(column.name) for column in known]
            self.schema = {
                "type": "record",
                "name": "Key",
                "namespace": namespace,
                "fields": [
                    {"name": name, "type": avro.schema, **_doc(name, column.name)}
                    for name, avro, column in zip(names, columns, known, strict=True)
                ],
            }

    def encode(self, event: CdcEvent) -> bytes | None:
        """Encode the key of an event's row; None for an event without a row, or without its key.

        Raises:
            Unencodable: a value has no place in its type.
        """
        if not self._indices:
            return encode_text(key_without_columns(event))
        found = key_texts(event, self._indices)
        if found is None:
            return None
        texts = [text for text in found if text is not None]
        if len(texts) < len(found):
            return None
        return b"".join(encode(text) for encode, text in zip(self._encoders, texts, strict=True))


def key_without_columns(event: CdcEvent) -> str:
    """Return what keeps the events of a table without a key in order: its name.

    For a logical message it is the prefix.
    """
    relation = event.relation
    return message_prefix(event) if relation.schema is None else relation.qualified_name


def _doc(field: str, column: str) -> dict[str, Schema]:
    """Note the name of the column where Avro does not allow it."""
    return {} if field == column else {"doc": column}
