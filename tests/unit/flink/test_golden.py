"""The SQL of each kind of processor, word for word. `test_flink` of the e2e tests runs its like.

What is expected is in `golden/`; `PGBRIDGE_WRITE_GOLDEN=1` writes it anew, for a look at the
difference.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.unit.flink.compiling import CHANGES, compiled, compiled_text

GOLDEN = Path(__file__).with_name("golden")

DEBEZIUM = CHANGES.replace("type: kafka", "type: kafka, format: debezium")
APPENDING = DEBEZIUM.replace("type: kafka", "type: kafka, tombstones: false")

ORDERS = "from: {tables: [public.orders]}, key: [customer_id], time: new.created_at"
PAYMENTS = "from: {tables: [public.payments]}, key: [card], time: new.paid_at"

KINDS = {
    "tumbling": (
        "{name: per_minute, where: \"new.status = 'paid'\","
        " window: {type: tumbling, size: 1m, offset: 10s},"
        " aggregates: {orders: count(), revenue: sum(new.amount), mean: avg(new.amount)},"
        f" out_of_orderness: 5s, {ORDERS}}}",
        APPENDING,
    ),
    "sliding": (
        "{name: sliding, from: {tables: [public.orders, public.payments], operations: [insert]},"
        " window: {type: sliding, size: 1h, slide: 90s}, aggregates: {ids: sum(id)}}",
        CHANGES,
    ),
    "session": (
        "{name: sessions, window: {type: session, gap: 30m},"
        " aggregates: {kinds: count(distinct new.kind), last_time: max(new.created_at)},"
        f" {ORDERS}}}",
        CHANGES.replace("type: kafka", "type: kafka, format: flat, delivery: exactly_once"),
    ),
    "changelog": (
        "{name: revenue, mode: changelog, window: {type: tumbling, size: 1d},"
        f" aggregates: {{revenue: sum(new.amount)}}, {ORDERS}}}",
        DEBEZIUM,
    ),
    "join": (
        "{name: paid, join: {type: interval, how: left, before: 1s, after: 10m},"
        " left: {tables: [public.orders], key: [id], time: new.created_at},"
        " right: {tables: [public.payments], key: [order_id], time: new.paid_at},"
        " select: {order_id: left.id, placed: left.placed_on, amount: right.amount}"
        "}",
        CHANGES,
    ),
    "pattern": (
        "{name: card_testing, pattern: {within: 10m, skip: past_last_event, steps: ["
        '{begin: small, where: "new.amount < 5", times: 2},'
        ' {followed_by: large, where: "new.amount > 100 * last(small.amount)"}]},'
        f" {PAYMENTS}}}",
        CHANGES,
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_processor_gives_this_sql(kind: str, tmp_path: Path) -> None:
    processor, changes = KINDS[kind]
    sql = compiled(tmp_path, processor, changes=changes)
    expected = GOLDEN / f"{kind}.sql"
    if os.environ.get("PGBRIDGE_WRITE_GOLDEN"):
        expected.write_text(sql, encoding="utf-8")
    assert sql == expected.read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", KINDS)
def test_statements_are_whole(kind: str, tmp_path: Path) -> None:
    processor, changes = KINDS[kind]
    sql = compiled(tmp_path, processor, changes=changes)
    bare = re.sub(r"'(?:[^']|'')*'|`(?:[^`]|``)*`|--.*", "_", sql)
    for opening, closing in ("()", "[]"):
        assert bare.count(opening) == bare.count(closing)
    assert "'" not in bare
    assert "`" not in bare
    assert sql.rstrip().endswith("END;")


def test_all_processors_are_one_job(tmp_path: Path) -> None:
    entries = [KINDS[kind][0] for kind in ("session", "join", "pattern")]
    sql = compiled(tmp_path, *entries)
    assert sql.count("EXECUTE STATEMENT SET") == 1
    assert sql.count("INSERT INTO") == 3


def test_without_a_kafka_sink_results_are_printed(tmp_path: Path) -> None:
    answers = "{name: answers, type: stdout}"
    sql = compiled(tmp_path, KINDS["session"][0], answers=answers)
    assert "'connector' = 'print'" in sql


def test_secrets_of_a_cluster_are_not_written(tmp_path: Path) -> None:
    sasl = "sasl: {mechanism: PLAIN, username: app, password: canary-7e1f}, tls: {}"
    changes = CHANGES.replace("type: kafka", f"type: kafka, {sasl}")
    sql = compiled(tmp_path, KINDS["session"][0], changes=changes)
    assert "'properties.security.protocol' = 'SASL_SSL'" in sql
    assert "canary-7e1f" not in sql


def test_the_example_of_the_documentation_is_compiled(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "flink.md").read_text(encoding="utf-8")
    configuration, schema = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    sql = compiled_text(tmp_path, configuration, schema)
    assert "INSERT INTO `revenue_per_minute`" in sql
    assert "MATCH_RECOGNIZE" in sql
