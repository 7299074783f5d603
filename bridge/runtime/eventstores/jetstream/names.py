"""The names that an aggregate has in NATS, and back.

A subject consists of tokens with dots between them. Tokens here hold letters, digits, ``_``, ``-``
and ``=``, which the keys of key-value buckets allow too; every other byte of UTF-8 is ``=`` and two
hexadecimal digits.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote, unquote

from bridge.eventsourcing.errors import InvalidInput

_EMPTY: Final = "="
_MAX_LENGTH: Final = 3_000
"""Of type and id as tokens. A server takes no line of its protocol above 4,096 bytes."""


def token(text: str) -> str:
    """Return ``text`` as one token."""
    quoted = quote(text, safe="", errors="surrogatepass")
    return quoted.replace(".", "%2E").replace("~", "%7E").replace("%", "=") or _EMPTY


def text_of(one: str) -> str:
    """Return the text that a token stands for."""
    return "" if one == _EMPTY else unquote(one.replace("=", "%"), errors="surrogatepass")


def key_of(aggregate_type: str, aggregate_id: str) -> str:
    """Return the two tokens of an aggregate.

    Raises:
        InvalidInput: they are too long for a subject.
    """
    key = f"{token(aggregate_type)}.{token(aggregate_id)}"
    if len(key) > _MAX_LENGTH:
        raise InvalidInput(
            f"The id of an aggregate of type {aggregate_type} is too long for a JetStream subject: "
            f"{len(key)} characters with its escapes and the type, of {_MAX_LENGTH}.",
            remedy="Use shorter ids, or another type of store.",
        )
    return key


def aggregate_of(subject: str) -> tuple[str, str]:
    """Return type and id of the aggregate whose tokens end the subject."""
    _, kind, one = subject.rsplit(".", 2)
    return text_of(kind), text_of(one)
