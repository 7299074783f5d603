"""Settings of the sink ``webhook``."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Any, Literal

from bridge.core.errors import ConfigError
from bridge.core.retry import RetryPolicy
from bridge.core.secret import Secret
from sinks.formats import FormatConfig
from sinks.keys import KeyStrategy
from sinks.webhook.addresses import is_public
from sinks.webhook.signatures import SigningSecret
from sinks.webhook.url import Endpoint, Url

DEFAULT_LANES = 8
"""Hides the time of a round trip without being a burden to an ordinary web server."""

DEFAULT_TIMEOUT_SECONDS = 30.0
"""What gateways in front of a receiver commonly allow it."""

DEFAULT_CONNECT_TIMEOUT_SECONDS = 5.0
"""Two lost packets; an address that does not answer by then will not."""

DEFAULT_BATCH_EVENTS = 500
DEFAULT_BATCH_BYTES = 1_000_000
"""Below the limit for bodies of common web servers and gateways."""

DEFAULT_BATCH_DELAY_MS = 20

DEFAULT_BREAKER_FAILURES = 10
DEFAULT_BREAKER_PAUSE_MS = 2_000

DEFAULT_MAX_RETRY_AFTER_SECONDS = 300.0
"""A receiver that asks for a day has a mistake in it more often than a reason."""

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[\x20-\x7e\x80-\xff]*")
_OWN_HEADERS = frozenset(
    {
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "idempotency-key",
        "te",
        "transfer-encoding",
        "upgrade",
        "webhook-id",
        "webhook-signature",
        "webhook-timestamp",
    }
)
_AT_LEAST_ONE: dict[str, Any] = {"ge": 1}
_POSITIVE: dict[str, Any] = {"gt": 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchConfig:
    """Several events in one request.

    Attributes:
        max_events: in one request.
        max_bytes: of the events in one request, before compression; an event that is larger
            travels alone.
        max_delay_ms: how long the first event of a request waits for others.
        item_results: whether the receiver answers for each event: ``{"results": [{"status":
            200}, ...]}``.
    """

    max_events: int = field(default=DEFAULT_BATCH_EVENTS, metadata=_AT_LEAST_ONE)
    max_bytes: int = field(default=DEFAULT_BATCH_BYTES, metadata=_AT_LEAST_ONE)
    max_delay_ms: int = field(default=DEFAULT_BATCH_DELAY_MS, metadata={"ge": 0})
    item_results: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerConfig:
    """When a receiver that fails is left alone.

    Attributes:
        failures: how many requests in a row have to fail, over all lanes.
        pause_ms: how long nothing is sent then; one request follows, which decides.
    """

    failures: int = field(default=DEFAULT_BREAKER_FAILURES, metadata=_AT_LEAST_ONE)
    pause_ms: int = field(default=DEFAULT_BREAKER_PAUSE_MS, metadata=_AT_LEAST_ONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsConfig:
    """Certificates for ``https``. The receiver's is always verified.

    Attributes:
        ca_file: authorities that may have signed the receiver's certificate, in PEM; those of the
            public web by default.
        cert_file: certificate that the sink shows to the receiver, in PEM.
        key_file: its key, where that is not in ``cert_file``.
        key_password: of the key.
    """

    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    key_password: Secret | None = None

    def __post_init__(self) -> None:
        if self.cert_file is None and (self.key_file or self.key_password):
            raise ConfigError("There is a key, but no cert_file.", remedy="Set cert_file.")


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookConfig(FormatConfig):
    """Settings of the sink ``webhook``.

    Attributes:
        url: of the receiver, ``https`` or ``http``.
        method: of the requests.
        headers: further headers, name to value.
        secret_headers: the same, for values that must not be shown.
        bearer_token: for ``Authorization: Bearer``.
        username: for ``Authorization: Basic``.
        password: for ``Authorization: Basic``.
        tls: certificates.
        signing_secret: signs every request after Standard Webhooks; ``whsec_`` and base64.
        previous_signing_secrets: sign too, while receivers change over to a new secret.
        compression: of the bodies.
        batch: several events in one request; null: each event has its own.
        key: what keeps its order: ``row_id``, ``table``, ``transaction``, a list of columns, or
            ``{expression: ...}``.
        lanes: how many requests are under way at once; events of one key take the same lane.
        timeout_seconds: how long a request may take, to the end of the answer.
        connect_timeout_seconds: how long a connection may take, TLS included.
        read_timeout_seconds: how long the receiver may say nothing; ``timeout_seconds`` by default.
        retry: how a request is tried again while the receiver is away.
        on_give_up: what follows when a request has used up ``retry``: the bridge stops, or the
            events that the receiver fails for are dead letters.
        circuit_breaker: when the receiver is left alone.
        max_retry_after_seconds: longest pause that a receiver may ask for.
        allow_private_addresses: whether the receiver may have an address that is not on the public
            internet.
        allow_redirects: whether redirects that keep the request (307, 308) are followed.
    """

    url: Url
    method: Literal["POST", "PUT"] = "POST"
    headers: dict[str, str] = field(default_factory=dict)
    secret_headers: dict[str, Secret] = field(default_factory=dict)
    bearer_token: Secret | None = None
    username: str | None = None
    password: Secret | None = None
    tls: TlsConfig = field(default_factory=TlsConfig)
    signing_secret: SigningSecret | None = None
    previous_signing_secrets: tuple[SigningSecret, ...] = ()
    compression: Literal["none", "gzip"] = "none"
    batch: BatchConfig | None = None
    key: KeyStrategy = "row_id"
    lanes: int = field(default=DEFAULT_LANES, metadata={"ge": 1, "le": 64})
    timeout_seconds: float = field(default=DEFAULT_TIMEOUT_SECONDS, metadata=_POSITIVE)
    connect_timeout_seconds: float = field(
        default=DEFAULT_CONNECT_TIMEOUT_SECONDS, metadata=_POSITIVE
    )
    read_timeout_seconds: float | None = field(default=None, metadata=_POSITIVE)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    on_give_up: Literal["stop", "dead_letter"] = "stop"
    circuit_breaker: BreakerConfig = field(default_factory=BreakerConfig)
    max_retry_after_seconds: float = field(
        default=DEFAULT_MAX_RETRY_AFTER_SECONDS, metadata={"ge": 0}
    )
    allow_private_addresses: bool = False
    allow_redirects: bool = False

    def __post_init__(self) -> None:
        endpoint = self._endpoint()
        if not self.allow_private_addresses and _is_private_literal(endpoint.host):
            raise ConfigError(
                f"The url leads to {endpoint.host}, which is not on the public internet.",
                remedy="Set allow_private_addresses to true if the receiver is meant to be there.",
            )
        self._check_headers()
        self._check_account(endpoint)
        for secret in self.signing_secrets:
            try:
                secret.key()
            except ValueError as error:
                raise ConfigError(f"A signing secret {error}") from None
        if self.signing_secret is None and self.previous_signing_secrets:
            raise ConfigError(
                "There are previous_signing_secrets, but no signing_secret.",
                remedy="Set signing_secret to the one that is to stay.",
            )
        if not endpoint.secure and self.tls != TlsConfig():
            raise ConfigError("tls is for https, and the url begins with http.")
        endless = self.retry.max_retries is None and self.retry.deadline_seconds is None
        if self.on_give_up == "dead_letter" and endless:
            raise ConfigError(
                "on_give_up is dead_letter, but retry goes on for ever.",
                remedy="Set retry.max_retries or retry.deadline_seconds.",
            )

    @property
    def signing_secrets(self) -> tuple[SigningSecret, ...]:
        """All that sign, the newest first."""
        newest = () if self.signing_secret is None else (self.signing_secret,)
        return (*newest, *self.previous_signing_secrets)

    def _endpoint(self) -> Endpoint:
        try:
            return Endpoint.parse(self.url.reveal())
        except ValueError as error:
            raise ConfigError(f"The url {error}") from None

    def _check_headers(self) -> None:
        both = {**self.headers, **{k: v.reveal() for k, v in self.secret_headers.items()}}
        names = [name.lower() for name in (*self.headers, *self.secret_headers)]
        for name in names:
            if not _HEADER_NAME.fullmatch(name):
                raise ConfigError("A header has a name that HTTP does not allow.")
            if name in _OWN_HEADERS:
                raise ConfigError(f"The header {name} is set by the sink itself.")
            if names.count(name) > 1:
                raise ConfigError(f"The header {name} is there twice.")
        for name, value in both.items():
            if not _HEADER_VALUE.fullmatch(value):
                raise ConfigError(
                    f"The value of the header {name} holds a control character, or "
                    "one beyond Latin-1."
                )
        if "authorization" in {name.lower() for name in self.headers}:
            raise ConfigError(
                "The header Authorization is a secret.",
                remedy="Use bearer_token, username and password, or secret_headers.",
            )

    def _check_account(self, endpoint: Endpoint) -> None:
        if (self.username is None) != (self.password is None):
            raise ConfigError("username and password belong together.", remedy="Set both.")
        ways = {
            "bearer_token": self.bearer_token is not None,
            "username": self.username is not None,
            "an account in the url": endpoint.account is not None,
            "secret_headers": "authorization" in {name.lower() for name in self.secret_headers},
        }
        chosen = [way for way, is_set in ways.items() if is_set]
        if len(chosen) > 1:
            raise ConfigError(
                f"There are several accounts for the receiver: {', '.join(chosen)}.",
                remedy="Keep one of them.",
            )
        if self.username is not None and ":" in self.username:
            raise ConfigError("A username of HTTP cannot hold a colon.")
        if self.bearer_token is not None and not re.fullmatch(
            r"[\x21-\x7e]+", self.bearer_token.reveal()
        ):
            raise ConfigError("The bearer_token holds spaces or characters beyond ASCII.")


def _is_private_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return not is_public(host)
