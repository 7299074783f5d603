"""Processors on a real Flink: the results are those of the bridge's own dataflows.

Opt-in, `make test-flink`: Flink is large. Kafka is real, messages are those of the sink's own
formats, and the input is random: it has disorder within the bound, equal times, NULL and other
tables' operations.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_HALF_UP, Context, Decimal
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from bridge.config import Config, load_config
from bridge.core.events import CdcEvent, Operation, Transaction
from bridge.core.relation import Relation
from bridge.core.values import ValueStyle
from bridge.dataflow import make_dataflows
from bridge.flink import compile_processors
from bridge.flink.schema import relations_of_file
from sinks.formats import FormatConfig, make_format
from tests.fixtures.events import SOURCE
from tests.fixtures.flink import Flink
from tests.fixtures.kafka.fixtures import Kafka

pytestmark = [pytest.mark.flink, pytest.mark.timeout(600)]

SCHEMA = """
public.orders: {id: bigint, customer_id: integer, status: text, kind: enum,
                amount: "numeric(10, 2)", weight: double precision, rate: numeric,
                created_at: timestamptz}
public.payments: {id: bigint, order_id: bigint, card: text, amount: "numeric(10, 2)",
                  paid_at: timestamptz}
"""

SECOND = 1_000_000
BEGIN = 1_709_208_000 * SECOND
END = BEGIN + 10 * 365 * 86_400 * SECOND
BOUND = 5 * SECOND
"""Disorder of the input; the processors allow for a little more."""

PROCESSORS = """
  - name: per_minute
    from: {tables: [public.orders], operations: [insert]}
    where: "new.status = 'paid' and (new.amount > 3 or new.amount is null)"
    key: {customer: customer_id}
    time: new.created_at
    window: {type: tumbling, size: 1m, offset: 7s}
    aggregates: {orders: count(), priced: count(new.amount), revenue: sum(new.amount),
                 mean: avg(new.amount), low: min(new.amount), high: max(new.amount * 2 + 1),
                 kinds: count(distinct new.kind), ids: sum(new.id), heavy: max(new.weight)}
    out_of_orderness: 6s
    to: [answers]
  - name: by_commit
    from: {tables: [public.orders, public.payments], operations: [insert, update]}
    key: {what: "operation || ' ' || table"}
    window: {type: tumbling, size: 30s}
    aggregates: {events: count(), ids: sum(id)}
    to: [answers]
  - name: conditions
    from: {tables: [public.orders]}
    where: >
      (new.status like '%d%' or new.status is null)
      and lower(coalesce(kind::text, 'X')) in ('b', 'x')
      and new.created_at >= '2024-02-29 13:00:05+01' and new.id % 7 <> 3
      and new.created_at + interval '1 minute' > '2024-02-29 12:02:00+00'
      and not (new.weight * 2 < 1.5 and new.amount is distinct from 5)
    key: {day: new.created_at::date, odd: "case when new.id % 2 = 1 then 'odd' else 'even' end"}
    time: new.created_at
    window: {type: tumbling, size: 20s}
    aggregates: {orders: count(), rates: "sum(new.rate::numeric(12, 2))", rate: count(new.rate),
                 odds: "max(case when new.amount > 50 then new.amount end)"}
    out_of_orderness: 6s
    to: [answers]
  - name: orders_with_payments
    join: {type: interval, how: left, before: 1500us, after: 2s}
    left: {tables: [public.orders], key: [id], time: new.created_at}
    right: {tables: [public.payments], key: [order_id], time: new.paid_at}
    out_of_orderness: 6s
    to: [answers]
  - name: sliding
    from: {tables: [public.orders]}
    time: new.created_at
    window: {type: sliding, size: 1m, slide: 20s}
    aggregates: {orders: count(), customers: count(distinct new.customer_id), mean: avg(new.id)}
    out_of_orderness: 6s
    to: [answers]
  - name: sessions
    from: {tables: [public.orders]}
    key: [customer_id, "coalesce(new.status, 'none')"]
    time: new.created_at
    window: {type: session, gap: 20s}
    aggregates: {orders: count(), last_time: max(new.created_at)}
    out_of_orderness: 6s
    to: [answers]
  - name: paid_orders
    join: {type: interval, how: inner, before: 2s, after: 1m}
    left: {tables: [public.orders], key: [id], time: new.created_at}
    right: {tables: [public.payments], key: [order_id], time: new.paid_at}
    out_of_orderness: 6s
    to: [answers]
  - name: orders_and_payments
    join: {type: interval, how: full, after: 10s}
    left: {tables: [public.orders], key: [id], time: new.created_at}
    right: {tables: [public.payments], key: [order_id], time: new.paid_at}
    select: {order_id: left.id, status: left.status, amount: right.amount, paid: right.paid_at}
    out_of_orderness: 6s
    to: [answers]
  - name: card_testing
    from: {tables: [public.payments]}
    key: [card]
    time: new.paid_at
    pattern:
      within: 1m
      skip: past_last_event
      steps:
        - {begin: small, where: "new.amount < 30", times: 2}
        - {followed_by: large, where: "new.amount > 2 * last(small.amount)"}
    out_of_orderness: 6s
    to: [answers]
  - name: no_refund
    from: {tables: [public.payments]}
    key: [card]
    time: new.paid_at
    pattern:
      within: 40s
      steps:
        - {begin: big, where: "new.amount > 70"}
        - {not_followed_by: refund, where: "new.amount < 5"}
        - {followed_by: next_one, where: ["new.amount < 40", "new.card <> 'card 4'"],
           or_where: "new.amount = 70.5", times: 2, consecutive: true}
    out_of_orderness: 6s
    to: [answers]
  - name: rising
    from: {tables: [public.payments]}
    key: [card]
    time: new.paid_at
    pattern:
      steps:
        - {begin: first_one}
        - {next: second_one, where: "new.amount > first(first_one.amount)"}
        - {next: third_one, where: "new.amount > first(second_one.amount)"}
    out_of_orderness: 6s
    to: [answers]
