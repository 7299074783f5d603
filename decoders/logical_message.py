"""Logical decoding messages as events: the row that ``pg_logical_emit_message()`` stands for."""

from __future__ import annotations

from bridge.core.events import Texts
from bridge.core.relation import Column, Relation, ReplicaIdentity
from bridge.core.values import ColumnForm, Form
from decoders.messages import Message


def _column(name: str, type_oid: int, form: Form) -> Column:
    return Column(name=name, type_oid=type_oid, form=ColumnForm(form))


MESSAGE_RELATION = Relation(
    oid=0,
    schema=None,
    table=None,
    replica_identity=ReplicaIdentity.NOTHING,
    columns=(
        _column("prefix", 25, Form.TEXT),
        _column("content", 25, Form.TEXT),
        _column("encoding", 25, Form.TEXT),
        _column("transactional", 16, Form.BOOLEAN),
    ),
)
"""The relation of all message events.

``encoding`` says how ``content`` is to be read: ``utf8``, the bytes as text, or ``hex``, where they
are no UTF-8 and are written as ``bytea`` is.
"""


def message_row(message: Message) -> Texts:
    """Return the row of a message."""
    try:
        content, encoding = message.content.decode(), "utf8"
    except UnicodeDecodeError:
        content, encoding = f"\\x{message.content.hex()}", "hex"
    return message.prefix, content, encoding, "t" if message.transactional else "f"
