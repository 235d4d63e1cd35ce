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
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from config.first_run import postgres_programs, stopping
from config.first_run.postgres_cluster import PORT, Cluster
from config.first_run.postgres_programs import Programs, ServerUnavailable, account_for

# Linux ends the path of a socket at 107 bytes, macOS at 103.
LONGEST_SOCKET_PATH = 103
# In a home that the server cannot use, the link to where its data are instead.
ELSEWHERE = "elsewhere"


# The shared locks by which a process keeps the server of a home running, by both. A lock lasts as
# long as its file is open, so it must outlive the call that took it; and a forked child, which runs
# its parent's exit handlers, must not take the parent's lock for its own.
_locks: dict[tuple[int, Path], int] = {}


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
