"""The documentation is held to the code: examples load, commands exist, links lead somewhere."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest
import yaml
from _pytest.mark import ParameterSet

from bridge.cli import _parser as command_line
from bridge.config import load_config
from tests.test_architecture import ASSEMBLY, modules, part_of, tier_of

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
_INLINE_COMMAND = re.compile(r"`((?:pgbridge|make) [^`]+)`")
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)\}")
_VALUES = {"HOOK_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
"""Of variables in examples that stand for something else than a connection string."""


@dataclass(frozen=True)
class Example:
    """A fenced block of a page."""

    page: Path
    language: str
    text: str
    line: int

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


@cache
def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


@cache
def examples() -> tuple[Example, ...]:
    return tuple(
        Example(page, found[1], found[2], text_of(page).count("\n", 0, found.start()) + 1)
        for page in PAGES
        for found in _FENCE.finditer(text_of(page))
    )


def examples_in(language: str) -> list[ParameterSet]:
    return [pytest.param(e, id=e.place) for e in examples() if e.language == language]


def prose_of(page: Path) -> str:
    return _FENCE.sub("", text_of(page))


def commands() -> Iterator[tuple[str, str]]:
    """Yield every ``pgbridge`` and ``make`` command with its place."""
    for example in examples():
        if example.language == "console":
            for line in example.text.splitlines():
                if line.startswith("$ "):
                    yield example.place, line.removeprefix("$ ")
    for page in PAGES:
        for command in _INLINE_COMMAND.findall(prose_of(page)):
            yield str(page.relative_to(ROOT)), " ".join(command.split())


def words_of(command: str) -> list[str]:
    """Split a command; what follows a pipe or stands behind a # does not count."""
    splitter = shlex.shlex(command, posix=True, punctuation_chars="|><;&")
    splitter.whitespace_split = True
    words = list(splitter)
    end = next((i for i, word in enumerate(words) if set(word) <= set("|><;&")), len(words))
    return words[:end]


def commands_of(program: str) -> list[ParameterSet]:
    found = [(place, words_of(command)) for place, command in commands()]
    chosen = {tuple(words): place for place, words in reversed(found) if words[0] == program}
    return [pytest.param(list(words), id=" ".join(words)) for words in sorted(chosen)]


@pytest.mark.parametrize("example", examples_in("yaml"))
def test_a_configuration_in_the_documentation_is_valid(example: Example, tmp_path: Path) -> None:
    document = yaml.safe_load(example.text)
    if not isinstance(document, dict) or not {"source", "sinks", "projections"} & document.keys():
        return
    text = example.text
    if "source" not in document:
        text += "\nsource: {dsn: host=localhost}\n"
    if "sinks" not in document:
        text += "\nsinks: [{type: stdout}]\n"
    file = tmp_path / "pgbridge.yaml"
    file.write_text(text, encoding="utf-8")
    variables = {name: _VALUES.get(name, "host=localhost") for name in _VARIABLE.findall(text)}
    load_config(file, environ=variables)


@pytest.mark.parametrize("example", examples_in("json"))
def test_json_in_the_documentation_is_json(example: Example) -> None:
    try:
        json.loads(example.text)
    except ValueError:
        for line in example.text.splitlines():  # or JSON lines
            json.loads(line)


@pytest.mark.parametrize("example", examples_in("python"))
def test_python_in_the_documentation_compiles_and_names_what_exists(example: Example) -> None:
    for node in ast.walk(ast.parse(example.text)):
        if isinstance(node, ast.ImportFrom):
            module = import_module(node.module or "")
            assert [a.name for a in node.names if not hasattr(module, a.name)] == []


@pytest.mark.parametrize("words", commands_of("pgbridge"))
def test_a_command_in_the_documentation_exists(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    code: object = 0
    try:
        command_line(words[1:]).parse_args(words[1:])
    except SystemExit as ended:  # --help and --version end here too
        code = ended.code
    assert code == 0, capsys.readouterr().err


def test_a_command_in_a_message_exists(capsys: pytest.CaptureFixture[str]) -> None:
    named = {
        tuple(re.sub(r"\{.*?\}", "NAME", command).split())
        for path in modules().values()
        for command in re.findall(r"[`']pgbridge ([a-z][^`'\"]*)[`']", text_of(path))
    }
    assert ("slots", "drop", "NAME") in named
    for words in named:
        # With --help a verb without the verb below it, as in a title, counts too.
        with pytest.raises(SystemExit) as ended:
            command_line(words).parse_args([*words, "--help"])
        assert ended.value.code == 0, (words, capsys.readouterr().err)


@pytest.mark.parametrize("words", commands_of("make"))
def test_a_target_in_the_documentation_exists(words: list[str]) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    answer = subprocess.run(
        ["make", "-n", *words[1:]], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert answer.returncode == 0, answer.stderr


@cache
def anchors_of(page: Path) -> set[str]:
    """Return the anchors of the headings, as they are made where the repository is shown."""
    titles = re.findall(r"^#+ (.+)$", prose_of(page), re.M)
    plain = (re.sub(r"[^\w\- ]", "", title.replace("`", "").lower()) for title in titles)
    return {title.replace(" ", "-") for title in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = []
    for link in _LINK.findall(prose_of(page)):
        if link.startswith(("https://", "http://", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors_of(target)):
            broken.append(link)
    assert broken == []


def test_every_page_is_in_the_index() -> None:
    index = DOCS / "README.md"
    linked = {(DOCS / link.partition("#")[0]).resolve() for link in _LINK.findall(text_of(index))}
    missing = [p for p in PAGES if DOCS in p.parents and p != index and p.resolve() not in linked]
    assert [str(page.relative_to(ROOT)) for page in missing] == []


def test_the_tiers_in_the_documentation_are_those_of_the_test() -> None:
    page = text_of(DOCS / "architecture.md")
    rows = re.findall(r"^\| (\d) \| ([^|]+) \|", page, re.M)
    described = {part: int(tier) for tier, cell in rows for part in re.findall(r"`([\w.]+)`", cell)}
    del described["bridge"]  # "every other module of bridge"
    existing = {part_of(module) for module in modules()} - {"bridge"}
    assert {part: tier_of(part) for part in described} == described
    assert {part for part in existing if tier_of(part) != ASSEMBLY} <= described.keys()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_file_that_a_page_names_exists(page: Path) -> None:
    named = re.findall(
        r"\b(?:bridge|decoders|sinks|sql|tests)/[\w./]+\.(?:py|sql)\b", text_of(page)
    )
    assert [name for name in named if not (ROOT / name).exists()] == []
