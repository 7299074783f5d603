"""The two requests to a Confluent-compatible registry that a producer needs.

https://docs.confluent.io/platform/current/schema-registry/develop/api.html
"""

from __future__ import annotations

import os
from base64 import b64encode
from typing import Any, Literal, NoReturn, TypeAlias
from urllib.parse import quote

import requests
from requests.auth import AuthBase

from bridge.core.errors import ConfigError, EnvironmentProblem, Transient
from bridge.core.secret import MASK, Secret
from sinks.schema_registry.config import SchemaRegistryConfig
from sinks.schema_registry.errors import SchemaRefused

SchemaType: TypeAlias = Literal["AVRO", "JSON"]

_MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"
_NO_SUBJECT, _NO_SCHEMA = 40401, 40403
_MAX_SAID = 500  # characters of what the registry says


class SchemaRegistryClient:
    """Turns schemas into their ids. For one thread.

    Args:
        config: where the registry is, and whether it may be added to.

    Raises:
        ConfigError: a file of the TLS settings is not there.
    """

    def __init__(self, config: SchemaRegistryConfig) -> None:
        self._config = config
        self._url = config.url.rstrip("/")
        self._ids: dict[tuple[str, str], int] = {}
        for path in (config.ca_file, config.cert_file, config.key_file):
            if path is not None and not os.path.isfile(path):
                raise ConfigError(f"There is no file {path}.", remedy="Correct schema_registry.")
        self._session = requests.Session()
        self._session.auth = _Authorization(config)
        self._session.headers.update({"Accept": _MEDIA_TYPE, "Content-Type": _MEDIA_TYPE})
        if config.cert_file is not None:
            self._session.cert = (
                config.cert_file if config.key_file is None else (config.cert_file, config.key_file)
            )

    def schema_id(self, subject: str, kind: SchemaType, schema: str) -> int:
        """Return the id of a schema under a subject; asks the registry once for each.

        Raises:
            SchemaRefused: the registry does not take the schema, or does not have it.
            Transient: the registry does not answer, or not now.
            EnvironmentProblem: it does not let us in, or is no registry.
        """
        known = self._ids.get((subject, schema))
        if known is None:
            known = self._ids[subject, schema] = self._ask(subject, kind, schema)
        return known

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _ask(self, subject: str, kind: SchemaType, schema: str) -> int:
        body = {"schema": schema}
        if kind != "AVRO":  # the default; older registries know no other
            body["schemaType"] = kind
        path = f"/subjects/{quote(subject, safe='')}"
        if self._config.auto_register:
            path += "/versions"
        answer = self._post(path, body)
        document = _document(answer)
        if answer.status_code == 200 and isinstance(document.get("id"), int):
            found: int = document["id"]
            return found
        return self._explain(answer, document, subject)

    def _post(self, path: str, body: dict[str, str]) -> requests.Response:
        # Errors of the library go without their causes, which may quote what was sent.
        try:
            return self._session.post(
                self._url + path,
                json=body,
                timeout=self._config.timeout_seconds,
                verify=self._config.ca_file or True,
                allow_redirects=False,  # they would carry the credentials along
            )
        except requests.exceptions.SSLError:
            raise EnvironmentProblem(
                f"The schema registry at {self._url} and we do not agree on TLS.",
                remedy="Check its certificate, ca_file and cert_file.",
            ) from None
        except (requests.ConnectionError, requests.Timeout) as error:
            raise Transient(
                f"The schema registry at {self._url} does not answer ({type(error).__name__})."
            ) from None
        except (requests.RequestException, OSError) as error:
            raise EnvironmentProblem(
                f"The schema registry at {self._url} cannot be asked ({type(error).__name__}).",
                remedy="Check url, ca_file, cert_file and key_file.",
            ) from None

    def _said(self, document: dict[str, Any]) -> str:
        """Return what the registry says; whatever stands before it may repeat what was sent."""
        said = str(document.get("message", ""))
        for secret in (self._config.password, self._config.token):
            if secret:
                said = said.replace(secret.reveal(), MASK)
        return said[:_MAX_SAID]

    def _explain(
        self, answer: requests.Response, document: dict[str, Any], subject: str
    ) -> NoReturn:
        status, code = answer.status_code, document.get("error_code")
        said = self._said(document)
        if status == 409:
            raise SchemaRefused(
                f"Its schema is not compatible with those of the subject {subject}: {said}",
                "Change the table back, or the compatibility level of the subject; where several"
                " tables share it, set subject_strategy: topic_record_name.",
            )
        if code in (_NO_SUBJECT, _NO_SCHEMA):
            raise SchemaRefused(
                f"Its schema is not registered under the subject {subject}.",
                "Register it, or set auto_register: true.",
            )
        if status == 422:
            raise SchemaRefused(
                f"The registry takes no such schema under the subject {subject}: {said}",
                "See what the registry supports.",
            )
        if status in (401, 403):
            raise EnvironmentProblem(
                f"The schema registry at {self._url} does not let us use the subject {subject}"
                f" (status {status}).",
                remedy="Check its credentials and their permissions.",
            )
        if status >= 500 or status in (408, 429):
            raise Transient(f"The schema registry at {self._url} fails (status {status}).")
        raise EnvironmentProblem(
            f"At {self._url} no schema registry answers (status {status}).",
            remedy="Check schema_registry.url, with its path.",
        )


class _Authorization(AuthBase):
    """Says who we are; also where that is nothing, so that no ``.netrc`` is looked into."""

    def __init__(self, config: SchemaRegistryConfig) -> None:
        self._header: Secret | None = None
        if config.token is not None:
            self._header = Secret(f"Bearer {config.token.reveal()}")
        elif config.username is not None:
            password = "" if config.password is None else config.password.reveal()
            account = b64encode(f"{config.username}:{password}".encode()).decode()
            self._header = Secret(f"Basic {account}")

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._header is not None:
            request.headers["Authorization"] = self._header.reveal()
        return request


def _document(answer: requests.Response) -> dict[str, Any]:
    """Return what the answer says; nothing if it is not the JSON object that it should be."""
    try:
        document = answer.json()
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
