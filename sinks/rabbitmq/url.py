"""The address of a broker, which holds the password."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from bridge.core.secret import MASK, Secret

_PORTS = {"amqp": 5672, "amqps": 5671}
_DEFAULT_PASSWORD = "guest"
"""Everybody knows it, and masking the word everywhere would hide the user of that name."""

_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")
_ACCOUNT = re.compile(r"\w+://[^:@/]*:(?P<password>.*)@", re.DOTALL)


class AmqpUrl(Secret):
    """An AMQP URL. It shows without its password, or not at all if it cannot be read."""

    __slots__ = ()

    def __str__(self) -> str:
        try:
            address = Address.parse(self._text)
        except ValueError:
            return MASK
        return f"{address.scheme}://{address.user}:{MASK}@{address.endpoint}/{address.vhost_path}"

    def fragments(self) -> tuple[str, ...]:
        account = _ACCOUNT.match(self._text)
        password = account["password"] if account else ""
        passwords = {password, unquote(password)} - {"", _DEFAULT_PASSWORD}
        return (self._text, *sorted(passwords, key=len, reverse=True))


@dataclass(frozen=True, slots=True)
class Address:
    """An AMQP URL in its parts.

    Attributes:
        secure: whether TLS is spoken.
        host: name or IP address.
        port: of TCP.
        user: who logs in.
        password: of the user.
        vhost: the virtual host.
    """

    secure: bool
    host: str
    port: int
    user: str
    password: str = field(repr=False)
    vhost: str

    @property
    def scheme(self) -> str:
        """``amqp`` or ``amqps``."""
        return "amqps" if self.secure else "amqp"

    @property
    def endpoint(self) -> str:
        """Host and port, for messages."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def vhost_path(self) -> str:
        """The virtual host as it stands in a URL."""
        return self.vhost.replace("%", "%25").replace("/", "%2F")

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read ``amqp[s]://user:password@host:port/vhost``.

        What is left out is ``guest``, the usual port, and the virtual host ``/``.

        Raises:
            ValueError: it is something else; the message does not repeat it.
        """
        scheme, _, _ = text.partition("://")
        if scheme not in _PORTS:
            raise ValueError("has to begin with amqp:// or amqps://.")
        try:
            parts = urlsplit(text)
            host, port = parts.hostname, parts.port
        except ValueError:
            host = port = None
        if not host or not _HOST.fullmatch(host) or text.count("@") > 1:
            raise ValueError(
                "has no host and port that can be read; write @, /, : and # in a password as "
                "%40, %2F, %3A and %23."
            )
        if parts.query or parts.fragment:
            raise ValueError("has settings behind a ? or #; they are settings of the sink itself.")
        vhost = unquote(parts.path.removeprefix("/")) or "/"
        if parts.path.count("/") > 1:
            raise ValueError("has a virtual host with a /; write it as %2F.")
        return cls(
            secure=scheme == "amqps",
            host=host,
            port=_PORTS[scheme] if port is None else port,
            user=unquote(parts.username) if parts.username else "guest",
            password=_DEFAULT_PASSWORD if parts.password is None else unquote(parts.password),
            vhost=vhost,
        )
