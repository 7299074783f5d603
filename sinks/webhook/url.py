"""The address of a receiver, which may hold secrets in every part but the host."""

from __future__ import annotations

import ipaddress
import re
from base64 import b64encode
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

from bridge.core.secret import MASK, Secret

_PORTS = {"http": 80, "https": 443}
_HOST_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9_])?\.?")
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f\\<>\"`{}|^]")
_TOKEN_LENGTH = 16
"""From this length on a part of a path is taken for a token."""


class Url(Secret):
    """A web address. It shows as scheme, host and port: user, path and query may be secrets."""

    __slots__ = ()

    def __str__(self) -> str:
        try:
            endpoint = Endpoint.parse(self._text)
        except ValueError:
            return MASK
        return f"{endpoint.origin}/{MASK}"

    def fragments(self) -> tuple[str, ...]:
        parts = urlsplit(self._text)
        account = parts.netloc.rpartition("@")[0].partition(":")[2]
        found = [self._text, account, unquote(account), parts.query]
        found += [value for _, value in parse_qsl(parts.query)]
        found += [pair.partition("=")[2] for pair in parts.query.split("&")]
        found += [part for part in parts.path.split("/") if len(part) >= _TOKEN_LENGTH]
        return tuple(dict.fromkeys(text for text in found if text))


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A web address in the parts that a request needs.

    Attributes:
        secure: whether it is reached by TLS.
        host: name, in the form of the DNS, or IP address.
        port: of TCP.
        target: path and query, as they stand in a request.
        account: what stood before the ``@``, in the form of the header ``Authorization``.
    """

    secure: bool
    host: str
    port: int
    target: str
    account: str | None

    @property
    def origin(self) -> str:
        """Scheme, host and port, where it is not the usual one: what may be shown."""
        return f"{'https' if self.secure else 'http'}://{self.authority}"

    @property
    def authority(self) -> str:
        """Host and port as in the header ``Host``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (
            host
            if self.port == _PORTS["https" if self.secure else "http"]
            else (f"{host}:{self.port}")
        )

    @classmethod
    def parse(cls, text: str) -> Endpoint:
        """Read an absolute ``http`` or ``https`` address.

        Raises:
            ValueError: it is something else; the message does not repeat it.
        """
        if _FORBIDDEN.search(text) or not text.isascii():
            raise ValueError("holds characters that a web address cannot have; write them as %XX.")
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError:
            raise ValueError("is not a web address: its host or port cannot be read.") from None
        if parts.scheme not in _PORTS:
            raise ValueError("has to begin with https:// or http://.")
        if parts.fragment:
            raise ValueError("has a fragment (#...), which is never sent; leave it out.")
        host = parts.hostname or ""
        if not (_is_address(host) or _HOST_NAME.fullmatch(host)):
            raise ValueError("has no host that a connection could be made to.")
        account = None
        if "@" in parts.netloc:
            account = basic(unquote(parts.username or ""), unquote(parts.password or ""))
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        usual = _PORTS[parts.scheme]
        return cls(parts.scheme == "https", host, port or usual, target, account)


def basic(username: str, password: str) -> str:
    """Return the header ``Authorization`` of RFC 7617."""
    return "Basic " + b64encode(f"{username}:{password}".encode()).decode()


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
