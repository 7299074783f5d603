"""The house rules that a machine can check: which way imports point, what stays pure, names, sizes.

The tiers are those of docs/architecture.md. A part may import itself and the parts of lower tiers,
never its neighbours: what two neighbours share belongs below them, and who joins them is above.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("bridge", "decoders", "sinks", "sql")

TIERS = (
    {"bridge.core", "sql"},
    {"bridge.expressions"},
    {"decoders", "sinks", "bridge.processing", "bridge.eventsourcing"}
    | {"bridge.log", "bridge.metrics"},
    {"bridge.postgres", "bridge.runtime", "bridge.server", "bridge.config"},
    {"bridge.app"},  # and every other module of `bridge`: they put the parts together
    {"bridge.cli"},
)
ASSEMBLY = 4

PURE = ("bridge.core", "decoders", "bridge.processing")
PURE_STANDARD_LIBRARY = {
    "__future__",
    "abc",
    "base64",
    "binascii",
    "bisect",
    "collections",
    "contextlib",
    "copy",
    "dataclasses",
    "datetime",
    "decimal",
    "difflib",
    "enum",
    "fnmatch",
    "fractions",
    "functools",
    "gc",  # for `get_referents`, and `sys` for `getsizeof`: what state takes in memory
    "hashlib",
    "heapq",
    "inspect",
    "ipaddress",
    "itertools",
    "json",
    "keyword",
    "math",
    "operator",
    "re",
    "string",
    "struct",
    "sys",
    "textwrap",
    "threading",  # for Lock alone: several threads ask the store in memory
    "types",
    "typing",
    "urllib.parse",
    "uuid",
    "zlib",
    "zoneinfo",  # reads files, of which it keeps what they say; windows of local days need it
}
PURE_LIBRARIES = {"msgspec"}  # from data to data
IMPURE_CALLS = {
    "open",
    "print",
    "input",
    "breakpoint",
    "now",
    "utcnow",
    "today",
    "uuid1",
    "uuid4",
    "getnode",
    "default_rng",
    "Thread",
    "Timer",
}

OWNER_OF_LIBRARY = {
    "psycopg": "bridge.postgres",
    "starlette": "bridge.server",
    "uvicorn": "bridge.server",
    "confluent_kafka": "sinks",
    "pika": "sinks",
    "nats": "bridge.runtime",
    "fastavro": "sinks",
    "requests": "sinks",
    "urllib3": "sinks",
    "sqlglot": "bridge.expressions",
}
HEAVY_LIBRARIES = (*OWNER_OF_LIBRARY, "pydantic", "structlog", "yaml", "rich")

NAMES_THAT_SAY_NOTHING = {
    "util",
    "utils",
    "helper",
    "helpers",
    "common",
    "manager",
    "managers",
    "misc",
    "stuff",
}
MAX_LINES = 600


@cache
def modules() -> dict[str, Path]:
    """Every module of the product by its dotted name."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def tree_of(module: str) -> ast.Module:
    path = modules()[module]
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def imports_of(module: str) -> Iterator[str]:
    """Yield what a module imports, wherever in it the import stands, as absolute names."""
    is_package = modules()[module].name == "__init__.py"
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name
        elif isinstance(node, ast.ImportFrom):
            origin = node.module or ""
            if node.level:
                above = module.split(".")[: None if is_package else -1]
                above = above[: len(above) - (node.level - 1)]
                origin = ".".join([*above, origin] if origin else above)
            for alias in node.names:
                whole = f"{origin}.{alias.name}"
                yield whole if whole in modules() else origin


def part_of(module: str) -> str:
    """Return the part that a module of ours belongs to: ``bridge.core``, ``decoders``, ``sql``."""
    top, *rest = module.split(".")
    return f"{top}.{rest[0]}" if top == "bridge" and rest else top


def tier_of(part: str) -> int:
    return next((tier for tier, parts in enumerate(TIERS) if part in parts), ASSEMBLY)


def test_there_is_something_to_check() -> None:
    assert {"bridge.core.errors", "decoders", "sinks", "bridge.postgres.embedded"} <= set(modules())


def test_imports_point_to_lower_tiers() -> None:
    wrong = []
    for module in modules():
        part = part_of(module)
        if part == "bridge":  # the public API: it names what it gives, and imports it when asked
            continue
        for imported in imports_of(module):
            target = part_of(imported)
            if imported.split(".")[0] not in PACKAGES or target == part:
                continue
            below = tier_of(target) < tier_of(part)
            beside = tier_of(target) == tier_of(part) == ASSEMBLY and target != "bridge"
            if not below and not beside:
                wrong.append(f"{module} imports {imported}, which is not below {part}")
    assert not wrong, "\n".join(wrong)


def test_pure_parts_import_nothing_that_does_something() -> None:
    wrong = [
        f"{module} imports {imported}"
        for module in modules()
        if part_of(module) in PURE
        for imported in imports_of(module)
        if part_of(imported) not in PURE
        and not {imported, imported.split(".")[0]} & (PURE_STANDARD_LIBRARY | PURE_LIBRARIES)
    ]
    assert not wrong, "\n".join(wrong)


def test_pure_parts_ask_no_clock_no_chance_and_no_file() -> None:
    wrong = [
        f"{module}:{node.lineno} calls {name}()"
        for module in modules()
        if part_of(module) in PURE
        for node in ast.walk(tree_of(module))
        if isinstance(node, ast.Call)
        and (name := getattr(node.func, "attr", getattr(node.func, "id", ""))) in IMPURE_CALLS
    ]
    assert not wrong, "\n".join(wrong)


def test_a_client_library_has_one_owner() -> None:
    wrong = [
        f"{module} imports {imported}, which belongs to {owner}"
        for module in modules()
        for imported in imports_of(module)
        if (owner := OWNER_OF_LIBRARY.get(imported.split(".")[0])) not in (None, part_of(module))
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("part", ["bridge", *PURE])
def test_importing_a_pure_part_loads_no_library(part: str) -> None:
    names = [module for module in modules() if part_of(module) == part]
    program = (
        "import importlib, sys\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
        f"print(*sorted(set(sys.modules) & set({HEAVY_LIBRARIES!r})))"
    )

    answer = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True
    )

    assert (answer.stdout.split(), answer.stderr) == ([], "")


def test_a_module_has_a_name_that_says_something() -> None:
    assert [m for m in modules() if NAMES_THAT_SAY_NOTHING & set(re.split(r"[._]", m))] == []


def test_no_module_is_too_long() -> None:
    lengths = {
        module: len(path.read_text(encoding="utf-8").splitlines())
        for module, path in modules().items()
    }
    assert {module: lines for module, lines in lengths.items() if lines > MAX_LINES} == {}
