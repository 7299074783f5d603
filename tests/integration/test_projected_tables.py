"""What ``pgbridge doctor`` finds, and a start refuses, of the tables that projections read."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from bridge.config.event_store import StoreConfig
from bridge.config.projections import (
    AggregateConfig,
    EventRuleConfig,
    OutboxConfig,
    ProjectionConfig,
)
from bridge.core.errors import EnvironmentProblem
from bridge.core.secret import Dsn
from bridge.postgres.connection import Database as Source
from bridge.projecting import Projection, make_projections
from bridge.projecting.tables import check_projected_tables, projection_findings
from tests.fixtures.databases import Database

GREW = EventRuleConfig(name="Grew", on="update", when="new.size > old.size")
LEFT = EventRuleConfig(name="Left", on="delete", data={"name": "old.name"})


def projections(*aggregates: AggregateConfig, **settings: object) -> list[Projection]:
    config = ProjectionConfig(
        name="things",
        store=StoreConfig(type="memory"),
        aggregates=aggregates,
        **settings,  # type: ignore[arg-type]
    )
    return make_projections([config])


def problems(database: Database, configured: Sequence[Projection]) -> list[str]:
    """Return what the doctor finds, which is what a start refuses."""
    source = Source(Dsn(database.dsn))
    findings = projection_findings(source, "published", configured)
    found = [finding.message for finding in findings if finding.status.value == "fail"]
    if found:
        with pytest.raises(EnvironmentProblem) as raised:
            check_projected_tables(source, "published", configured)
        assert raised.value.message == found[0]
    else:
        check_projected_tables(source, "published", configured)
    return found


def test_what_does_not_come_is_found_before_the_stream_begins(newest_database: Database) -> None:
    connection = newest_database.connect()
    connection.execute("CREATE TABLE things (id int8 PRIMARY KEY, size int4, name text)")
    connection.execute("CREATE TABLE outbox (id uuid PRIMARY KEY)")
    connection.execute("CREATE TABLE hidden (id int8 PRIMARY KEY)")
    things = AggregateConfig(table="public.things")
    assert projection_findings(Source(newest_database.dsn), "published", projections(things)) == []
    connection.execute("CREATE PUBLICATION published FOR TABLE things, outbox")

    outbox = OutboxConfig(table="public.outbox")
    assert problems(newest_database, projections(things, outbox=(outbox,), messages=True)) == []
    hidden = AggregateConfig(table="public.hidden")
    [problem] = problems(newest_database, projections(hidden))
    assert "reads public.hidden" in problem

    by_rules = [
        AggregateConfig(table="public.things", type=rule.name, events=(rule,))
        for rule in (GREW, LEFT)
    ]
    by_id = AggregateConfig(table="public.things", id="name || id")
    found = problems(newest_database, projections(*by_rules, by_id))
    assert [words.split("reads ")[1].split(" of public")[0] for words in found] == [
        "old.size",
        "name",
        "name",
    ]
    connection.execute("ALTER TABLE things REPLICA IDENTITY FULL")
    assert problems(newest_database, projections(*by_rules, by_id)) == []


def test_messages_need_a_server_that_sends_them(
    newest_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = newest_database.connect()
    connection.execute("CREATE PUBLICATION published")
    monkeypatch.setattr(Source, "server_version", 130_021)
    [problem] = problems(newest_database, projections(messages=True))
    assert "messages" in problem
