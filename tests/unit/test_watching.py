"""What a look at slot and publication leads to."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from bridge.config import Config, SinkConfig, SourceConfig
from bridge.config.model import WalBudgetConfig
from bridge.core.errors import EnvironmentProblem
from bridge.core.secret import Dsn
from bridge.watching import SlotGivenUp, SlotWatch
from sinks.null import NullConfig

MEGABYTE = 1 << 20


@dataclass
class Server:
    """Stands for the slots and the publications of a server."""

    retained_bytes: int = 0
    publication: bool = True
    added: tuple[str, ...] = ()
    problem: EnvironmentProblem | None = None
    slot: Any = field(
        default_factory=lambda: SimpleNamespace(wal_status="reserved", safe_wal_size=None)
    )

    def get(self, name: str) -> object | None:
        return object() if self.publication else None

    def plan(self, name: str, tables: object) -> object:
        if self.problem is not None:
            raise self.problem
        return SimpleNamespace(added=self.added)

    def get_slot(self, name: str) -> Any:
        return self.slot

    def get_slot_lag(self, name: str) -> object:
        return SimpleNamespace(retained_bytes=self.retained_bytes, unconfirmed_bytes=1)


def watch(server: Server, **budget: Any) -> SlotWatch:
    config = Config(
        source=SourceConfig(dsn=Dsn("dbname=shop"), tables=("public.t",)),
        sinks=(SinkConfig(type="null", name="nobody", settings=NullConfig()),),
        wal_budget=WalBudgetConfig(**budget),
    )
    return SlotWatch(config, server, server, holders=lambda: ("nobody",))  # type: ignore[arg-type]


def test_a_publication_that_was_dropped_ends_the_run() -> None:
    with pytest.raises(EnvironmentProblem, match="'pgbridge' was dropped") as caught:
        watch(Server(publication=False)).look()
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("server", "says"),
    [
        (Server(added=("public.t",)), "public.t"),
        (Server(problem=EnvironmentProblem("There is no table public.t.")), "no table public.t"),
    ],
    ids=["made anew", "gone"],
)
def test_a_table_that_left_the_publication_is_named_once(server: Server, says: str) -> None:
    watching = watch(server)
    with capture_logs() as logs:
        watching.look()
        watching.look()
    notes = [entry for entry in logs if entry["event"] == "publication_note"]
    assert len(notes) == 1
    assert says in notes[0]["note"]


def test_a_table_that_leaves_again_is_named_again() -> None:
    server = Server(added=("public.t",))
    watching = watch(server)
    with capture_logs() as logs:
        for added in (("public.t",), (), ("public.t",)):
            server.added = added
            watching.look()
    assert [entry["event"] for entry in logs].count("publication_note") == 2


def test_wal_above_the_first_threshold_is_a_warning_that_names_the_holder() -> None:
    with capture_logs() as logs:
        watch(Server(retained_bytes=2 * MEGABYTE), warn_bytes=MEGABYTE).look()
    (warning,) = (entry for entry in logs if entry["log_level"] == "warning")
    assert (warning["event"], warning["held_by"]) == ("wal_budget", ("nobody",))


@pytest.mark.parametrize(
    ("on_exceeded", "error"), [("stop", EnvironmentProblem), ("drop_slot", SlotGivenUp)]
)
def test_beyond_the_budget_the_run_ends_as_configured(
    on_exceeded: str, error: type[EnvironmentProblem]
) -> None:
    watching = watch(
        Server(retained_bytes=2 * MEGABYTE),
        warn_bytes=MEGABYTE,
        max_bytes=MEGABYTE,
        on_exceeded=on_exceeded,
    )
    with pytest.raises(error) as caught:
        watching.look()
    assert type(caught.value) is error
    assert caught.value.remedy
