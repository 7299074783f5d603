"""Which change of a row becomes which event."""

from __future__ import annotations

import json
from uuid import UUID

import pytest

from bridge.config.projections import EventRuleConfig
from bridge.core.errors import ConfigError, EnvironmentProblem
from bridge.core.events import ABSENT, PartialRow, TruncateEvent
from bridge.core.relation import ReplicaIdentity
from bridge.projecting.names import aggregate_type_of
from tests.fixtures.events import make_relation, make_transaction
from tests.unit.projecting.accounts import (
    ACCOUNTS,
    KEYS_ONLY,
    change,
    events_of,
    of_table,
    told,
)

POOR, RICH = ("7", "10.00", "Ada"), ("7", "35.50", "Ada")
DEPOSITED = EventRuleConfig(
    name="MoneyDeposited",
    on="update",
    when="new.balance > old.balance",
    data={"amount": "new.balance - old.balance", "owner": "new.owner", "before": "old.balance"},
)


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("users", "User"),
        ("order_items", "OrderItem"),
        ("companies", "Company"),
        ("addresses", "Address"),
        ("boxes", "Box"),
        ("branches", "Branch"),
        ("status", "Status"),
        ("analysis", "Analysis"),
        ("UserAccounts", "UserAccount"),
        ("s", "S"),
        ("___", "___"),
    ],
)
def test_the_type_is_the_name_of_the_table_in_the_singular(table: str, expected: str) -> None:
    assert aggregate_type_of(table) == expected


def test_without_rules_every_change_is_told_with_the_whole_row() -> None:
    row = {"id": 7, "balance": "10.00", "owner": "Ada"}
    found = told(
        of_table(),
        change("read", POOR),
        change("insert", POOR),
        change("update", RICH, POOR),
        change("delete", None, RICH),
    )
    assert found == [
        ("UserAccount", "7", "UserAccountCreated", row),
        ("UserAccount", "7", "UserAccountCreated", row),
        ("UserAccount", "7", "UserAccountUpdated", {**row, "balance": "35.50"}),
        ("UserAccount", "7", "UserAccountDeleted", {**row, "balance": "35.50"}),
    ]


def test_rules_choose_by_condition_and_say_what_the_data_is() -> None:
    opened = EventRuleConfig(name="AccountOpened", on="insert", data={}, version=3)
    projection = of_table(type="Account", id="owner || ':' || id", events=(opened, DEPOSITED))
    found = told(
        projection,
        change("insert", POOR),
        change("update", RICH, POOR),
        change("update", POOR, RICH),
        change("delete", None, POOR),
    )
    assert found == [
        ("Account", "Ada:7", "AccountOpened", {}),
        (
            "Account",
            "Ada:7",
            "MoneyDeposited",
            {"amount": "25.50", "owner": "Ada", "before": "10.00"},
        ),
    ]
    assert events_of(projection.project([change("insert", POOR)]))[0].version == 3


def test_rules_for_rows_of_the_snapshot_take_the_place_of_those_for_inserts() -> None:
    opened = EventRuleConfig(name="Opened", on="insert")
    imported = EventRuleConfig(name="Imported", on="read")
    assert [it[2] for it in told(of_table(events=(opened,)), change("read", POOR))] == ["Opened"]
    both = of_table(events=(opened, imported))
    found = told(both, change("read", POOR), change("insert", POOR))
    assert [it[2] for it in found] == ["Imported", "Opened"]


def test_an_update_of_the_id_ends_one_aggregate_and_begins_another() -> None:
    key = PartialRow(("7", ABSENT, ABSENT))
    found = told(of_table(), change("update", ("8", "1", "Ada"), key, relation=KEYS_ONLY))
    assert found == [
        ("UserAccount", "7", "UserAccountDeleted", {"id": 7}),
        ("UserAccount", "8", "UserAccountCreated", {"id": 8, "balance": "1", "owner": "Ada"}),
    ]


