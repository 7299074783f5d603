"""Where an event goes: to the target of the first rule that it meets, else to the default."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from importlib import import_module
from typing import TypeAlias

from bridge.core.errors import BridgeError, ConfigError
from bridge.core.events import CdcEvent
from bridge.core.relation import Relation
from bridge.core.table_patterns import TablePattern
from sinks.templates import PLACEHOLDERS, Template

_MAX_RELATIONS = 1000
"""A reconnect and every change of a table bring new relations: old ones have to go some time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A rule of the routing: for events to which everything given here applies.

    Attributes:
        tables: names or patterns such as ``sales.*``; every table by default. A logical message
            belongs to none.
        where: SQL condition over the event, such as ``new.total > 1000``; what is unknown does not
            hold. Every table of the rule needs the columns in it.
        to: template of the target.
    """

    tables: tuple[str, ...] | None = field(default=None, metadata={"min_length": 1})
    where: str | None = field(default=None, metadata={"min_length": 1})
    to: str = field(metadata={"min_length": 1})

    def __post_init__(self) -> None:
        _Rule(self, PLACEHOLDERS, "")  # says at once what is wrong


RoutesSetting: TypeAlias = tuple[Route, ...] | str
"""The type of the setting ``routes``: rules in their order, or ``package.module:function``."""

_Function: TypeAlias = Callable[[CdcEvent], object]
_Condition: TypeAlias = Callable[[CdcEvent], bool | None]


class _Rule:
    """A route, ready to be asked."""

    __slots__ = ("_tables", "condition", "template")

    def __init__(self, route: Route, allowed: Collection[str], slot: str) -> None:
        self.template = Template(route.to, allowed=allowed, slot=slot)
        self.condition = None if route.where is None else _condition(route.where)
        self._tables = (
            None
            if route.tables is None
            else [TablePattern.parse(text, setting="tables") for text in route.tables]
        )

    def concerns(self, relation: Relation) -> bool:
        """Whether the rule is for the events of a table."""
        schema, table = relation.schema, relation.table
        if self._tables is None or schema is None or table is None:
            return self._tables is None
        return any(pattern.matches(schema, table) for pattern in self._tables)


class Routes:
    """Finds the target of an event.

    Args:
        default: template of the target for events that no rule wants.
        routes: the rules, or the name of a Python function that takes a ``CdcEvent`` and returns
            the target, or None for the default.
        allowed: the placeholders that have a meaning in the templates.
        slot: name of the replication slot.

    Raises:
        ConfigError: a condition, a template, a pattern or the function cannot be used.
    """

    def __init__(
        self,
        default: str,
        routes: RoutesSetting = (),
        *,
        allowed: Collection[str] = PLACEHOLDERS,
        slot: str = "",
    ) -> None:
        self._default = Template(default, allowed=allowed, slot=slot)
        self._rules: list[_Rule] = []
        self._rules_of: dict[Relation, list[_Rule]] = {}
        self._name = ""
        self._function: _Function | None = None
        if isinstance(routes, str):
            self._name, self._function = routes, load_function(routes)
        else:
            self._rules = [_Rule(route, allowed, slot) for route in routes]

    @property
    def constant(self) -> str | None:
        """The one target of all events, if it does not depend on them."""
        depends = self._rules or self._function is not None
        return None if depends else self._default.constant

    def target(self, event: CdcEvent) -> str:
        """Return where the event goes.

        Raises:
            ConfigError: a condition names a column that the table does not have, or the function
                returned something other than text.
            EvaluationError: a condition has no value for this event.
            BridgeError: the function failed.
        """
        if self._function is not None:
            return self._ask(self._function, event)
        rules = self._rules_of.get(event.relation)
        if rules is None:
            rules = self._find_rules(event.relation)
        for rule in rules:
            if rule.condition is None or rule.condition(event):
                return rule.template.render(event)
        return self._default.render(event)

    def _find_rules(self, relation: Relation) -> list[_Rule]:
        if len(self._rules_of) >= _MAX_RELATIONS:
            self._rules_of.clear()
        rules = [rule for rule in self._rules if rule.concerns(relation)]
        return self._rules_of.setdefault(relation, rules)

    def _ask(self, function: _Function, event: CdcEvent) -> str:
        try:
            found = function(event)
        except Exception as error:
            # Without the words of the error: they may quote a value of the row.
            raise BridgeError(
                f"The routing function {self._name!r} failed at {event.position} with "
                f"{type(error).__name__}.",
                remedy="Correct the function; nothing was confirmed, so the event comes again.",
            ) from None
        if found is None:
            return self._default.render(event)
        if not isinstance(found, str) or not found:
            what = "an empty text" if found == "" else f"a value of type {type(found).__name__}"
            raise ConfigError(
                f"The routing function {self._name!r} returned {what}.",
                remedy="Let it return the name of a target, or None for the default.",
            )
        return found


def load_function(name: str, *, role: str = "routing function") -> _Function:
    """Return the function called ``package.module:function``.

    Args:
        name: of the function.
        role: what it is for, for the errors.

    Raises:
        ConfigError: there is no such function.
    """
    found = load_object(name, role=role)
    if not callable(found):
        raise ConfigError(f"{name!r} is not a function but {type(found).__name__!r}.")
    function: _Function = found
    return function


def load_object(name: str, *, role: str) -> object:
    """Return what is called ``package.module:name``.

    Args:
        name: of it.
        role: what it is for, for the errors.

    Raises:
        ConfigError: there is no such thing.
    """
    module_name, colon, attribute = name.partition(":")
    if not (module_name and colon and attribute):
        raise ConfigError(f"The {role} {name!r} is not of the form package.module:function.")
    if os.getcwd() not in sys.path:  # which an installed command does not have
        sys.path.insert(0, os.getcwd())
    try:
        module = import_module(module_name)
    except Exception as error:
        raise ConfigError(
            f"The {role} {name!r} cannot be imported: {type(error).__name__}: {error}.",
            remedy="The module has to be in the working directory or on Python's path.",
        ) from error
    found: object = getattr(module, attribute, None)
    if found is None:
        raise ConfigError(f"The module {module_name!r} has nothing called {attribute!r}.")
    return found


# The parser of expressions is imported where it is needed: few sinks have conditions.


def _condition(text: str) -> _Condition:
    from bridge.expressions import compile_condition

    return compile_condition(text)
