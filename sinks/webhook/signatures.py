"""Signatures of Standard Webhooks 1.0 (https://www.standardwebhooks.com/)."""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode
from collections.abc import Iterable

from bridge.core.secret import Secret

PREFIX = "whsec_"
_KEY_BYTES = range(16, 65)
"""The standard asks for 24 to 64 bytes; shorter keys are in use, below 16 they are a mistake."""


class SigningSecret(Secret):
    """A secret in the form ``whsec_`` and base64."""

    __slots__ = ()

    def fragments(self) -> tuple[str, ...]:
        return (self._text, self._text.removeprefix(PREFIX))

    def key(self) -> bytes:
        """Return the bytes that sign.

        Raises:
            ValueError: the secret has another form.
        """
        encoded = self._text.removeprefix(PREFIX)
        try:
            key = b64decode(encoded, validate=True)
        except ValueError:
            key = b""
        if encoded == self._text or len(key) not in _KEY_BYTES:
            raise ValueError(
                "has to be whsec_ followed by 16 to 64 bytes in base64; make one with: "
                "echo whsec_$(openssl rand -base64 32)"
            )
        return key


class Signer:
    """Signs with one key, or with several while receivers change over to a new one."""

    def __init__(self, secrets: Iterable[SigningSecret]) -> None:
        self._keys = [hmac.new(secret.key(), digestmod="sha256") for secret in secrets]

    def sign(self, message_id: str, timestamp: int, body: bytes) -> str:
        """Return the header ``webhook-signature``.

        Args:
            message_id: the header ``webhook-id``.
            timestamp: the header ``webhook-timestamp``, in seconds since 1970.
            body: as it is sent, compressed if it is.
        """
        content = f"{message_id}.{timestamp}.".encode() + body
        signatures = []
        for key in self._keys:
            signature = key.copy()  # hashing the key itself took place once
            signature.update(content)
            signatures.append("v1," + b64encode(signature.digest()).decode())
        return " ".join(signatures)
