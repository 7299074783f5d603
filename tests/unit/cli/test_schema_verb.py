"""The history of tables from the command line, with the state that a bridge has left."""

import json
from pathlib import Path

import pytest

from bridge.core.continuity import Checkpoint, Phase
from bridge.core.events import Source
from bridge.runtime.schema_history import SchemaHistory
from bridge.runtime.state import StateStore
from decoders.decoder import PgOutputDecoder
from tests.fixtures.frames import FrameWriter, RelationFrame
from tests.unit.cli.conftest import Run

CONFIG = """
source: {dsn: "postgresql://u:canary-7e1f@h/db"}
sinks: [{type: stdout}]
state: {dir: state}
"""


def users(schema: str, *columns: str) -> RelationFrame:
    return RelationFrame(
        oid=16400 + len(schema),
        table="users",
        schema=schema,
        columns=(("id", 23, True), *((name, 25, False) for name in columns)),
    )


@pytest.fixture
def after_a_run(directory: Path) -> Path:
    """A directory with the state of a bridge that has seen two tables, one of which changed."""
    (directory / "pgbridge.yaml").write_text(CONFIG)
    with StateStore(directory / "state") as store:
        store.save_checkpoint(
            Checkpoint(
                system_identifier="1",
                timeline=1,
                database="db",
                slot="pgbridge",
                publication="pgbridge",
                phase=Phase.STREAMING,
            )
        )
        history = SchemaHistory(store.file, "1", "db")
        decoder, frames = PgOutputDecoder(Source("1", "db"), watch=history), FrameWriter()
        decoder.feed([frames.begin(0x2000), frames.relation(users("public", "name"))])
        decoder.feed([frames.relation(users("sales")), frames.commit(0x2000)])
        decoder.feed([frames.begin(0x3000), frames.relation(users("public", "name", "mail"))])
    return directory


def test_the_history_of_a_table_is_shown(after_a_run: Path, run: Run) -> None:
    outcome = run("schema", "history", "public.users")

    assert outcome.code == 0
    header, *versions = outcome.out.splitlines()
    assert header.split() == [
        "version", "position", "committed", "compatibility", "changes"
    ]  # fmt: skip
    assert [line.split()[1] for line in versions] == ["0/2000:0", "0/3000:0"]
    assert versions[0].endswith("first seen")
    assert versions[1].endswith("full           added mail text")


def test_machines_get_the_columns_too(after_a_run: Path, run: Run) -> None:
    outcome = run("schema", "history", "sales.users", "--json")

    assert outcome.code == 0
    (version,) = json.loads(outcome.out)
    assert version["columns"] == [{"name": "id", "type": "int4"}]
    assert (version["key"], version["compatibility"], version["changes"]) == (["id"], None, [])


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("users", "Several tables are called 'users'"),
        ("orders", "has seen no row of a table 'orders'"),
    ],
)
def test_a_table_that_is_not_there_is_named(
    after_a_run: Path, run: Run, table: str, message: str
) -> None:
    outcome = run("schema", "history", table)

    assert outcome.code == 2
    assert message in outcome.err
    assert "public.users, sales.users" in outcome.err


def test_without_a_run_there_is_no_history(directory: Path, run: Run) -> None:
    (directory / "pgbridge.yaml").write_text(CONFIG)
    outcome = run("schema", "history", "users")

    assert outcome.code == 3
    assert "There is no state in" in outcome.err
