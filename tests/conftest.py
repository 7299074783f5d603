"""Fixtures for all tests. What they are and how to use them is told in the modules named here."""

from hypothesis import settings

# How long an example takes says nothing on a machine that does something else beside it.
settings.register_profile("pgbridge", deadline=None)
settings.load_profile("pgbridge")

pytest_plugins = [
    "tests.fixtures.order",
    "tests.fixtures.temporary_files",
    "tests.fixtures.postgres",
    "tests.fixtures.required_servers",
    "tests.fixtures.flink",
    "tests.fixtures.kafka.fixtures",
    "tests.fixtures.nats.fixtures",
    "tests.fixtures.rabbitmq.fixtures",
    "tests.fixtures.schema_registry.fixtures",
]
