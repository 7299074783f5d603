"""A YAML text as plain dictionaries, lists and scalars, with the line of each setting.

The scalars are those of YAML 1.2's core schema: only ``true`` and ``false`` are booleans, so that
a table called ``no`` or ``on`` stays a table, and nothing becomes a date.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from bridge.config.interpolation import interpolate
from bridge.config.problems import Findings, Path

_MAX_DEPTH = 50


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - the library's own attribute


for _tag, _pattern, _first in (
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("int", r"^[-+]?(?:0|[1-9][0-9_]*)$", list("-+0123456789")),
    (
        "float",
        r"^[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?$",
        list("-+.0123456789"),
    ),
    ("merge", r"^<<$", ["<"]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), _first)


def read_document(text: str, environ: Mapping[str, str], findings: Findings) -> dict[str, Any]:
    """Return the tree of a YAML text, with references to the environment replaced.

    What is wrong goes to ``findings``; the tree then lacks it.
    """
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
    except yaml.YAMLError as error:
        findings.add((), *_syntax(error))
        return {}
    except RecursionError:
        findings.add((), "is nested too deeply.")
        return {}
    if node is None:
        return {}
    if not isinstance(node, yaml.MappingNode):
        findings.add((), "has to hold sections such as source and sinks.", _line(node))
        return {}
    tree: dict[str, Any] = _Builder(loader, environ, findings).build(node, ())
    return tree


def _syntax(error: yaml.YAMLError) -> tuple[str, str]:
    """Say what the parser found, and where. Its message may quote a value: nothing of it stays."""
    problem = str(getattr(error, "problem", None) or getattr(error, "reason", None) or "")
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    if re.search(r"alias|anchor|\btag\b|character '[%@`]'", problem):
        return "a value that begins with one of * & ! % @ ` has to stand in quotes.", where
    if "another document" in problem or "single document" in str(error):
        return "there is a second document; a configuration is one.", where
    quoted = re.sub(r"(['\"])(?!<)(?:(?!\1).){2,}\1", "a value", problem)
    return f"this is not YAML: {quoted or 'unreadable text'}.", where


def _line(node: yaml.Node) -> str:
    return f"line {node.start_mark.line + 1}"


class _Builder:
    def __init__(self, loader: _Loader, environ: Mapping[str, str], findings: Findings) -> None:
        self._loader = loader
        self._environ = environ
        self._findings = findings

    def build(self, node: yaml.Node, path: Path) -> Any:
        self._findings.came_from(path, _line(node))
        if len(path) > _MAX_DEPTH:  # also ends an alias that contains itself
            self._findings.add(path[:1], "is nested too deeply.")
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*path, i)) for i, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        seen: dict[str, str] = {}
        for key, _ in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                continue
            if not isinstance(key, yaml.ScalarNode):
                self._findings.add(path, "a key has to be a word.", _line(key))
            elif key.value in seen:
                self._findings.add(
                    (*path, key.value),
                    f"is set twice, in {seen[key.value]} and {_line(key)}.",
                    _line(key),
                )
            else:
                seen[key.value] = _line(key)
        try:
            self._loader.flatten_mapping(node)
        except (yaml.YAMLError, RecursionError):
            self._findings.add(path, "'<<' has to be followed by a section or a list of them.")
        tree: dict[str, Any] = {}
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                tree[key.value] = self.build(value, (*path, key.value))
        return tree

    def _scalar(self, node: yaml.Node, path: Path) -> Any:
        try:
            value = self._loader.construct_object(node)
        except (yaml.YAMLError, ValueError):
            self._findings.add(path, "cannot be read; put the value in quotes.")
            return None
        if not isinstance(value, str):
            return value
        try:
            return interpolate(value, self._environ)
        except ValueError as error:
            self._findings.add(path, str(error))
            return None
