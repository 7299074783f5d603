"""The connection to a cluster: settings for librdkafka, and what it says when nobody asks."""

from __future__ import annotations

import logging
import os
import time
from contextlib import suppress
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    ClusterMetadata,
    TopicMetadata,
)

from bridge.core.errors import EnvironmentProblem, Transient
from bridge.core.secret import Secret
from sinks.kafka.config import KafkaConfig, TlsConfig
from sinks.kafka.errors import DENIED, problem

REQUEST_TIMEOUT_S = 10.0

_LOOK_S = 0.5

library_log = logging.getLogger("librdkafka")
# It calls a setting experimental that we have chosen, and would say so at every start.
library_log.addFilter(lambda record: "enable.gapless.guarantee is" not in record.getMessage())

Settings = dict[str, Any]


def connection_settings(config: KafkaConfig) -> Settings:
    """Return what every client of the cluster needs, whatever it does there."""
    settings: Settings = {
        "bootstrap.servers": config.brokers,
        "client.id": "pgbridge",
        # Most failures are the restart of a broker, over soon.
        "reconnect.backoff.ms": 50,
        "reconnect.backoff.max.ms": 2_000,
    }
    sasl, tls = config.sasl, config.tls
    if sasl is not None:
        settings["sasl.mechanism"] = sasl.mechanism
        if sasl.mechanism == "OAUTHBEARER":
            settings |= {
                "sasl.oauthbearer.method": "oidc",
                "sasl.oauthbearer.token.endpoint.url": sasl.token_url,
                "sasl.oauthbearer.client.id": sasl.client_id,
                "sasl.oauthbearer.client.secret": _reveal(sasl.client_secret),
            }
            if sasl.scope is not None:
                settings["sasl.oauthbearer.scope"] = sasl.scope
        else:
            settings |= {
                "sasl.username": sasl.username,
                "sasl.password": _reveal(sasl.password),
            }
    if tls is not None:
        settings |= {
            name: value
            for name, value in {
                "ssl.ca.location": tls.ca_file,
                "ssl.certificate.location": tls.cert_file,
                "ssl.key.location": tls.key_file,
                "ssl.key.password": _reveal(tls.key_password),
            }.items()
            if value is not None
        }
    protocol = ("SASL_" if sasl else "") + ("SSL" if tls else "PLAINTEXT")
    return {**settings, "security.protocol": protocol}


def producer_settings(config: KafkaConfig) -> Settings:
    """Return the settings of the producer; what delivery rests on stands last."""
    return {
        **connection_settings(config),
        # What waits for the brokers is bounded; the queue of the worker is the larger one.
        "queue.buffering.max.messages": 50_000,
        "queue.buffering.max.kbytes": 65_536,
        # The same key goes to the same partition as with Kafka's own clients.
        "partitioner": "murmur2_random",
        **config.options,
        "compression.type": config.compression,
        "message.max.bytes": config.max_message_bytes,
        "enable.idempotence": True,
        "acks": "all",
    }


class Connection:
    """A producer, and what librdkafka says of its connection meanwhile.

    Args:
        config: of the sink.
        extra: settings on top.
        was_let_in: whether the brokers have let us in before, so that it is their failure if they
            do not now, and worth another try.

    Raises:
        EnvironmentProblem: librdkafka cannot use the settings, or a file is not there.
    """

    def __init__(
        self, config: KafkaConfig, extra: Settings | None = None, *, was_let_in: bool = False
    ) -> None:
        _check_files(config.tls)
        self._brokers = config.brokers
        self._was_let_in = was_let_in
        self._last: KafkaError | None = None
        settings = {**producer_settings(config), **(extra or {}), "error_cb": self._note}
        try:
            self.producer = Producer(settings, logger=library_log)
        except KafkaException as error:
            raise EnvironmentProblem(
                f"The client for Kafka could not be made: {error.args[0].str()}.",
                remedy="Check the settings tls, sasl and options.",
            ) from None

    def metadata(self, topic: str | None, timeout: float = REQUEST_TIMEOUT_S) -> ClusterMetadata:
        """Ask for one topic, or for the cluster.

        Raises:
            EnvironmentProblem: the brokers do not let us in.
            Transient: none of them answers.
        """
        deadline = time.monotonic() + timeout
        while True:
            try:
                asked = {} if topic is None else {"topic": topic}
                answer: ClusterMetadata = self.producer.list_topics(timeout=_LOOK_S, **asked)
                return answer
            except KafkaException as error:
                self.serve(0)  # for the reason: the error only says that time is up
                reason = self._last or error.args[0]
                denied = reason.code() in DENIED and not self._was_let_in
                if denied or time.monotonic() > deadline:
                    found = problem(f"No broker of {self._brokers} lets us in", reason)
                    if self._was_let_in:
                        raise Transient(found.message, remedy=found.remedy) from None
                    raise found from None

    def topic(self, name: str) -> TopicMetadata:
        """Ask for a topic; its ``error`` says whether it is there."""
        return self.metadata(name).topics[name]

    @property
    def fatal(self) -> KafkaError | None:
        """The error that has made the producer useless; None while it is of use."""
        return self._last if self._last is not None and self._last.fatal() else None

    def serve(self, timeout: float) -> int:
        """Call back with reports, waiting at most ``timeout`` seconds; return how many there were.

        An error of the producer itself is not raised: ``fatal`` has it.
        """
        try:
            return self.producer.poll(timeout)
        except KafkaException as error:
            self._note(error.args[0])
            return 0

    def push(self, timeout: float) -> None:
        """Send at once what waits for company, and serve for at most ``timeout`` seconds."""
        try:
            self.producer.flush(timeout)
        except KafkaException as error:
            self._note(error.args[0])

    def close(self) -> None:
        """Drop what waits and disconnect, once. What is under way may still arrive."""
        with suppress(KafkaException):
            self.producer.purge()
            self.producer.flush(0.1)  # the reports, so that nothing refers to us any more
        # Its threads end with it, now and not when cyclic garbage is collected some day.
        del self.producer

    def _note(self, error: KafkaError) -> None:
        if self.fatal is not None:
            return
        if error.code() != KafkaError._ALL_BROKERS_DOWN or self._last is None:
            self._last = error


def _check_files(tls: TlsConfig | None) -> None:
    if tls is None:
        return
    for setting in ("ca_file", "cert_file", "key_file"):
        path = getattr(tls, setting)
        if path is not None and not os.access(path, os.R_OK):
            raise EnvironmentProblem(
                f"The file {path} cannot be read.",
                remedy=f"Check tls.{setting}, and who may read the file.",
            )


def _reveal(secret: Secret | None) -> str | None:
    return None if secret is None else secret.reveal()
