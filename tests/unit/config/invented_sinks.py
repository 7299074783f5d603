"""Sinks that exist only to have settings."""

from dataclasses import dataclass, field
from typing import Literal

from bridge.core.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsConfig:
    """TLS.

    Attributes:
        verify: check the certificate.
    """

    verify: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class InventedConfig:
    """Settings of a target that does not exist.

    Attributes:
        path: where to write; "-" is
            standard output.
        token: what lets us in.
        size_bytes: how much.
    """

    path: str
    token: Secret | None = None
    size_bytes: int = field(default=10, metadata={"ge": 1})
    mode: Literal["fast", "safe"] = "safe"
    tls: TlsConfig = field(default_factory=TlsConfig)


class InventedSink:
    Config = InventedConfig
