"""An upgrade under load, one migration at a time: what became of every request.

    python -m benchmarks.upgrade OLD_COMMIT [seconds] [NEW_COMMIT]

The old commit, in a temporary worktree, prepares a database, and its server and worker run. The
new code, this checkout by default, applies each migration by itself, with seconds of load after it.
Then a new server serves beside the old one, the old one is drained, and `migrate` runs once more.
No client repeats a request. The exit code is 1 if a request failed, if a write is missing or twice
in the log or the history, or if a process logged an error.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from signal import SIGKILL, SIGTERM
from urllib.parse import urlsplit, urlunsplit
from urllib.request import urlopen

import psycopg

from benchmarks.callers import CAST, Callers, Cast
from benchmarks.compare import checked_out
from benchmarks.serving import free_port
from config.first_run import preparing

_ROOT = Path(__file__).resolve().parent.parent
_DATABASE = f"countersign_upgrade_{os.getpid()}"
_CLIENTS, _START_SECONDS, _STOP_SECONDS = 4, 90, 30
_SETTINGS = {
    "DJANGO_SETTINGS_MODULE": "config.settings",
    "LOG_FORMAT": "json",
    "RATE_LIMIT_PER_KEY": "none",
    "STATIC_MANIFEST": "false",
    "WEB_WORKERS": "1",
}
_ERROR = re.compile(r'.*"level": ?"(?:error|critical)".*|^Traceback.*(?:\n.+)+', re.MULTILINE)
_UNAPPLIED = re.compile(r"^\[ \]\s+(\w+)\.(\w+)", re.MULTILINE)
# In one snapshot, where each command is complete or absent.
_BOOKS = """
    WITH written AS MATERIALIZED (
        SELECT (SELECT count(*) FROM apikeys_historicalapikey AS history
                WHERE history_command_id = command_id AND history_actor_label = actor_label
                    AND history.id::text = subject_id) AS histories,
            (SELECT count(*) FROM audit_eventrecord AS event
                WHERE event.command_id = audit_commandrecord.command_id) AS events
        FROM audit_commandrecord WHERE status = 'succeeded' AND message_type = ANY(
            '{apikeys.create,apikeys.enable,apikeys.disable,apikeys.delete}')
    )
    SELECT count(*), count(*) FILTER (WHERE histories = 0), count(*) FILTER (WHERE histories > 1),
        count(*) FILTER (WHERE events <> 1),
        (SELECT count(*) FROM apikeys_historicalapikey WHERE NOT EXISTS (
            SELECT FROM audit_commandrecord WHERE command_id = history_command_id)),
        (SELECT count(*) FROM unnest(%s::uuid[]) AS acknowledged (id) WHERE 1 <> (
            SELECT count(*) FROM audit_commandrecord WHERE command_id = id))
    FROM written
