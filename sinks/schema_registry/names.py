"""Names of Avro for names of PostgreSQL, and the subjects under which schemas are filed.

https://avro.apache.org/docs/1.12.0/specification/#names
"""

from __future__ import annotations

import re
from typing import Literal, assert_never

from bridge.core.relation import Relation
from sinks.schema_registry.config import SubjectStrategy
from sinks.templates import MESSAGE_SCHEMA, MESSAGE_TABLE

# What Avro does not allow, a digit at the beginning, and whatever looks like our own escape.
_ESCAPED = re.compile(r"[^A-Za-z0-9_]|^[0-9]|_(?=u[0-9a-f]{4})")


def avro_name(name: str) -> str:
    """Return a name that Avro allows: itself where it does, else with escapes such as ``_u0020``.

    Different names have different forms, whatever other names there are, so a column keeps its
    name when another one comes or goes.
    """
    return _ESCAPED.sub(_escape, name)


def _escape(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"_u{units[i : i + 2].hex()}" for i in range(0, len(units), 2))


def namespace(server_name: str, relation: Relation) -> str:
    """Return the namespace of a table's records, ``server.schema.table``.

    A logical message, which has no table, counts as the table ``pg_logical.message``.
    """
    schema = MESSAGE_SCHEMA if relation.schema is None else relation.schema
    table = MESSAGE_TABLE if relation.table is None else relation.table
    parts = [*filter(None, server_name.split(".")), schema, table]
    return ".".join(map(avro_name, parts))


def subject(
    strategy: SubjectStrategy, topic: str, part: Literal["key", "value"], record: str
) -> str:
    """Return the subject of a schema.

    Args:
        strategy: one of the three that the serializers of the field know.
        topic: that the message goes to.
        part: of the message.
        record: full name of the record.
    """
    match strategy:
        case "topic_name":
            return f"{topic}-{part}"
        case "record_name":
            return record
        case "topic_record_name":
            return f"{topic}-{record}"
        case _:
            assert_never(strategy)
