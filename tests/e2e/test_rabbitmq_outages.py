"""RabbitMQ goes away under load, in every way that it knows; nothing is lost, nothing out of order.

While it is away the slot stands still and PostgreSQL sees a client that lives. Each test prints
what was sent, what arrived, what came twice, and what was lost.
"""

from __future__ import annotations

import random
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from bridge.postgres.embedded import EmbeddedPostgres
from tests.e2e.conftest import MakeBridge
from tests.fixtures.bridge_process import BridgeProcess
from tests.fixtures.postgres import PrivateServerFactory
from tests.fixtures.rabbitmq.broker import Broker, Queue
from tests.fixtures.rabbitmq.node import RabbitMqNode
from tests.fixtures.rabbitmq.versions import VersionedRows, changes_in, judge
from tests.fixtures.slot_history import SlotHistory, look_at_slot
from tests.fixtures.waiting import eventually

WAL_SENDER_TIMEOUT_S = 5
DRAIN_S = 5
SETTLED_S = 3.0
"""Until the server has heard of everything that was durable when the broker went away."""

MAX_GROWTH_BYTES = 150 << 20

SHORT = pytest.param(WAL_SENDER_TIMEOUT_S + 2, id="short")


def long(seconds: int) -> Any:
    """Return an outage of the nightly profile."""
    return pytest.param(seconds, id=f"{seconds}s", marks=[pytest.mark.nightly,
                        pytest.mark.timeout(600)])  # fmt: skip