"""


def _timestamp(us: int) -> str:
    from bridge.expressions.times import timestamptz_text

    return timestamptz_text(us)


def _in_disorder(times: Sequence[int], chance: random.Random) -> list[int]:
    """Return the order of arrival, in which none is more than ``BOUND`` behind another."""
    return sorted(range(len(times)), key=lambda i: times[i] + chance.randint(0, BOUND))


class _Stream:
    """Makes the events of a slot."""

    def __init__(self) -> None:
        self.events: list[CdcEvent] = []
        self._heard = BEGIN

    def add(
        self, operation: Operation, relation: Relation, us: int, new: Any, old: Any = None
    ) -> None:
        self._heard = max(self._heard, us) + 1
        lsn = 0x1000 + 0x100 * len(self.events)
        transaction = Transaction(SOURCE, len(self.events) + 1, lsn, self._heard)
        self.events.append(CdcEvent(transaction, 0, lsn - 8, operation, relation, new, old))


def _appended(relations: Mapping[str, Relation], seed: int) -> list[CdcEvent]:
    """Return inserts of orders and payments, and now and then what no processor looks at."""
    chance = random.Random(seed)
    rows: list[tuple[int, str, tuple[str | None, ...]]] = []
    for number in range(400):
        us = BEGIN + chance.randint(0, 600 * SECOND)
        amount = None if chance.random() < 0.05 else f"{chance.randint(0, 9999) / 100:.2f}"
        status = chance.choice(["paid", "paid", "open", "it's `odd`", None])
        weight = str(chance.choice([0.5, 1.25, 3.75, 100.0]))
        kind = chance.choice(["a", "b", "c", None])
        rate = chance.choice([None, f"{chance.randint(0, 99_999) / 1000:.3f}", "12.345678"])
        order = (str(number), str(chance.randint(1, 5)), status, kind, amount, weight, rate)
        rows.append((us, "orders", (*order, _timestamp(us))))
        for _ in range(chance.choice([0, 1, 1, 2])):
            paid = us + chance.choice([-2, 0, 1, 10, 30, 60]) * SECOND
            paid += chance.choice([0, 0, 1, -1, 499, chance.randint(-SECOND, SECOND)])
            payment = (str(len(rows)), str(number), f"card {chance.randint(1, 4)}")
            price = f"{chance.randint(0, 9999) / 100:.2f}"
            rows.append((paid, "payments", (*payment, price, _timestamp(paid))))
    stream = _Stream()
    for i in _in_disorder([us for us, _, _ in rows], chance):
        us, table, row = rows[i]
        stream.add(Operation.INSERT, relations[table], us, row)
        if chance.random() < 0.1:
            stream.add(Operation.UPDATE, relations[table], us, row, row)
        if chance.random() < 0.05:
            stream.add(Operation.DELETE, relations[table], us, None, row)
    return stream.events


def _load(directory: Path, kafka: Kafka, topics: str, fmt: str, processors: str) -> Config:
    path = directory / "pgbridge.yaml"
    path.write_text(
        f"source: {{dsn: 'postgresql:///unused', slot: unused}}\n"
        f"sinks:\n"
        f"  - {{name: changes, type: kafka, brokers: '{kafka.bootstrap}', format: {fmt},\n"
        f"     topic: '{topics}.{{schema}}.{{table}}', tombstones: false}}\n"
        f"  - {{name: answers, type: kafka, brokers: '{kafka.bootstrap}',\n"
        f"     topic: {topics}.answers}}\n"
        f"processors:{processors}"
    )
    return load_config(path, environ={})


def _relations(directory: Path) -> dict[str, Relation]:
    path = directory / "schema.yaml"
    path.write_text(SCHEMA)
    return {str(r.table): r for r in relations_of_file(path, ValueStyle())}


def _send(kafka: Kafka, topics: str, fmt: str, events: Sequence[CdcEvent]) -> None:
    """Put events into topics with two partitions, as the sink's format writes them."""
    encode = make_format(FormatConfig(format=fmt)).encode
    for table in ("orders", "payments"):
        kafka.topics.create(f"{topics}.public.{table}", partitions=2)
    kafka.topics.create(f"{topics}.answers")
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "log_level": 0})
    for event in events:
        row = event.new or event.old
        assert row is not None
        topic = f"{topics}.public.{event.relation.table}"
        producer.produce(topic, encode(event), str(row[0]))
    assert producer.flush(30) == 0


