"""The settings of a schema registry, in the section ``schema_registry`` of a sink."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

from bridge.core.errors import ConfigError
from bridge.core.secret import Secret

SubjectStrategy: TypeAlias = Literal["topic_name", "record_name", "topic_record_name"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaRegistryConfig:
    """Where schemas are kept, and what is done with them.

    Attributes:
        url: of the registry, with its path, without credentials.
        username: for HTTP basic authentication.
        password: for HTTP basic authentication.
        token: for HTTP bearer authentication, instead of ``username`` and ``password``.
        ca_file: certificates that sign the registry's; null for those of the system.
        cert_file: our certificate, where the registry asks for one.
        key_file: its private key; null if it is in ``cert_file``.
        timeout_seconds: for each request.
        value: form of the messages: ``avro`` or ``json_schema``.
        key: form of their keys: ``text`` is what the sink's own setting gives, without a schema;
            ``avro`` and ``json_schema`` are a record of the key's columns.
        subject_strategy: what a schema is filed under: ``topic_name``, ``record_name`` or
            ``topic_record_name``.
        auto_register: whether new schemas are registered; false to use only what is there.
        on_incompatible: what follows when the registry does not take a table's schema: ``stop``,
            or ``dead_letter`` for the events of this table while others go on.
        out_of_range: what becomes of values that a logical type of Avro has no place for, such as
            ``infinity``: ``text`` gives such a column a second branch, ``reject`` refuses the
            event.
    """

    url: str = field(
        metadata={
            "pattern": r"^https?://\S+$",
            "form": "a URL that begins with http:// or https://",
        }
    )
    username: str | None = None
    password: Secret | None = None
    token: Secret | None = None
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    timeout_seconds: float = field(default=10.0, metadata={"gt": 0})
    value: Literal["avro", "json_schema"] = "avro"
    key: Literal["text", "avro", "json_schema"] = "text"
    subject_strategy: SubjectStrategy = "topic_name"
    auto_register: bool = True
    on_incompatible: Literal["stop", "dead_letter"] = "stop"
    out_of_range: Literal["text", "reject"] = "text"

    def __post_init__(self) -> None:
        if "@" in urlsplit(self.url).netloc:  # the URL is shown in messages
            raise ConfigError(
                "The URL of the schema registry holds credentials.",
                remedy="Give them as username and password.",
            )
        if self.password is not None and self.username is None:
            raise ConfigError("The schema registry has a password, but no username.")
        if self.username is not None and self.token is not None:
            raise ConfigError(
                "The schema registry has both a username and a token.", remedy="Give one of them."
            )
        token = "" if self.token is None else self.token.reveal()
        if not (token.isascii() and token.isprintable()):
            raise ConfigError(
                "The token of the schema registry cannot stand in an HTTP header.",
                remedy="Look for line breaks and special characters in it.",
            )
        if self.key_file is not None and self.cert_file is None:
            raise ConfigError("The schema registry has a key_file, but no cert_file.")

    def check_format(self, name: str) -> None:
        """See that there are schemas for the format of a sink.

        Raises:
            ConfigError: there are none.
        """
        if name not in ("native", "debezium"):
            raise ConfigError(
                f"There are no schemas for the format {name}.",
                remedy="Set format to native or debezium, or leave out schema_registry.",
            )
