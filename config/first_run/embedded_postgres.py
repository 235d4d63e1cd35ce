"""A private PostgreSQL server for a first run, development and tests; started or joined.

It listens on a Unix socket inside a 0700 directory, and on nothing else. All processes that use it
hold one shared file lock. The kernel drops a process's hold however the process ends, so a
`kill -9` leaves no wrong count behind: the server runs on, the next process adopts it, and the last
one to leave stops it.
"""

import atexit
import fcntl
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

from config.first_run import postgres_programs, stopping
from config.first_run.postgres_programs import Programs, ServerUnavailable, account_for

PORT = 5432
_BUILTIN_LOCALES_SINCE = 17
START_SECONDS = 60
_INITDB_OPTIONS = ("--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8")
_SERVER_OPTIONS = (
    f"-c port={PORT} -c listen_addresses= -c unix_socket_directories=. -c max_connections=150"
)
_PG_CTL_OPTIONS = (
    *("-D", ".", "-w", "-t", str(START_SECONDS), "-l", "server.log"),
    *("-o", _SERVER_OPTIONS),
)

# Linux ends the path of a socket at 107 bytes, macOS at 103.
LONGEST_SOCKET_PATH = 103
# In a home that the server cannot use, the link to where its data are instead.
ELSEWHERE = "elsewhere"


