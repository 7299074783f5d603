"""The format ``debezium``: the envelope of Debezium's connector for PostgreSQL, without schemas.

``docs/formats.md`` says which settings of Debezium it corresponds to, and where it differs.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from importlib.metadata import version
from json.encoder import encode_basestring
from typing import Final

from bridge.core.event_id import ID_ENDS
from bridge.core.events import CdcEvent, Operation, Texts, Transaction
from bridge.core.relation import Column, Relation
from bridge.core.values import Form
from sinks.formats.row_json import Encoder, Encoders, RowJson
from sinks.formats.row_key import key_indices, key_texts, message_prefix

_START: Final = '{"source":{"event_id":"'
UNAVAILABLE: Final = "__debezium_unavailable_value"
"""Stands for a TOASTed value that did not change and that the server did not send."""

OPERATIONS: Final = {
    Operation.INSERT: "c",
    Operation.UPDATE: "u",
    Operation.DELETE: "d",
    Operation.READ: "r",
    Operation.TRUNCATE: "t",
    Operation.MESSAGE: "m",
}
"""Debezium's letters, which the format ``flat`` uses too."""


def _base64(data: bytes) -> str:
    return f'"{b64encode(data).decode("ascii")}"'


def _bytea_json(text: str) -> str:
    return _base64(bytes.fromhex(text[2:]))


_VALUES: Final = {Form.BYTES: _bytea_json, Form.JSON: encode_basestring}
"""``bytea`` in base64 and documents as strings; all else is as in the format ``native``."""


class DebeziumFormat:
    """Debezium's envelope and keys.

    Args:
        server_name: what Debezium calls ``topic.prefix``.
    """

    content_type = "application/json"
    line_starts = (_START,)

    def __init__(self, server_name: str) -> None:
        self.name = f"debezium:{server_name}"
        encoders = Encoders(self.name, self._make_encoder)
        self.encoder, self.encode = encoders.encoder, encoders.encode
        self._producer = (
            f'"version":"{version("pgbridge")}","connector":"postgresql",'
            f'"name":{encode_basestring(server_name)}'
        )
        # The transaction of the last event, and what all its events have in common. Read and
        # replaced as a whole: several threads may encode at once.
        self._current: tuple[Transaction | None, str, str, str] = (None, "", "", "")

    def key(self, event: CdcEvent, columns: tuple[str, ...] | None = None, /) -> str | None:
        """Return the key as an object, ``{"id":1}``."""
        relation = event.relation
        if relation.schema is None:
            return f'{{"prefix":{encode_basestring(message_prefix(event))}}}'
        keys = relation.encoders.get("debezium key")
        if keys is None:
            keys = relation.encoders["debezium key"] = _key_encoder(relation)
        key: str | None = keys(event, columns)
        return key

    @staticmethod
    def text_key(text: str, /) -> str:
        """Return a key that is a JSON string, so that every key is JSON."""
        return encode_basestring(text)

    def _common(self, transaction: Transaction) -> tuple[Transaction | None, str, str, str]:
        """Return what all events of a transaction have in common, and remember it.

        There are three pieces: what stands before the ordinal of the event's id, what follows up to
        the LSN of the change, and the members of the envelope.
        """
        us, xid = transaction.timestamp, transaction.xid
        times = f'"ts_ms":{us // 1000},"ts_us":{us},"ts_ns":{us * 1000}'
        current = self._current = (
            transaction,
            f"{_START}{transaction.id_prefix}",
            f'",{self._producer},{times},"db":{encode_basestring(transaction.source.database)},'
            f'"txId":{"null" if xid is None else xid},"xmin":null,'
            f'"sequence":"[\\"{transaction.commit_lsn}\\",\\"',
            f'{times},"transaction":null',
        )
        return current

    def _make_encoder(self, relation: Relation) -> Encoder:
        rows = RowJson(relation, _VALUES)
        complete, partial = rows.complete, rows.partial
        nulls = ["null"] * len(relation.columns)
        placeholders = [_placeholder(column) for column in relation.columns]
        ends = _ends_of_source(relation)

        def encode(event: CdcEvent) -> str:
            operation, new, old, lsn = event.operation, event.new, event.old, event.lsn
            current = self._current
            if current[0] is not event.transaction:
                current = self._common(event.transaction)
            _, begin, source, envelope = current
            if operation is Operation.TRUNCATE or operation is Operation.MESSAGE:
                body = f',"message":{_message(event)}' if relation.schema is None else ""
            else:
                # What the server does not log of an old row is not known: null, as in Debezium.
                if old is None:
                    before = "null"
                elif type(old) is tuple:
                    before = f"{{{complete(old)}}}"
                else:
                    before = f"{{{partial(old, nulls)}}}"
                if new is None:
                    after = "null"
                elif type(new) is tuple:
                    after = f"{{{complete(new)}}}"
                else:
                    after = f"{{{partial(new, placeholders)}}}"
                body = f',"before":{before},"after":{after}'
            return (
                f'{begin}{ID_ENDS[event.ordinal]}{source}{lsn}\\"]","lsn":{lsn}'
                f"{ends[operation]}{envelope}{body}}}"
            )

        return encode


def _key_encoder(relation: Relation) -> Callable[[CdcEvent, tuple[str, ...] | None], str | None]:
    """Return the function from an event and the columns of its key to the key."""
    columns = RowJson(relation, _VALUES).columns
    single = relation.key[0] if len(relation.key) == 1 else None

    def key(event: CdcEvent, names: tuple[str, ...] | None) -> str | None:
        new = event.new
        texts: Texts | None
        if names is None and single is not None and type(new) is tuple:
            indices, texts = relation.key, (new[single],)
        else:
            indices = key_indices(relation, names)
            texts = key_texts(event, indices)
        if not texts:
            return None
        members = []
        for i, text in zip(indices, texts, strict=True):
            begin, value_json = columns[i]
            members.append(begin + ("null" if text is None else value_json(text)))
        return f"{{{','.join(members)}}}"

    return key


def _ends_of_source(relation: Relation) -> dict[Operation, str]:
    """Return, for each operation, how the source ends and the envelope goes on."""
    schema, table = (
        encode_basestring(relation.schema or ""),
        encode_basestring(relation.table or ""),
    )
    return {
        operation: f',"schema":{schema},"table":{table},'
        f'"snapshot":"{"true" if operation is Operation.READ else "false"}"}},"op":"{letter}",'
        for operation, letter in OPERATIONS.items()
    }


def _placeholder(column: Column) -> str:
    match column.form.form:
        case Form.BYTES:
            return _base64(UNAVAILABLE.encode())
        case Form.ARRAY:
            return f'["{UNAVAILABLE}"]'
        case _:
            return f'"{UNAVAILABLE}"'


def _message(event: CdcEvent) -> str:
    assert event.new is not None
    _, content, encoding, _ = event.new
    text = content or ""
    encoded = _bytea_json(text) if encoding == "hex" else _base64(text.encode())
    return f'{{"prefix":{encode_basestring(message_prefix(event))},"content":{encoded}}}'
