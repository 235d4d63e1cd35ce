"""One PostgreSQL data directory: created, started, stopped, and cleaned up after a crash."""

import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

from config.first_run.postgres_programs import Programs, ServerUnavailable

PORT = 5432
_BUILTIN_LOCALES_SINCE = 17
START_SECONDS = 60


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


_INITDB_OPTIONS = (
    "--username=postgres",
    "--auth=trust",
    "--encoding=UTF8",
    "--locale=C.UTF-8",
)
_SERVER_OPTIONS = (
    f"-c port={PORT} -c listen_addresses= -c unix_socket_directories=. -c max_connections=150"
)
_PG_CTL_OPTIONS = (
    *("-D", ".", "-w", "-t", str(START_SECONDS), "-l", "server.log"),
    *("-o", _SERVER_OPTIONS),
)


def _is_server_of(data: Path, *, process: Path) -> bool:
    """Return True if `process`, an entry of /proc, is a PostgreSQL server running in `data`."""
    try:
        works_there = (process / "cwd").samefile(data)
        return works_there and (process / "comm").read_text().startswith("postgres")
    except OSError:
        # It has ended meanwhile, or belongs to another user, so it is not our server.
        return False