# The shared locks by which a process keeps the server of a home running, by both. A lock lasts as
# long as its file is open, so it must outlive the call that took it; and a forked child, which runs
# its parent's exit handlers, must not take the parent's lock for its own.
_locks: dict[tuple[int, Path], int] = {}


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A data directory, which also holds the socket, and the programs that fit it.

    Every method but `url` expects that no other process works on the same directory.
    """

    directory: Path
    programs: Programs

    def url(self, *, user: str, database: str) -> str:
        place = urlencode({"host": str(self.directory), "port": PORT}, quote_via=quote, safe="/")
        return f"postgresql://{quote(user, safe='')}@/{quote(database, safe='')}?{place}"

    def start(self) -> None:
        """Start the server, or wait for one that is starting or stopping.

        :raises ServerUnavailable: if it does not get ready; the message ends with its own log.
        """
        if not self.directory.exists():
            self._create()
        if self._awaited():
            return
        self._remove_stale_locks()
        try:
            # From inside the directory, for pg_ctl hands its path to a shell.
            self.programs.run("pg_ctl", *_PG_CTL_OPTIONS, "start", cwd=self.directory)
        except ServerUnavailable as error:
            # It may still be starting, after the timeout of pg_ctl.
            self.stop()
            raise ServerUnavailable(f"{error}\n{self._end_of_log()}") from error

    def stop(self) -> None:
        """Stop the server immediately, despite open connections; it may have stopped already."""
        self.programs.succeeds("pg_ctl", "-D", ".", "-m", "fast", "stop", cwd=self.directory)

    def _create(self) -> None:
        """Create the data directory elsewhere and rename it, so that it is never incomplete."""
        for left in self.directory.parent.glob("new-*"):
            shutil.rmtree(left, ignore_errors=True)
        draft = Path(tempfile.mkdtemp(prefix="new-", dir=self.directory.parent))
        if self.programs.account:
            os.chown(draft, self.programs.account.uid, self.programs.account.gid)
        self.programs.run("initdb", "--pgdata", draft, *_INITDB_OPTIONS, *self._provider())
        draft.rename(self.directory)

    def _provider(self) -> tuple[str, ...]:
        # The built-in provider came with 17 and needs no locale from the system. Plain C would
        # make full-text and trigram search drop every letter that is not ASCII.
        is_builtin = self.programs.major() >= _BUILTIN_LOCALES_SINCE
        return ("--locale-provider=builtin",) if is_builtin else ()

    def _awaited(self) -> bool:
        """Wait while the server runs but does not respond yet; return True if it responds."""
        end = time.monotonic() + START_SECONDS
        while not self._is_ready():
            if not self._has_process() or time.monotonic() > end:
                return False
            time.sleep(0.1)
        return True

    def _is_ready(self) -> bool:
        return self.programs.succeeds(
            "pg_isready", "-q", "-U", "postgres", "-h", self.directory, "-p", str(PORT)
        )

    def _has_process(self) -> bool:
        processes = Path("/proc").glob("[0-9]*")
        return any(_is_server_of(self.directory, process=process) for process in processes)

    def _remove_stale_locks(self) -> None:
        """Remove the lock files of a server that was killed.

        They name a process id, which may now be that of a zombie or of another program; PostgreSQL
        then refuses to start. Without /proc this cannot be checked.
        """
        if not Path("/proc/self/cwd").exists() or self._has_process():
            return
        for name in ("postmaster.pid", f".s.PGSQL.{PORT}.lock"):
            (self.directory / name).unlink(missing_ok=True)

    def _end_of_log(self) -> str:
        log = self.directory / "server.log"
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        return "\n".join(lines[-20:])


def start(home: Path) -> Cluster:
    """Start the server whose data live in `home`, or join it if it runs.

    It stops when the last process that called this has ended.

    :raises ServerUnavailable: if no server can be run here; the message says what to do.
    """
    programs = postgres_programs.find(account=account_for(home, home / ELSEWHERE))
    home = _usable_home(home.resolve(), programs=programs)
    # A server that is started but not held yet would outlive a process that is stopped now.
    with _gate(home), stopping.held_back():
        programs = postgres_programs.copied_within_reach(programs, home=home)
        cluster = Cluster(directory=home / f"data{programs.major()}", programs=programs)
        cluster.start()
        _hold(home, cluster=cluster)
    return cluster


def make_directory(directory: Path) -> Path:
    """Create `directory` and its parents, private to this user, and return it.

    As root, the server's account must be able to pass through; only that account can enter the
    data directory below.
    """
    for missing in reversed([directory, *directory.parents]):
        if not missing.exists():
            missing.mkdir(exist_ok=True)
            missing.chmod(0o711 if os.geteuid() == 0 else 0o700)
    return directory


def _usable_home(home: Path, *, programs: Programs) -> Path:
    """Return `home` or, if the server cannot use it, a place elsewhere.

    :raises ServerUnavailable: if neither can be used.
    """
    with suppress(OSError):
        for place in _places_for(home):
            if _fits_a_socket(place) and _enters(programs, place=place):
                return place
    raise ServerUnavailable(
        f"PostgreSQL cannot keep its data in {home}: the path is too long, or not accessible. "
        "Set DATA_DIR to another directory, or DATABASE_URL to your own server."
    )


def _places_for(home: Path) -> Iterator[Path]:
    yield make_directory(home)
    link = home / ELSEWHERE
    if not link.is_symlink():
        _link_to_a_new_place(link)
    yield make_directory(link.readlink())


def _link_to_a_new_place(link: Path) -> None:
    """Choose a place for a home that is too deep, or behind a private directory.

    It is not named after the home: a new checkout must not find the data of the old one.
    """
    root = Path("/var/lib") if os.geteuid() == 0 else Path.home() / ".local" / "share"
    # Another process may have linked its choice meanwhile, and then that one counts.
    with suppress(FileExistsError):
        link.symlink_to(root / "countersign" / secrets.token_hex(6))


def _fits_a_socket(home: Path) -> bool:
    return len(os.fsencode(home / "data99" / f".s.PGSQL.{PORT}")) <= LONGEST_SOCKET_PATH


def _enters(programs: Programs, *, place: Path) -> bool:
    if programs.account:
        return programs.reaches(place)
    return os.access(place, os.W_OK | os.X_OK)


@contextmanager
def _gate(home: Path) -> Iterator[None]:
    """Hold the lock under which one process at a time starts or stops the server."""
    gate = _open_private(home / "gate")
    try:
        fcntl.flock(gate, fcntl.LOCK_EX)
        yield
    finally:
        os.close(gate)


def _hold(home: Path, *, cluster: Cluster) -> None:
    """Keep the server running for as long as this process lives. Must be called at the gate."""
    if (os.getpid(), home) in _locks:
        return
    lock = _open_private(home / "lock")
    fcntl.flock(lock, fcntl.LOCK_SH)
    _locks[os.getpid(), home] = lock
    atexit.register(_leave, home, cluster=cluster)


def _leave(home: Path, *, cluster: Cluster) -> None:
    """Stop the server if no other process holds it."""
    lock = _locks.get((os.getpid(), home))
    if lock is None:
        return
    stopping.ignore_signals()
    # The directory may have been removed, and then there is nothing left to stop; or the lock is
    # held by others, and then the server is theirs.
    with suppress(FileNotFoundError, BlockingIOError), _gate(home):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        cluster.stop()


def _open_private(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def _is_server_of(data: Path, *, process: Path) -> bool:
    """Return True if `process`, an entry of /proc, is a PostgreSQL server running in `data`."""
    try:
        works_there = (process / "cwd").samefile(data)
        return works_there and (process / "comm").read_text().startswith("postgres")
    except OSError:
        # It has ended meanwhile, or belongs to another user, so it is not our server.
        return False
