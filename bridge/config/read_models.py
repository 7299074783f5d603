"""The settings of read models: one ``ReadModelConfig`` for each entry of ``read_models``.

``docs/read-models.md`` says what they mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from bridge.config.problems import Findings
from bridge.core.secret import Dsn

_NAME: Final = {
    "pattern": r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$",
    "max_length": 40,
    "form": "at most 40 lower-case letters and digits, with single underscores between them: the "
    "view has this name",
}
DEFAULT_SCHEMA: Final = "read_models"


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewStoreConfig:
    """Where the rows of a read model are kept.

    Attributes:
        type: ``sqlite``, a file; or ``postgres``, a schema of a database.
        path: of the file, for ``sqlite``; several read models may share it.
        dsn: connection string of the database, for ``postgres``; that of the source by default.
        schema: name of the schema, for ``postgres``: ``read_models`` by default; made if the
            account may.
    """

    type: Literal["sqlite", "postgres"]
    path: Path | None = None
    dsn: Dsn | None = None
    schema: str | None = field(default=None, metadata={"min_length": 1, "max_length": 63})

    def __post_init__(self) -> None:
        if self.type == "sqlite":
            if self.path is None:
                raise ValueError("path is missing, which the type sqlite needs.")
            for name in ("dsn", "schema"):
                if getattr(self, name) is not None:
                    raise ValueError(f"{name} is given, which belongs to the type postgres.")
        elif self.path is not None:
            raise ValueError("path is given, which belongs to the type sqlite.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadModelConfig:
    """A view that follows the events of a projection.

    Attributes:
        name: of the read model, unique; readers find its rows in a view of this name.
        events: name of the projection whose events are folded.
        python: ``package.module:name`` of a ``ReadModel``.
        store: where the rows are kept.
    """

    name: str = field(metadata=_NAME)
    events: str = field(metadata={"min_length": 1})
    python: str = field(
        metadata={
            "pattern": r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$",
            "form": "of the form package.module:name",
        },
    )
    store: ViewStoreConfig


def check_read_models(
    read_models: Sequence[ReadModelConfig | None],
    projections: Mapping[str, str] | None,
    findings: Findings,
) -> None:
    """Report names that stand twice, and events of projections that there are not.

    Args:
        read_models: in the order of the file; None stands for one that could not be read.
        projections: name to type of the store; None if some of them could not be read.
        findings: gets the problems.
    """
    taken: dict[str, int] = {}
    for i, read_model in enumerate(read_models):
        if read_model is None:
            continue
        if taken.setdefault(read_model.name, i) != i:
            findings.add(
                ("read_models", i, "name"),
                f"two read models are called {read_model.name!r} (the other is "
                f"read_models[{taken[read_model.name]}]); give each a name of its own.",
            )
        if projections is None:
            continue
        if projections.get(read_model.events) == "memory":
            findings.add(
                ("read_models", i, "events"),
                f"the events of {read_model.events} are in memory, and a view outlasts them; give "
                "the projection a store that lasts.",
            )
        if read_model.events not in projections:
            findings.add(
                ("read_models", i, "events"),
                "there is no such projection; "
                + (
                    f"there are: {', '.join(projections)}."
                    if projections
                    else "projections has none."
                ),
            )
