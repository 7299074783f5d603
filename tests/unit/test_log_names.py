"""Every event that is logged stands in docs/operations.md, and nothing else does."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
_ROW = re.compile(r"^\| `([a-z_]+)` \| (\w+) \|")


def calls() -> Iterator[tuple[str, str, ast.Call]]:
    """Yield place, level and call of every logging call in the product."""
    for package in ("bridge", "decoders", "sinks"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Attribute)
                    and node.func.attr in LEVELS
                    and _is_logger(node.func.value)
                ):
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", node.func.attr, node


def _is_logger(node: ast.expr) -> bool:
    name = getattr(node, "attr", getattr(node, "id", ""))
    return str(name).endswith("log")


def documented() -> dict[str, set[str]]:
    """Return event to its levels, from the table."""
    found: dict[str, set[str]] = {}
    for line in (ROOT / "docs/operations.md").read_text(encoding="utf-8").splitlines():
        row = _ROW.match(line)
        if row:
            found.setdefault(row[1], set()).add(row[2])
    return found


def test_the_name_of_an_event_is_a_literal_and_the_facts_are_fields() -> None:
    wrong = [
        place
        for place, _, call in calls()
        if len(call.args) != 1
        or not isinstance(call.args[0], ast.Constant)
        or not re.fullmatch(r"[a-z]+(_[a-z]+)*", str(call.args[0].value))
    ]
    assert wrong == []


def test_the_documented_events_are_those_that_are_logged() -> None:
    logged: dict[str, set[str]] = {}
    for _, level, call in calls():
        if call.args and isinstance(call.args[0], ast.Constant):
            logged.setdefault(str(call.args[0].value), set()).add(level)
    assert documented() == logged
