"""Orders, their payments and customers: tables to join and to look for patterns in."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

import yaml

from bridge.config.problems import ConfigInvalid, Findings
from bridge.config.processor_checks import check_processor
from bridge.config.processors import ProcessorConfig
from bridge.config.validation import validate
from bridge.core.events import CdcEvent, Operation, Texts
from bridge.core.relation import Relation
from bridge.dataflow import Dataflow, make_dataflows
from bridge.processing.partitions import PartitionMemory
from bridge.processing.state.results import Result
from tests.fixtures.events import make_relation
from tests.unit.dataflow.orders import Stream
from tests.unit.processing.partitions.stored import StoredPartitions

ORDERS = make_relation(
    {"id": "int8", "customer": "text", "amount": "numeric", "note": "text"},
    key=["id"],
    table="orders",
)
PAYMENTS = make_relation(
    {"id": "int8", "order_id": "int4", "amount": "numeric", "card": "text"},
    key=["id"],
    table="payments",
)
CUSTOMERS = make_relation(
    {"id": "int8", "name": "text", "city": "text", "about": "text"}, key=["id"], table="customers"
)
OTHERS = make_relation({"id": "int8"}, key=["id"], table="others")
LIMITS = (None, 0, 20_000)
"""Of memory, in bytes: none, nothing fits, some fits."""


class Shop(Stream):
    """The changes of these tables."""

    def order(
        self, seconds: float, id: int, customer: str | None = "Ada", amount: str = "10.00"
    ) -> CdcEvent:
        return self.insert(seconds, (str(id), customer, amount, None), ORDERS)

    def payment(
        self,
        seconds: float,
        order_id: int | None,
        amount: str | None = "10.00",
        *,
        id: int = 1,
        card: str | None = "visa",
    ) -> CdcEvent:
        row = (str(id), None if order_id is None else str(order_id), amount, card)
        return self.insert(seconds, row, PAYMENTS)

    def other_table(self, seconds: float) -> CdcEvent:
        return self.insert(seconds, ("1",), OTHERS)

    def row(
        self,
        operation: Operation,
        new: Texts | None,
        old: Texts | None = None,
        *,
        relation: Relation = CUSTOMERS,
        seconds: float = 0,
    ) -> CdcEvent:
        return self.event(seconds, operation, new, old, relation)


def definition(text: str) -> ProcessorConfig:
    """Return the processor that a section of YAML defines.

    Raises:
        ConfigError: with the places of what is wrong.
    """
    findings = Findings()
    path = ("processors", 0)
    config = validate(ProcessorConfig, yaml.safe_load(text), path, findings)
    if config is not None:
        check_processor(config, path, findings)
    if list(findings):
        raise ConfigInvalid("pgbridge.yaml", findings)
    assert config is not None
    return config


def make(text: str) -> Dataflow:
    """Return the dataflow of a section of YAML."""
    return make_dataflows([definition(text)])[0]


def run(flow: Dataflow, events: Iterable[CdcEvent]) -> list[Result]:
    """Return what a dataflow gives for all events at once."""
    return flow.process(list(events))


def run_in_pieces(
    text: str, events: Sequence[CdcEvent], seed: int, limit: int | None = None
) -> tuple[Dataflow, list[Result]]:
    """Return what the dataflow gives if the process ends again and again, with its last state.

    Args:
        text: the definition, in YAML.
        events: all of them.
        seed: of the moments at which it ends.
        limit: how many bytes of the state may be in memory; None for all.
    """
    chance = random.Random(seed)
    store = StoredPartitions()
    memory, flow = _start(text, store, limit)
    results: list[Result] = []
    at = 0
    while at < len(events):
        size = chance.randint(1, 4)
        results += flow.process(events[at : at + size])
        at += size
        if chance.random() < 0.5:
            flow.take_rejected()
            store.checkpoint(memory, flow.snapshot())
            memory, flow = _start(text, store, limit)
            flow.restore(store.head())
    return flow, results


def _start(
    text: str, store: StoredPartitions, limit: int | None
) -> tuple[PartitionMemory, Dataflow]:
    memory = PartitionMemory(limit or 0, store)
    [flow] = make_dataflows([definition(text)], None if limit is None else memory)
    return memory, flow
