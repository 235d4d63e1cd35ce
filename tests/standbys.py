"""A primary and its streaming standby, of which the tests stop one and promote the other."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from django.db import connection, connections

from config.first_run import database_roles
from config.first_run.embedded_postgres import PORT, Cluster
from tests.clusters import temporary_cluster
from tests.threads import until

DATABASE = database_roles.DATABASE


class Pair:
    """Two servers, and the directory through which clients reach the current one."""

    def __init__(self, primary: Cluster, home: Path) -> None:
        self.primary = primary
        self.standby = Cluster(directory=home / "standby", programs=primary.programs)
        self.address = home / "current"
        self.address.symlink_to(primary.directory)

    def restore(self, dump: Path) -> None:
        """Restore a dump of the test database, with its roles, into the primary."""
        database_roles.ensure(self.primary)
        host = ("-h", self.primary.directory, "-p", str(PORT), "-U", "postgres")
        self.primary.programs.run("pg_restore", *host, "-d", DATABASE, dump)

    def attach_standby(self) -> None:
        """Copy the primary, and stream to the copy without waiting for it at COMMIT."""
        host = ("-h", self.primary.directory, "-p", str(PORT), "-U", "postgres")
        self.primary.programs.run(
            "pg_basebackup", *host, "-D", self.standby.directory, "-R", "-X", "stream", "-c", "fast"
        )
        self.standby.start()
        self.until_replayed()

    def back_up(self) -> None:
        """Copy the primary as a backup, to be recovered to the moment at which it ended."""
        host = ("-h", self.primary.directory, "-p", str(PORT), "-U", "postgres")
        target = self.standby.directory
        self.primary.programs.run(
            "pg_basebackup", *host, "-D", target, "-X", "stream", "-c", "fast"
        )
        (target / "recovery.signal").touch()
        with (target / "postgresql.auto.conf").open("a") as settings:
            settings.write("restore_command = 'false'\nrecovery_target = 'immediate'\n")
            settings.write("recovery_target_action = 'promote'\n")

    def recover(self) -> None:
        """Stop the primary, recover the backup, and lead clients to it."""
        self.primary.stop()
        self.standby.start()
        until(lambda: ask(self.standby, "SELECT pg_is_in_recovery()") == (False,))
        self._switch()

    def until_replayed(self) -> None:
        """Return once the standby has everything that was committed so far."""
        (now,) = ask(self.primary, "SELECT pg_current_wal_lsn()::text")
        sql = f"SELECT pg_last_wal_replay_lsn() >= '{now}'::pg_lsn"
        until(lambda: ask(self.standby, sql) == (True,))

    def detach_standby(self) -> None:
        """End the stream: what is committed from now on will be lost."""
        ask(self.standby, "ALTER SYSTEM SET primary_conninfo = ''")
        ask(self.standby, "SELECT pg_reload_conf()")
        receivers = "SELECT count(*) FROM pg_stat_wal_receiver"
        until(lambda: ask(self.standby, receivers) == (0,))

    def fail_over(self) -> None:
        """Stop the primary at once, promote the standby, and lead clients to it."""
        programs = self.primary.programs
        programs.run("pg_ctl", "-D", ".", "-m", "immediate", "stop", cwd=self.primary.directory)
        programs.run("pg_ctl", "-D", ".", "-w", "promote", cwd=self.standby.directory)
        self._switch()

    def _switch(self) -> None:
        draft = self.address.with_name("next")
        draft.symlink_to(self.standby.directory)
        draft.rename(self.address)


@contextmanager
def reached_at(monkeypatch: Any, host: str, port: str = str(PORT)) -> Iterator[None]:
    """Let the application use another database, without prepared statements, for a pooler."""
    database = connections["default"].settings_dict
    connection.close()
    changes = {"HOST": host, "PORT": port, "NAME": DATABASE}
    options = database["OPTIONS"] | {"prepare_threshold": None}
    with monkeypatch.context() as patch:
        for name, value in {**changes, "OPTIONS": options}.items():
            patch.setitem(database, name, value)
        yield
        connection.close()


def ask(server: Cluster, sql: str) -> Any:
    """Return the first row of a statement as superuser."""
    with psycopg.connect(server.url(user="postgres", database=DATABASE), autocommit=True) as raw:
        cursor = raw.execute(sql.encode())
        return cursor.fetchone() if cursor.description else None


@contextmanager
def pair() -> Iterator[Pair]:
    """Run a primary with a copy of the test database; `attach_standby` starts the other."""
    with temporary_cluster() as (primary, home):
        if (account := primary.programs.account) is not None:
            os.chown(home, account.uid, account.gid)
        servers = Pair(primary, home)
        try:
            servers.restore(_dump(home, primary))
            yield servers
        finally:
            if servers.standby.directory.exists():
                servers.standby.stop()


def _dump(home: Path, server: Cluster) -> Path:
    database = connection.settings_dict
    host = ("-h", database["HOST"], "-p", str(database["PORT"] or PORT), "-U", "postgres")
    server.programs.run("pg_dump", *host, "-Fc", "-f", home / "dump", database["NAME"])
    return home / "dump"
