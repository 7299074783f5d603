"""The operating-system account that a private server runs under.

PostgreSQL refuses to run as root, and `initdb` wants an account with a name
(https://www.postgresql.org/docs/current/postgres-user.html). So for a plain user it is that user,
and for root it is ``nobody`` (or ``postgres``), who must be able to reach the programs.
"""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge.core.errors import EnvironmentProblem

_ACCOUNTS = ("nobody", "postgres")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerAccount:
    """Starts programs under the server's account, apart from our terminal and its signals.

    Attributes:
        demoted_to: the account to change to; None to stay who we are.
    """

    demoted_to: pwd.struct_passwd | None = None

    def popen(self, command: list[str], cwd: Path, **streams: Any) -> subprocess.Popen[bytes]:
        """Start a program in a session of its own.

        Raises:
            OSError: the program cannot be run under this account.
        """
        identity: Mapping[str, Any] = {}
        if self.demoted_to is not None:
            gid = self.demoted_to.pw_gid
            identity = {"user": self.demoted_to.pw_uid, "group": gid, "extra_groups": []}
        return subprocess.Popen(
            command, cwd=cwd, env=_environment(), start_new_session=True, **identity, **streams
        )

    def run(self, command: list[str], cwd: Path) -> subprocess.CompletedProcess[bytes]:
        """Run a program to its end; its output (both streams) is in ``stdout``."""
        with self.popen(
            command,
            cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as process:
            output, _ = process.communicate()
        return subprocess.CompletedProcess(command, process.returncode, output)

    def own(self, path: Path) -> None:
        """Hand a file or directory of ours over to the account."""
        if self.demoted_to is not None:
            os.chown(path, self.demoted_to.pw_uid, self.demoted_to.pw_gid)


def server_account(base: Path) -> ServerAccount:
    """Return the account for a server whose files are below ``base``, and hand ``base`` over.

    Raises:
        EnvironmentProblem: we are root and can change to no account that reaches ``base``.
    """
    if os.geteuid() != 0:
        return ServerAccount()
    failures = []
    for name in _ACCOUNTS:
        try:
            account = ServerAccount(demoted_to=pwd.getpwnam(name))
            account.own(base)
            # An absolute path, because the working directory is entered while we are still root.
            reached = account.run(["/bin/sh", "-c", 'cd -- "$1"', "sh", str(base)], base)
        except KeyError:
            failures.append(f"there is no account {name}")
        except (OSError, subprocess.SubprocessError) as error:
            failures.append(f"{name}: {error}")
        else:
            if reached.returncode == 0:
                return account
            failures.append(f"{name}: {reached.stdout.decode(errors='replace').strip()}")
    raise EnvironmentProblem(
        f"PostgreSQL does not run as root, and no other account can be used for a server in "
        f"{base} ({'; '.join(failures)}).",
        remedy="Run the command as an ordinary user.",
    )


def reachable_bindir(bindir: Path, account: ServerAccount, base: Path) -> Path:
    """Return ``bindir``, or a copy of it below ``base`` if the account cannot reach the original.

    Files are linked where that is possible, so that a copy costs next to no space.

    Raises:
        EnvironmentProblem: the programs run neither where they are nor as a copy.
    """
    failure = _failure_to_run(bindir, account, base)
    if failure is not None and account.demoted_to is not None:
        bindir = _copy_installation(bindir, account, base)
        failure = _failure_to_run(bindir, account, base)
    if failure is not None:
        raise EnvironmentProblem(
            f"The PostgreSQL programs in {bindir} do not run: {failure}.",
            remedy="Run the command as an ordinary user, or install PostgreSQL system-wide.",
        )
    return bindir


def _failure_to_run(bindir: Path, account: ServerAccount, base: Path) -> str | None:
    try:
        answer = account.run([str(bindir / "postgres"), "--version"], base)
    except OSError as error:
        return str(error)
    return answer.stdout.decode(errors="replace").strip() if answer.returncode else None


def _copy_installation(bindir: Path, account: ServerAccount, base: Path) -> Path:
    """Copy an installation with the shape that the programs expect around themselves.

    They find ``lib`` and ``share`` relative to ``bin``. Programs from a Python wheel also want
    the wheel's ``<package>.libs`` directory where their run path points: two levels up.
    """
    prefix = bindir.parent
    package = prefix.parent
    target = base / "install" / package.name / prefix.name
    copies = [(prefix / name, target / name) for name in ("bin", "lib", "share")]
    libraries = package.parent / f"{package.name}.libs"
    copies.append((libraries, target.parent.parent / libraries.name))
    for source, destination in copies:
        if source.is_dir():
            shutil.copytree(source, destination, symlinks=True, copy_function=_link_or_copy)
    for directory, _, _ in os.walk(base / "install"):
        os.chmod(directory, 0o755)
        account.own(Path(directory))
    return target / "bin"


def _link_or_copy(source: str, destination: str) -> None:
    mode = os.stat(source).st_mode
    readable = mode | stat.S_IRGRP | stat.S_IROTH
    if mode & stat.S_IXUSR:
        readable |= stat.S_IXGRP | stat.S_IXOTH
    if readable == mode:
        try:
            os.link(source, destination)
            return
        except OSError:
            # Another file system, or one without hard links: a real copy does as well.
            pass
    shutil.copyfile(source, destination)
    os.chmod(destination, stat.S_IMODE(readable))


def _environment() -> dict[str, str]:
    """Return our environment without the variables that would change what a server does."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PG", "LC_")) and name not in ("LANG", "LANGUAGE")
    }
    return {**kept, "LC_ALL": "C"}
