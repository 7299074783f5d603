"""What the settings accept, and what they show."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.core.errors import ConfigError
from sinks.rabbitmq.config import QueueConfig, RabbitMqConfig, TlsConfig
from sinks.rabbitmq.url import Address, AmqpUrl

URL = "amqp://app:c4nary@mq.example.com/shop"


def config(**settings: Any) -> RabbitMqConfig:
    return RabbitMqConfig(**{"url": AmqpUrl(URL), **settings})


@pytest.mark.parametrize(
    ("url", "endpoint", "user", "password", "vhost"),
    [
        ("amqp://localhost", "localhost:5672", "guest", "guest", "/"),
        ("amqps://localhost/", "localhost:5671", "guest", "guest", "/"),
        ("amqp://a:b@mq.example.com:5000/%2F", "mq.example.com:5000", "a", "b", "/"),
        ("amqp://a%40b:c%2F%3Ad@[::1]:1/shop", "[::1]:1", "a@b", "c/:d", "shop"),
        ("amqp://a:@10.0.0.1/a%2Fb", "10.0.0.1:5672", "a", "", "a/b"),
    ],
)
def test_an_url_is_read(url: str, endpoint: str, user: str, password: str, vhost: str) -> None:
    address = Address.parse(url)
    assert (address.endpoint, address.user, address.vhost) == (endpoint, user, vhost)
    assert address.password == password
    assert address.secure == url.startswith("amqps")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost",
        "http://a:c4nary@localhost",
        "amqp://",
        "amqp://a:c4nary@",
        "amqp://a:c4nary@local host",
        "amqp://a:c4@nary@localhost",
        "amqp://a:c4/nary@localhost",
        "amqp://a:c4nary@localhost:port",
        "amqp://a:c4nary@localhost:99999",
        "amqp://a:c4nary@localhost/a/b",
        "amqp://a:c4nary@localhost/?heartbeat=5",
        "amqp://a:c4#nary@localhost",
        "amqp://[a:c4nary@localhost",
    ],
)
def test_what_is_no_url_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(ValueError, match="url") as refused:
        config(url=AmqpUrl(url))
    assert "nary" not in str(refused.value)
    assert "nary" not in str(AmqpUrl(url))


def test_an_url_shows_without_its_password() -> None:
    assert str(AmqpUrl(URL)) == "amqp://app:***@mq.example.com:5672/shop"
    assert "c4nary" not in repr(config())
    assert "c4nary" not in repr(config().address)
    assert AmqpUrl("amqp://guest:guest@localhost").fragments()[1:] == ()
    assert {"c%2Fd", "c/d"} <= set(AmqpUrl("amqp://a:c%2Fd@localhost").fragments())


def test_a_queue_is_bound_by_what_fits_the_exchange() -> None:
    queue = QueueConfig(name="q")
    assert config(queue=queue).bindings() == ("#",)
    assert config(queue=queue, exchange_type="fanout").bindings() == ("",)
    assert config(queue=queue, exchange_type="headers").bindings() == ("",)
    assert config(queue=queue, exchange="").bindings() == ()
    chosen = QueueConfig(name="q", bind=("a", "b"))
    assert config(queue=chosen, exchange_type="direct").bindings() == ("a", "b")
    with pytest.raises(ConfigError, match="binding keys"):
        config(queue=queue, exchange_type="direct")
    config(queue=queue, exchange_type="direct", declare=False)


def test_settings_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="without TLS"):
        config(tls=TlsConfig(ca_file="ca.pem"))
    with pytest.raises(ConfigError, match="heart_beat"):
        config(options={"heart_beat": 5})
    with pytest.raises(ConfigError, match="tabel"):
        config(routing_key="{tabel}")
