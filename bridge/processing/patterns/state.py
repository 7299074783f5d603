"""Partial matches as plain data, so that a store can keep them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bridge.processing.events import Key, StreamEvent, normal_key
from bridge.processing.patterns.automaton import After, Automaton, Loop, StateName, Waiting
from bridge.processing.patterns.runs import Found, Node, Run, Runs


def dump_runs(keys: Mapping[Key, Runs]) -> dict[str, Any]:
    """Return the partial matches of all keys as plain data.

    Events that partial matches have in common are stored once, as they are held in memory: a list
    of nodes, each of which refers to an earlier one by its index.
    """
    nodes: list[tuple[Any, ...]] = []
    known: dict[int, int] = {}

    def index_of(node: Node) -> int:
        missing: list[Node] = []
        one: Node | None = node
        while one is not None and id(one) not in known:
            missing.append(one)
            one = one.parent
        for new in reversed(missing):
            parent = None if new.parent is None else known[id(new.parent)]
            known[id(new)] = len(nodes)
            nodes.append((new.step, tuple(new.event), new.ordinal, parent, new.matched))
        return known[id(node)]

    stored = [
        (
            key,
            [(_dump_name(run.state.name), index_of(run.node)) for run in runs.open],
            [(index_of(match.node), match.end) for match in runs.held],
        )
        for key, runs in keys.items()
    ]
    return {"nodes": nodes, "keys": stored}


def load_runs(state: Mapping[str, Any], automaton: Automaton) -> dict[Key, Runs]:
    """Return the partial matches that were dumped."""
    nodes: list[Node] = []
    for step, event, ordinal, parent, matched in state["nodes"]:
        node = Node(step, StreamEvent(*event), ordinal, None if parent is None else nodes[parent])
        node.matched = matched
        nodes.append(node)
    return {
        normal_key(key): Runs(
            [Run(automaton.state(_load_name(name)), nodes[index]) for name, index in opened],
            [Found(nodes[index], end) for index, end in held],
        )
        for key, opened, held in state["keys"]
    }


def _dump_name(name: StateName) -> tuple[Any, ...]:
    if isinstance(name, After):
        return tuple(name)
    return (*name[:3], [tuple(loop) for loop in name.loops])


def _load_name(name: tuple[Any, ...]) -> StateName:
    if len(name) == 2:
        return After(*name)
    after, step, count, loops = name
    return Waiting(after, step, count, tuple(Loop(*loop) for loop in loops))
