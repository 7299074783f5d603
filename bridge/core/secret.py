"""Values that must not be printed: passwords, tokens, and connection strings that hold them.

What may be shown is a list of what is known to be harmless; everything else is masked. A mask
that looks for the password instead leaks whatever it does not recognise.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import unquote

MASK = "***"

_S = TypeVar("_S", bound="Secret")


class Secret:
    """A text that shows as ``***`` wherever it is printed, logged or formatted.

    It is not a ``str``: joining or serialising one by accident is a ``TypeError``, not a leak.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself, for the one call that needs it."""
        return self._text

    def fragments(self) -> tuple[str, ...]:
        """Return the texts that must not appear in any output."""
        return (self._text,)

    def __str__(self) -> str:
        return MASK

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __bool__(self) -> bool:
        return bool(self._text)

    # The two hooks by which the validation at the edge builds a secret from a text. They are
    # plain dictionaries, so this module needs nothing but the standard library.
    @classmethod
    def __get_pydantic_core_schema__(
        cls: type[_S], _source: object, handler: Callable[[Any], Any]
    ) -> dict[str, Any]:
        function = {"type": "no-info", "function": cls}
        return {"type": "function-after", "function": function, "schema": handler(str)}

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: Any, handler: Callable[[Any], dict[str, Any]]
    ) -> dict[str, Any]:
        return {**handler(core_schema), "writeOnly": True}


class Dsn(Secret):
    """A libpq connection string. It shows as ``mask_dsn`` writes it."""

    __slots__ = ()

    def __str__(self) -> str:
        return mask_dsn(self._text)

    def fragments(self) -> tuple[str, ...]:
        return (self._text, *_passwords(self._text))


_HARMLESS = frozenset(
    {
        "application_name",
        "channel_binding",
        "client_encoding",
        "connect_timeout",
        "dbname",
        "gssencmode",
        "host",
        "hostaddr",
        "keepalives",
        "keepalives_count",
        "keepalives_idle",
        "keepalives_interval",
        "load_balance_hosts",
        "port",
        "replication",
        "require_auth",
        "service",
        "sslcert",
        "sslcrl",
        "sslkey",
        "sslmode",
        "sslnegotiation",
        "sslrootcert",
        "target_session_attrs",
        "tcp_user_timeout",
        "user",
    }
)
_NAMED_BUT_HIDDEN = frozenset({"options", "passfile", "password", "sslpassword"})
_PASSWORDS = ("password", "sslpassword")

_SCHEME = re.compile(r"(postgres(?:ql)?)://")
_URI = re.compile(
    r"(?P<scheme>postgres(?:ql)?)://"
    r"(?:(?P<user>[^:@/?#\s]*)(?::(?P<password>[^@/?#\s]*))?@)?"
    r"(?P<hosts>[^@/?#\s]*)"
    r"(?P<database>/[^@/?#\s]*)?"
    r"(?:\?(?P<settings>[^@?#\s]*))?"
)
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.%]*\]|[^:\[\]]*)(?::[0-9]*)?")
_SETTING = re.compile(r"\s*(\w+)\s*=\s*('(?:[^'\\]|\\.)*'|(?:[^\s'\\]|\\.)*)(?=\s|$)", re.DOTALL)


def mask_dsn(dsn: str) -> str:
    """Return a connection string, URI or key=value, as it may be printed.

    Host, port, database, user and TLS settings stay; the password, ``options`` and every part
    that is not understood are masked.
    """
    scheme = _SCHEME.match(dsn)
    if scheme is None:
        return _mask_settings(dsn)
    uri = _URI.fullmatch(dsn)
    if uri is None or not all(_HOST.fullmatch(host) for host in uri["hosts"].split(",")):
        return f"{scheme[1]}://{MASK}"
    account = uri["user"] or ""
    if uri["password"] is not None:
        account += f":{MASK}"
    if uri["user"] is not None:
        account += "@"
    text = f"{uri['scheme']}://{account}{uri['hosts']}{uri['database'] or ''}"
    if uri["settings"]:
        pairs = (pair.partition("=") for pair in uri["settings"].split("&"))
        text += "?" + "&".join(_mask_setting(name, value) for name, _, value in pairs)
    return text


def _mask_settings(dsn: str) -> str:
    shown, at = [], 0
    while found := _SETTING.match(dsn, at):
        shown.append(_mask_setting(found[1], found[2]))
        at = found.end()
    if dsn[at:].strip():
        shown.append(MASK)
    return " ".join(shown)


def _mask_setting(name: str, value: str) -> str:
    if name in _HARMLESS:
        return f"{name}={value}"
    return f"{name}={MASK}" if name in _NAMED_BUT_HIDDEN else MASK


def _passwords(dsn: str) -> list[str]:
    """Return the passwords of a connection string, as written and as meant, longest first."""
    found: list[str] = []
    if _SCHEME.match(dsn):
        # One that cannot be taken apart has a password with an unquoted "@", "/" or the like.
        account = _URI.fullmatch(dsn) or re.match(
            r"\w+://[^:@/]*:(?P<password>.*)@", dsn, re.DOTALL
        )
        raw = re.findall(rf"[?&](?:{'|'.join(_PASSWORDS)})=([^&]*)", dsn)
        raw += [account["password"]] if account else []
        found = [text for value in raw if value for text in (value, unquote(value))]
    for setting in _SETTING.finditer(dsn):
        if setting[1] in _PASSWORDS:
            value = setting[2].removeprefix("'").removesuffix("'")
            found += [value, re.sub(r"\\(.)", r"\1", value, flags=re.DOTALL)]
    return sorted({value for value in found if value}, key=len, reverse=True)