class Flow:
    """An application, a bridge, an exchange and a queue; all flows until something is broken."""

    def __init__(
        self,
        server: EmbeddedPostgres,
        bridge: BridgeProcess,
        rows: VersionedRows,
        broker: Broker,
        exchange: str,
        queue: Queue,
    ) -> None:
        self.server = server
        self.bridge = bridge
        self.rows = rows
        self.broker = broker
        self.exchange = exchange
        self.queue = queue
        self._rss = self._peak_rss()

    def wait_for_change(self, number: int) -> None:
        """Wait until the application has made so many changes."""
        eventually(lambda: self.rows.changes >= number, message=f"{number} changes", timeout=60)

    def stands_still(self, seconds: float) -> None:
        """The slot does not move for so long, once it has settled, while changes go on."""
        changes = self.rows.changes
        self.lasts(SETTLED_S)
        with SlotHistory(self.server.dsn()) as history:
            self.lasts(seconds)
        assert len(history.confirmed) == 1, "the slot moved while the broker was away"
        assert history.answers > 0, "the bridge did not answer PostgreSQL"
        assert self.rows.changes > changes + 100

    def lasts(self, seconds: float) -> None:
        """Let time pass while the bridge runs."""
        until = time.monotonic() + seconds
        self.bridge.until(lambda: time.monotonic() > until, "the outage lasts", seconds + 10)

    def finish(self, *, strictly: bool = True, timeout: float = 120) -> None:
        """End the load, wait for everything, and judge it."""
        self.rows.stop()
        versions = self.rows.versions()
        sent = sum(versions.values())
        self.bridge.until(
            lambda: changes_in(self.queue.read) >= sent, "everything arrives", timeout
        )
        assert self.bridge.terminate() == 0
        with psycopg.connect(self.server.dsn(), autocommit=True) as connection:
            confirmed = look_at_slot(connection).confirmed
        counts = judge(self.queue.read(), versions, confirmed, strictly=strictly)
        grown = self._grown
        print(f"{counts}, memory grew by {grown >> 20} MiB")
        assert counts.lost == 0
        assert counts.confirmed == counts.sent
        assert grown < MAX_GROWTH_BYTES
        assert len(self.bridge.logged("stream_started")) == 1
        assert "terminating walsender" not in self.server.log_path.read_text()

    def note_memory(self) -> None:
        """Remember how far the memory of the bridge has grown."""
        self._grown = self._peak_rss() - self._rss

    def _peak_rss(self) -> int:
        status = Path(f"/proc/{self.bridge.process.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) * 1024


StartFlow = Callable[..., AbstractContextManager[Flow]]


@pytest.fixture
def start_flow(
    private_server: PrivateServerFactory, make_bridge: MakeBridge, rabbitmq: Broker
) -> StartFlow:
    """Return what starts a flow, with settings of the sink and arguments of the queue."""

    @contextmanager
    def start(arguments: dict[str, Any] | None = None, **settings: Any) -> Iterator[Flow]:
        seed = random.randrange(1 << 32)
        print(f"seed {seed}")
        with ExitStack() as stack:
            server = private_server(wal_sender_timeout=f"{WAL_SENDER_TIMEOUT_S}s")
            rows = VersionedRows(server.dsn(), seed=seed)
            rows.create()
            exchange = rabbitmq.new_exchange()
            queue = rabbitmq.new_queue(exchange, arguments=arguments)
            sink = {
                "type": "rabbitmq",
                "url": rabbitmq.url,
                "exchange": exchange,
                "retry": {"initial_delay_ms": 50, "max_delay_ms": 500},
                **settings,
            }
            bridge = make_bridge(
                server.dsn(), sinks=[sink], shutdown={"drain_seconds": DRAIN_S}
            ).start()
            bridge.wait_until_logged("stream_started")
            stack.enter_context(rows)
            eventually(lambda: queue.size() > 200, message="events arrive", timeout=30)
            yield Flow(server, bridge, rows, rabbitmq, exchange, queue)
            queue.delete()
            rabbitmq.delete_exchange(exchange)

    return start


@pytest.mark.parametrize("seconds", [SHORT, long(60)])
@pytest.mark.parametrize("ending", ["stopped", pytest.param("killed", marks=pytest.mark.nightly)])
def test_broker_goes_and_comes_back(
    ending: str, seconds: float, start_flow: StartFlow, rabbitmq_node: RabbitMqNode
) -> None:
    with start_flow() as flow:
        if ending == "stopped":
            rabbitmq_node.stop()
        else:
            rabbitmq_node.kill()
        flow.bridge.wait_until_logged("sink_retry")
        flow.stands_still(seconds)
        rabbitmq_node.start()
        flow.note_memory()
        flow.finish()


@pytest.mark.parametrize("seconds", [SHORT, long(180)])
def test_memory_alarm_is_backpressure(
    seconds: float, start_flow: StartFlow, rabbitmq_node: RabbitMqNode
) -> None:
    with start_flow(heartbeat_seconds=5) as flow:
        rabbitmq_node.raise_memory_alarm()
        blocked = flow.bridge.wait_until_logged("broker_blocked")
        assert "memory" in blocked["reason"]
        flow.stands_still(seconds)
        flow.note_memory()
        rabbitmq_node.clear_memory_alarm()
        flow.bridge.wait_until_logged("broker_unblocked")
        flow.finish()
        assert len(flow.bridge.logged("broker_blocked")) == 1
        assert flow.bridge.logged("sink_retry") == []  # no failure


def test_it_can_be_stopped_while_the_broker_takes_nothing(
    start_flow: StartFlow, rabbitmq_node: RabbitMqNode
) -> None:
    with start_flow() as flow:
        rabbitmq_node.raise_memory_alarm()
        flow.bridge.wait_until_logged("broker_blocked")
        flow.note_memory()
        flow.bridge.signal(signal.SIGTERM)
        assert flow.bridge.wait(DRAIN_S + 10) == 0
        assert not flow.bridge.logged("stopped")[0]["drained"]
        rabbitmq_node.clear_memory_alarm()
        flow.bridge.start()
        flow.finish()


@pytest.mark.parametrize("seconds", [SHORT, long(60)])
def test_messages_without_a_queue_are_not_confirmed(seconds: float, start_flow: StartFlow) -> None:
    with start_flow() as flow:
        flow.broker.unbind(flow.queue, flow.exchange)
        retry = flow.bridge.wait_until_logged("sink_retry")
        assert "has no queue for the Update of public.t" in retry["error"]
        flow.stands_still(seconds)
        flow.note_memory()
        flow.broker.bind(flow.queue, flow.exchange)
        flow.finish(strictly=False)


@pytest.mark.parametrize("seconds", [SHORT, long(60)])
def test_a_full_queue_that_rejects_is_waited_for(seconds: float, start_flow: StartFlow) -> None:
    limits = {"x-max-length": 1_000, "x-overflow": "reject-publish"}
    with start_flow(limits) as flow:
        retry = flow.bridge.wait_until_logged("sink_retry")
        assert "refuses the Update of public.t" in retry["error"]
        flow.stands_still(seconds)
        flow.note_memory()
        flow.finish(strictly=False)  # which reads the queue empty again and again


@pytest.mark.parametrize("seconds", [SHORT, long(60)])
@pytest.mark.parametrize("declare", [True, pytest.param(False, marks=pytest.mark.nightly)])
def test_an_exchange_that_is_deleted_is_waited_for(
    declare: bool, seconds: float, start_flow: StartFlow
) -> None:
    with start_flow(declare=declare) as flow:
        flow.broker.delete_exchange(flow.exchange)
        retry = flow.bridge.wait_until_logged("sink_retry")
        assert "no exchange" in retry["error"]
        flow.stands_still(seconds)
        flow.note_memory()
        flow.broker.declare_exchange(flow.exchange)
        flow.broker.bind(flow.queue, flow.exchange)
        flow.finish(strictly=False)


def test_connections_that_are_closed_by_force_are_made_again(
    start_flow: StartFlow, rabbitmq_node: RabbitMqNode
) -> None:
    with start_flow(connections=3) as flow:
        for number in range(1, 4):
            rabbitmq_node.control("close_all_connections", "closed by a test")
            flow.bridge.wait_until_logged("sink_retry", count=number)
            flow.wait_for_change(flow.rows.changes + 300)
        flow.note_memory()
        flow.finish()


def test_an_idle_connection_outlives_its_heartbeat(
    start_flow: StartFlow, rabbitmq_node: RabbitMqNode
) -> None:
    with start_flow(heartbeat_seconds=2) as flow:
        flow.rows.stop()
        sent = sum(flow.rows.versions().values())
        flow.bridge.until(lambda: changes_in(flow.queue.read) >= sent, "all arrived")
        flow.lasts(8)
        flow.note_memory()
        assert rabbitmq_node.control("list_connections", "timeout").split() == ["2"]
        with psycopg.connect(flow.server.dsn(), autocommit=True) as connection:
            connection.execute("UPDATE t SET version = version + 1 WHERE id = 1")
        flow.finish()
        assert flow.bridge.logged("sink_retry") == []