"""
_WRONG = (
    "writes without history",
    "writes with two histories",
    "writes without exactly one event",
    "histories without a record",
    "acknowledged commands without exactly one record",
)


def main(commit: str, seconds: float = 5.0, new_commit: str | None = None) -> None:
    """Upgrade, and print what happened."""
    preparing.prepare()
    with ExitStack() as stack:
        old = stack.enter_context(checked_out(commit))
        new = stack.enter_context(checked_out(new_commit)) if new_commit else _ROOT
        upgrade = stack.enter_context(_prepared(old, new))
        upgrade.run(seconds)
        sys.exit(not upgrade.is_clean)


@contextmanager
def _prepared(old: Path, new: Path) -> Iterator["Upgrade"]:
    """Prepare a database by the old code, and drop it afterwards."""
    with (
        psycopg.connect(os.environ["MIGRATION_DATABASE_URL"], autocommit=True) as owner,
        tempfile.TemporaryDirectory(prefix="countersign-upgrade-") as directory,
    ):
        drop = f"DROP DATABASE IF EXISTS {_DATABASE} WITH (FORCE)"
        owner.execute(drop)
        owner.execute(f"CREATE DATABASE {_DATABASE}")
        upgrade = Upgrade(old, new, Path(directory))
        try:
            yield upgrade
        finally:
            upgrade.kill_all()
            owner.execute(drop)


class Upgrade:
    """A database with processes of both releases on it."""

    def __init__(self, old: Path, new: Path, directory: Path) -> None:
        self.is_clean = True
        self._old, self._new, self._directory = old, new, directory
        self._owner_url = _on(os.environ["MIGRATION_DATABASE_URL"])
        self._environment = (
            os.environ
            | _SETTINGS
            | {
                "DATABASE_URL": _on(os.environ["DATABASE_URL"]),
                "MIGRATION_DATABASE_URL": self._owner_url,
                "DATA_DIR": str(directory),
                "EMAIL_FILE_PATH": str(directory),
            }
        )
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._known = 0

    def run(self, seconds: float) -> None:
        """Upgrade, step by step."""
        self._manage(self._old, "migrate", "-v0")
        cast = self._manage(self._old, "shell", "-c", CAST).rpartition("\ncast ")[2].split()
        port = self._serve("old server", self._old)
        old = ["old server", *self._work("old worker", self._old)]
        with Callers([port], Cast(*cast), clients=_CLIENTS) as callers:
            self._step(callers, "before", seconds)
            plan = self._manage(self._new, "showmigrations", "--plan")
            for app, name in _UNAPPLIED.findall(plan):
                self._step(callers, f"migrate {app} {name[:4]}", seconds, "migrate", app, name)
            self._step(callers, "migrate", seconds, "migrate")
            callers.step = "both serve"
            new_port = self._serve("new server", self._new)
            new = [*self._work("new worker", self._new), "new server"]
            callers.ports = [port, new_port]
            self._step(callers, "both serve", seconds)
            callers.step, callers.ports = "old one drains", [new_port]
            # As a proxy does, which chooses no server that it is about to stop.
            time.sleep(1)
            self._stop(old)
            self._step(callers, "old one drains", seconds)
            self._step(callers, "migrate again", seconds, "migrate")
        self._stop(new)
        if _has_command(self._new, "audit_drift"):
            self._tell("drift", self._manage(self._new, "audit_drift").splitlines()[-1])

    def _step(self, callers: Callers, name: str, seconds: float, *command: str) -> None:
        """Execute a command of the new code, let the load go on, and print what happened."""
        callers.step = name
        told = self._manage(self._new, *command, "-v0") if command else ""
        time.sleep(seconds)
        recent = callers.acknowledged[self._known :]
        self._known += len(recent)
        with psycopg.connect(self._owner_url) as connection:
            row = connection.execute(_BOOKS, [recent]).fetchone()
        tally = callers.tallies[name]
        sent, writes, *wrong = tally.succeeded.total(), *(row or ())
        (longest, what), failed = tally.longest, tally.failed.total()
        counts = f"{sent:6} succeeded, {failed} failed, {writes:6} writes logged"
        self._tell(name, f"{counts}, longest {longest:5.0f} ms: {what}")
        bad = {what: number for what, number in zip(_WRONG, wrong, strict=True) if number}
        for what, number in (dict(tally.failed) | bad).items():
            self.is_clean = False
            self._tell("", f"  {number} times: {what}")
        if told:
            self._tell("", f"  {told}")

    def _tell(self, name: str, text: str) -> None:
        sys.stdout.write(f"{name:22}{text}\n")
        sys.stdout.flush()

    def _manage(self, code: Path, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=code,
            env=self._environment | {"PYTHONPATH": str(code)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            sys.exit(f"{' '.join(arguments)[:80]}: {done.stdout}")
        return done.stdout.strip()

    def _serve(self, name: str, code: Path) -> int:
        """Start a server, and return its port once it is ready."""
        port = free_port()
        self._start(name, code, "serve", PORT=str(port))
        end = time.monotonic() + _START_SECONDS
        while time.monotonic() < end:
            with suppress(OSError), urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
                return port
            time.sleep(0.2)
        sys.exit(f"{name} is not ready:\n{self._log(name).read_text()[-2000:]}")

    def _start(self, name: str, code: Path, command: str, **extra: str) -> None:
        with self._log(name).open("w") as log:
            self._running[name] = subprocess.Popen(
                [sys.executable, "manage.py", command],
                cwd=code,
                env=self._environment | {"PYTHONPATH": str(code)} | extra,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _work(self, name: str, code: Path) -> list[str]:
        """Start a worker, if the release has one; return its name."""
        if not _has_command(code, "work"):
            return []
        self._start(name, code, "work")
        return [name]

    def _stop(self, names: list[str]) -> None:
        """Stop processes as an operator does, and print how they ended and what they logged."""
        for name in names:
            process = self._running[name]
            had_ended = process.poll() is not None
            process.send_signal(SIGTERM)
            code = process.wait(_STOP_SECONDS)
            errors = _ERROR.findall(self._log(name).read_text())
            self.is_clean &= not (had_ended or code or errors)
            self._tell(name, f"exit code {code}, {len(errors)} errors logged")
            for each in errors[:3]:
                self._tell("", f"  {each[-1500:]}")

    def kill_all(self) -> None:
        """Kill what still runs."""
        for process in self._running.values():
            with suppress(ProcessLookupError):
                os.killpg(process.pid, SIGKILL)
            process.wait()

    def _log(self, name: str) -> Path:
        return self._directory / f"{name}.log"


def _has_command(code: Path, name: str) -> bool:
    return (code / f"audit/management/commands/{name}.py").exists()


def _on(url: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{_DATABASE}"))


if __name__ == "__main__":
    old_commit, *rest = sys.argv[1:]
    main(old_commit, *map(float, rest[:1]), *rest[1:])