def test_a_large_value_that_was_not_sent_is_left_out() -> None:
    unchanged = PartialRow(("7", "1", ABSENT))
    assert told(of_table(), change("update", unchanged, relation=KEYS_ONLY)) == [
        ("UserAccount", "7", "UserAccountUpdated", {"id": 7, "balance": "1"})
    ]
    rule = EventRuleConfig(name="Renamed", on="update", data={"owner": "new.owner"})
    found = told(of_table(events=(rule,)), change("update", unchanged, relation=KEYS_ONLY))
    assert found[0][3] == {}


def test_an_event_says_where_it_comes_from_and_has_the_same_id_each_time() -> None:
    update = change("update", ("8", "1", "Ada"), POOR, ordinal=5)
    first, second = events_of(of_table().project([update]))
    assert json.loads(first.metadata) == {
        "causation_id": update.event_id,
        "position": "0/1000:5",
        "table": "public.user_accounts",
        "operation": "Update",
        "transaction_id": update.transaction_id,
    }
    assert first.timestamp == update.timestamp
    assert len({first.event_id, second.event_id, update.event_id}) == 3
    assert str(UUID(first.event_id)) == first.event_id
    again = events_of(of_table().project([change("insert", POOR), update]))
    assert [it.event_id for it in again[1:]] == [first.event_id, second.event_id]


def test_what_gives_no_event_is_rejected_and_the_others_go_on() -> None:
    rule = EventRuleConfig(name="Opened", on="insert", data={"share": "1 / (new.balance - 10)"})
    projection = of_table(id="owner", events=(rule,))
    truncate = TruncateEvent.of(make_transaction(0x1000), 9, 0xFF8, ACCOUNTS, ())
    changes = [
        change("insert", POOR),
        change("insert", ("7", "1", None)),
        change("insert", ("7", "1", "")),
        change("insert", ("7", "1", "a" * 401)),
        truncate,
        change("insert", RICH),
    ]
    assert [it[1] for it in told(projection, *changes)] == ["Ada"]
    rejected = projection.take_rejected()
    assert [event for event, _ in rejected] == changes[:5]
    for (_, reason), words in zip(
        rejected,
        ("division by zero", "NULL", "0 characters", "401 characters", "TRUNCATE"),
        strict=True,
    ):
        assert words in reason
    assert projection.take_rejected() == []


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"events": (DEPOSITED,)}, id="an update that reads old rows"),
        pytest.param(
            {"events": (EventRuleConfig(name="Gone", on="delete", data={"who": "owner"}),)},
            id="a delete that reads more than the key",
        ),
        pytest.param({"id": "owner"}, id="an id that is not the key"),
    ],
)
def test_what_the_server_does_not_send_stops_it_and_is_never_taken_for_null(
    settings: dict[str, object],
) -> None:
    changes = [change("update", RICH, POOR), change("delete", None, RICH)]
    assert told(of_table(**settings), *changes)
    with pytest.raises(EnvironmentProblem, match="does not send") as raised:
        of_table(**settings).project([change("update", RICH, relation=KEYS_ONLY)])
    assert 'ALTER TABLE "public"."user_accounts" REPLICA IDENTITY FULL' in raised.value.remedy


def test_a_table_that_is_not_as_the_definition_says_stops_it() -> None:
    odd = make_relation({"id": "int8"}, key=["id"], table="user_accounts")
    rule = EventRuleConfig(name="Opened", on="insert", when="new.balance > 0")
    with pytest.raises(ConfigError, match=r"(?s)projections\[0\]\.aggregates\[0\].*balance"):
        of_table(events=(rule,)).project([change("insert", ("1",), relation=odd)])
    with pytest.raises(ConfigError, match="balance"):
        of_table(events=(rule,)).reads(odd)
    keyless = make_relation(
        {"id": "int8"}, table="user_accounts", replica_identity=ReplicaIdentity.FULL
    )
    with pytest.raises(ConfigError, match="has no key"):
        of_table().project([change("insert", ("1",), relation=keyless)])


def test_changes_of_other_tables_are_left_alone() -> None:
    other = make_relation({"id": "int8"}, key=["id"], table="orders")
    projection = of_table()
    assert not projection.reads(other)
    assert projection.project([change("insert", ("1",), relation=other)]) == []
    assert projection.take_rejected() == []
