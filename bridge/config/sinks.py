"""The settings of sinks: what each gets, and what happens when its target is away.

As ``bridge.config.model``, this is a vocabulary without behaviour.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from bridge.core.errors import ConfigError
from bridge.core.retry import RetryPolicy
from bridge.core.table_patterns import TablePattern

DEFAULT_SPILL_BYTES = 1024**3
"""Hours of a busy stream, and a part of a disk that a bridge can be expected to have."""

OperationName: TypeAlias = Literal["insert", "update", "delete", "truncate", "read", "message"]


def _check_patterns(setting: str, patterns: Iterable[str]) -> None:
    """Raises ``ValueError``, which the validation of a section puts at its place."""
    for text in patterns:
        try:
            TablePattern.parse(text, setting=setting)
        except ConfigError as error:
            raise ValueError(str(error)) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterConfig:
    """Which events a sink gets: those to which everything given here applies.

    Attributes:
        tables: names or patterns such as ``sales.*``; every table by default.
        operations: ``insert``, ``update``, ``delete``, ``truncate``, ``read`` (existing rows) and
            ``message``; every one by default.
        where: an SQL condition over the row before ``columns`` and ``rename``, such as
            ``new.status <> 'draft'``; what is unknown does not hold.
        function: ``package.module:function`` in Python, which takes an event and returns whether
            it is wanted.
    """

    tables: tuple[str, ...] | None = field(default=None, metadata={"min_length": 1})
    operations: tuple[OperationName, ...] | None = field(default=None, metadata={"min_length": 1})
    where: str | None = field(default=None, metadata={"min_length": 1})
    function: str | None = field(
        default=None,
        metadata={
            "pattern": r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$",
            "form": "of the form package.module:function",
        },
    )

    def __post_init__(self) -> None:
        _check_patterns("tables", self.tables or ())


@dataclass(frozen=True, slots=True, kw_only=True)
class ExcludedColumns:
    """Every column but some.

    Attributes:
        exclude: names of columns that are left out.
    """

    exclude: tuple[str, ...] = field(metadata={"min_length": 1})


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkConfig:
    """A target, ready to be made: ``sink_class(config.type)(config.settings)``.

    In the file the settings of the type stand beside the others.

    Attributes:
        type: kind of target, by its name in ``sinks.registry``.
        name: how the sink is called in messages, metrics and the stored positions, unique; its
            type by default. A sink under a new name is a new sink.
        retry: how the sink is tried again while its target is away.
        dead_letter: whether an event that the target can never accept is put aside; otherwise
            the bridge stops at it.
        required: whether the server keeps WAL until this sink holds the changes; otherwise what it
            has not taken yet is kept on the bridge's disk.
        spill_bytes: size of that part of the disk, for a sink that is not required; beyond it the
            sink is paused and misses changes, and the others go on.
        filter: which events the sink gets.
        columns: by table or pattern, a list of the columns that the sink gets, or
            ``{exclude: [...]}``; key columns always stay, and the first entry that covers a table
            counts.
        rename: by table or pattern, old name to new name of columns.
        settings: an instance of the ``Config`` of the sink's class.
    """

    type: str
    name: str = field(
        default="",
        metadata={
            "pattern": r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$",
            "form": "at most 63 letters, digits, dots, dashes and underscores",
        },
    )
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    dead_letter: bool = True
    required: bool = True
    spill_bytes: int = field(default=DEFAULT_SPILL_BYTES, metadata={"ge": 64 * 1024})
    filter: FilterConfig = field(default_factory=FilterConfig)
    columns: Mapping[str, tuple[str, ...] | ExcludedColumns] = field(default_factory=dict)
    rename: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    settings: Any = None

    def __post_init__(self) -> None:
        _check_patterns("columns", self.columns)
        _check_patterns("rename", self.rename)
        for table, names in self.rename.items():
            if len(set(names.values())) < len(names):
                raise ValueError(f"rename gives two columns of {table!r} the same name.")