def _here(config: Config, events: Sequence[CdcEvent]) -> Counter[str]:
    """Return the results of the bridge's own dataflows."""
    found: Counter[str] = Counter()
    for dataflow in make_dataflows(config.processors):
        results = []
        for start in range(0, len(events), 100):
            results += dataflow.process(events[start : start + 100])
        results += dataflow.advance(END)
        assert dataflow.stats()["late"] == 0, "the input has more disorder than it should"
        assert results, dataflow.name
        for result in results:
            found[_canonical(f'{{"type":"{result.type}",{result.members}}}')] += 1
    return found


def _on_flink(flink: Flink, kafka: Kafka, topics: str, sql: str) -> Counter[str]:
    """Return the results that Flink writes into the topic of the answers."""
    start = "'scan.startup.mode' = 'earliest-offset'"
    assert start in sql
    flink.run(sql.replace(start, f"{start},\n  'scan.bounded.mode' = 'latest-offset'"))
    messages = kafka.topics.read(f"{topics}.answers")
    return Counter(_canonical(message.value()) for message in messages)


_DIGITS = Context(prec=15, rounding=ROUND_HALF_UP)


def _canonical(text: str | bytes) -> str:
    """Return a result in one form: 100 for 100.0, and of a mean the digits that both have."""
    result = json.loads(text, parse_int=float)
    if result.get("key") == {}:
        del result["key"]  # Flink has no object without members
    values = result.get("values") or {}
    if values.get("mean") is not None:
        values["mean"] = str(_DIGITS.create_decimal(Decimal(values["mean"])).normalize())
    return json.dumps(result, sort_keys=True)


