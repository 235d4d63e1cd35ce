"""A PostgreSQL cluster of its own, which a test may stop, freeze and configure."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from django.conf import settings

from config.first_run import database_roles, embedded_postgres
from config.first_run.embedded_postgres import Cluster


class OwnCluster:
    """A running cluster with the tables and the people of the demo."""

    def __init__(self, cluster: Cluster, data: Path) -> None:
        self.cluster = cluster
        self.demo_file = data / "demo.json"
        self.environment = {
            "DATABASE_URL": self._url(database_roles.APPLICATION),
            "MIGRATION_DATABASE_URL": self._url(database_roles.OWNER),
            "DATA_DIR": str(data),
            "STATIC_ROOT": str(data / "static"),
            "DEMO": "true",
        }

    def manage(self, *arguments: str) -> None:
        """Run manage.py on this cluster."""
        command = (sys.executable, "manage.py", *arguments)
        subprocess.run(
            command, cwd=settings.BASE_DIR, env=os.environ | self.environment, check=True
        )

    def execute(self, sql: str) -> list[tuple]:
        """Return the rows of a statement as superuser."""
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Stop all processes of the server as a frozen host does: connections stay open."""
        self._signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill all processes of the server at once, and start it again."""
        self._signal(signal.SIGKILL)
        self.cluster.start()

    def _signal(self, number: signal.Signals) -> None:
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if (process / "cwd").samefile(self.cluster.directory):
                    os.kill(int(process.name), number)
            except OSError:
                # It has ended, or belongs to another account.
                continue

    def _url(self, user: str) -> str:
        return self.cluster.url(user=user, database=database_roles.DATABASE)


@contextmanager
def temporary_cluster() -> Iterator[tuple[Cluster, Path]]:
    """Run an empty cluster until the block is left; yield it with a directory beside it."""
    # Not pytest's own directory: the path of a socket may be no longer than 103 bytes.
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        home.chmod(0o711)
        cluster = embedded_postgres.start(home / "postgres")
        try:
            yield cluster, home
        finally:
            cluster.stop()


@contextmanager
def own_cluster() -> Iterator[OwnCluster]:
    """Run a cluster with the demo until the block is left."""
    with temporary_cluster() as (cluster, home):
        database_roles.ensure(cluster)
        own = OwnCluster(cluster, home / "data")
        own.manage("migrate", "-v0")
        own.manage("demo")
        own.manage("collectstatic", "--no-input", "-v0")
        yield own
