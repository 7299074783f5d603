"""A read model in Python: what each type of event does to the rows of a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, TypeAlias, TypeVar

from bridge.core.errors import ConfigError
from bridge.eventsourcing.read_models.columns import Column, Stored, Unfit, columns_of
from bridge.eventsourcing.upcasting import MissingUpcaster, Upcasters

if TYPE_CHECKING:
    from bridge.eventsourcing.events import DomainEvent

R = TypeVar("R")

Values: TypeAlias = tuple[Stored, ...]
"""A row as it is stored: one value for each column, in their order."""

Key: TypeAlias = tuple[Stored, ...]
"""The values of the columns of the key, in their order."""

KeyOf: TypeAlias = "Callable[[DomainEvent], object]"
Handler: TypeAlias = "Callable[[R | None, DomainEvent], R | None]"
HandlerT = TypeVar("HandlerT", bound="Callable[[Any, Any], Any]")


def _aggregate_id(event: DomainEvent) -> str:
    return event.aggregate_id


class ReadModel(Generic[R]):
    """A fold of domain events into rows.

    ::

        @dataclass(frozen=True)
        class Balance:
            user_id: str
            balance: int

        balances = ReadModel(Balance, key="user_id")

        @balances.on("MoneyDeposited")
        def deposited(row: Balance | None, event: DomainEvent) -> Balance | None:
            before = row.balance if row else 0
            return Balance(event.aggregate_id, before + event.data["amount"])

    Events of other types are passed over.

    Args:
        row: a frozen dataclass: its fields are the columns. They are of str, int, float, bool,
            Decimal, datetime (with a timezone), dict or list, with ``| None`` if they may be null.
        key: the field, or fields, by which a row is found.
        version: to be raised when the functions come to other results: the view is then built anew.
        upcasters: bring events of older versions to the newest before they are folded.

    Raises:
        ConfigError: the row or its key cannot be a table.
    """

    def __init__(
        self,
        row: type[R],
        *,
        key: str | Sequence[str],
        version: int = 1,
        upcasters: Upcasters | None = None,
    ) -> None:
        if isinstance(version, bool) or not isinstance(version, int) or version < 1:
            raise ConfigError("The version of a read model has to be a number from 1.")
        names = (key,) if isinstance(key, str) else tuple(key)
        self.columns: Final = columns_of(row, names)
        self.version: Final = version
        self.upcasters: Final = upcasters
        self._row = row
        self._key_columns = [column for column in self.columns if column.key]
        if names != tuple(column.name for column in self._key_columns):
            raise ConfigError(
                f"The key {', '.join(names)} is not in the order of the fields of {row.__name__}.",
                remedy="Name the fields of the key in the order of the row, each once.",
            )
        self._handlers: dict[str, list[Step]] = {}

    def on(self, *event_types: str, key: KeyOf = _aggregate_id) -> Callable[[HandlerT], HandlerT]:
        """Return a decorator for the function that folds events of these types.

        The function gets the row of the event's key, None if there is none, and the event. It
        returns the new row, or None for no row. It must do nothing else: it is called again for
        the same events in a rebuild. Several functions of one event type run in the order in which
        they were given, which is how an event changes the rows of several keys.

        Args:
            event_types: at least one.
            key: returns the key that an event concerns, a tuple where the key has several fields;
                None for an event that concerns no row. By default the ``aggregate_id``.

        Raises:
            ConfigError: no event type is given.
        """
        if not event_types or not all(isinstance(name, str) for name in event_types):
            raise ConfigError("A function of a read model needs the event types that it folds.")

        def add(handler: HandlerT) -> HandlerT:
            for event_type in event_types:
                self._handlers.setdefault(event_type, []).append(Step(self, key, handler))
            return handler

        return add

    def newest(self, event: DomainEvent) -> DomainEvent:
        """Return an event with its data in the newest version.

        Raises:
            MissingUpcaster: there is no way from its version to the newest.
            StepFailed: an upcaster failed.
        """
        if self.upcasters is None:
            return event
        kind, version = event.event_type, event.version
        try:
            newest, data = self.upcasters.upcast(kind, version, dict(event.data))
        except MissingUpcaster:
            raise
        except Exception as error:  # of the user's function; its text may quote a value
            raise StepFailed(
                f"an upcaster of {kind} from version {version} on failed with "
                f"{type(error).__name__}"
            ) from error
        return event.replace(version=newest, data=data)

    def steps(self, event_type: str) -> Sequence[Step]:
        """Return what is done with events of a type; nothing for one that is not known."""
        return self._handlers.get(event_type, ())

    @property
    def layout(self) -> str:
        """The columns as text: builds with another layout do not fit."""
        return ", ".join(map(str, self.columns))

    def row(self, values: Values) -> R:
        """Return the row that is stored as these values."""
        return self._row(
            **{
                column.name: column.restore(value)
                for column, value in zip(self.columns, values, strict=True)
            }
        )

    def values(self, row: object) -> Values:
        """Return a row as it is stored.

        Raises:
            Unfit: it is not of the row's type, or a value does not fit into its column.
        """
        if not isinstance(row, self._row):
            raise Unfit(f"is of type {type(row).__name__}")
        return tuple(column.store(getattr(row, column.name)) for column in self.columns)

    def key_of(self, values: Values) -> Key:
        """Return the key of a row that is stored as these values."""
        return tuple(v for column, v in zip(self.columns, values, strict=True) if column.key)

    def stored_key(self, key: object) -> Key:
        """Return a key as it is stored.

        Args:
            key: one value, or a tuple of as many as the key has columns.

        Raises:
            Unfit: a value does not fit into its column.
        """
        parts = key if isinstance(key, tuple) else (key,)
        if len(parts) != len(self._key_columns):
            raise Unfit(f"has {len(parts)} parts, and {len(self._key_columns)} columns")
        pairs: zip[tuple[Column, object]] = zip(self._key_columns, parts, strict=True)
        return tuple(column.store(part) for column, part in pairs)


class StepFailed(Exception):
    """A function failed, or gave what no column holds. The message holds no value."""


@dataclass(frozen=True, slots=True)
class Step:
    """A function for events of one type, with the key that it concerns."""

    model: ReadModel[Any]
    find_key: KeyOf
    handler: Callable[[Any, Any], Any]

    def key(self, event: DomainEvent) -> Key | None:
        """Return the key that an event concerns; None for none.

        Raises:
            StepFailed: there is no telling.
        """
        try:
            found = self.find_key(event)
            return None if found is None else self.model.stored_key(found)
        except Unfit as error:
            raise StepFailed(f"the key of {self._name}: {error}") from None
        except Exception as error:  # as above
            raise StepFailed(
                f"the key of {self._name} failed with {type(error).__name__}"
            ) from error

    def fold(self, key: Key, before: Values | None, event: DomainEvent) -> Values | None:
        """Return the row after an event; None for no row.

        Raises:
            StepFailed: the function failed, or its row does not fit.
        """
        try:
            row = self.handler(None if before is None else self.model.row(before), event)
        except Exception as error:  # as above
            raise StepFailed(f"{self._name} failed with {type(error).__name__}") from error
        if row is None:
            return None
        try:
            after = self.model.values(row)
        except Unfit as error:
            raise StepFailed(f"the row of {self._name}: {error}") from None
        if self.model.key_of(after) != key:
            raise StepFailed(f"the row of {self._name} has another key than the event")
        return after

    @property
    def _name(self) -> str:
        return getattr(self.handler, "__qualname__", type(self.handler).__name__)