@pytest.mark.parametrize("fmt", ["native", "debezium", "flat"])
def test_appended_rows_give_the_same_results_on_flink(
    flink: Flink, kafka: Kafka, new_topic: Callable[[], str], tmp_path: Path, fmt: str
) -> None:
    seed, topics = 20_241, new_topic()
    relations = _relations(tmp_path)
    config = _load(tmp_path, kafka, topics, fmt, PROCESSORS)
    events = _appended(relations, seed)
    _send(kafka, topics, fmt, events)
    expected = _here(config, events)
    sql = compile_processors(config, list(relations.values()), sink="changes")
    found = _on_flink(flink, kafka, topics, sql)
    print(f"seed {seed}, {fmt}: {len(events)} events, {expected.total()} results: {_counts(found)}")
    _compare(found, expected)


def _counts(results: Counter[str]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for text, count in results.items():
        counts[json.loads(text)["processor"]] += count
    return dict(counts)


def _compare(found: Counter[str], expected: Counter[str]) -> None:
    missing, surplus = expected - found, found - expected
    assert not missing, f"Flink lacks {missing.total()}: {_few(missing)}; has {_few(surplus)}"
    assert not surplus, f"Flink has more, {surplus.total()}: {_few(surplus)}"


def _few(results: Counter[str]) -> list[str]:
    return sorted(results)[:8]


CHANGELOG = """
  - name: per_minute
    from: {tables: [public.orders]}
    where: "new.status = 'paid'"
    key: [customer_id]
    time: new.created_at
    mode: changelog
    window: {type: tumbling, size: 20s}
    aggregates: {orders: count(), revenue: sum(new.amount), mean: avg(new.amount),
                 low: min(new.amount), high: max(new.amount), kinds: count(distinct new.kind)}
    out_of_orderness: 6s
    to: [answers]
  - name: sliding
    from: {tables: [public.orders]}
    time: new.created_at
    mode: changelog
    window: {type: sliding, size: 20s, slide: 10s}
    aggregates: {orders: count(), revenue: sum(new.amount)}
    out_of_orderness: 6s
    to: [answers]
"""


def _changed(orders: Relation, seed: int) -> list[CdcEvent]:
    """Return what happens to orders in the first seconds of their lives."""
    chance = random.Random(seed)
    changes: list[tuple[int, int, Operation, Any, Any]] = []
    for number in range(300):
        us = BEGIN + chance.randint(0, 600 * SECOND)
        arrivals = sorted(us + chance.randint(0, BOUND) for _ in range(4))
        before: tuple[str | None, ...] | None = None
        for arrival in arrivals[: chance.choice([1, 2, 3, 4])]:
            if before is not None and chance.random() < 0.3:
                changes.append((arrival, us, Operation.DELETE, None, before))
                break
            amount = f"{chance.randint(0, 9999) / 100:.2f}" if chance.random() < 0.9 else None
            status, kind = chance.choice(["paid", "open"]), chance.choice(["a", "b", None])
            row = (
                str(number),
                str(chance.randint(1, 3)),
                status,
                kind,
                amount,
                "1",
                None,
                _timestamp(us),
            )
            operation = Operation.INSERT if before is None else Operation.UPDATE
            changes.append((arrival, us, operation, row, before))
            before = row
    stream = _Stream()
    for _, us, operation, new, old in sorted(changes, key=lambda change: change[0]):
        stream.add(operation, orders, us, new, old)
    return stream.events


def test_changed_and_deleted_rows_are_taken_back_on_flink(
    flink: Flink, kafka: Kafka, new_topic: Callable[[], str], tmp_path: Path
) -> None:
    seed, topics = 71, new_topic()
    relations = _relations(tmp_path)
    config = _load(tmp_path, kafka, topics, "debezium", CHANGELOG)
    events = _changed(relations["orders"], seed)
    _send(kafka, topics, "debezium", events)
    everything = _here(config, events)
    # The bridge tells that a window became empty, Flink says nothing of it.
    expected = Counter({t: n for t, n in everything.items() if '"orders": 0.0' not in t})
    sql = compile_processors(config, list(relations.values()), sink="changes")
    found = _on_flink(flink, kafka, topics, sql)
    empty = everything.total() - expected.total()
    print(f"seed {seed}: {len(events)} events, {expected.total()} results and {empty} empty ones")
    assert empty, "no window became empty"
    _compare(found, expected)
