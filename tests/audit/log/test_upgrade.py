"""Real runs of pg_upgrade: the log goes on in a new epoch, and no reader skips an event."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection

from audit.messages.outcomes import Completed
from audit.models.records import CommandRecord, Epoch
from config.first_run import database_roles
from config.first_run.embedded_postgres import Cluster
from config.first_run.postgres_programs import Programs
from tests.clusters import OwnCluster, temporary_cluster
from tests.following import BEGUN, Reader, first_command_of, outcome, write
from tests.standbys import reached_at

pytestmark = pytest.mark.edge

_SYSTEM = Path("/usr/lib/postgresql")


class Upgrade:
    """A server, the one that pg_upgrade makes of it, and the place at which clients reach one."""

    def __init__(self, old: Cluster, new: Cluster, address: Path) -> None:
        self.old, self.new, self.address = old, new, address
        address.symlink_to(old.directory)

    def run(self) -> None:
        """Stop the server, and copy its data to a new cluster with pg_upgrade."""
        for each in (self.old, self.new):
            each.stop()
            # They must be the same in both, and are not by default.
            each.programs.succeeds("pg_checksums", "--disable", "-D", ".", cwd=each.directory)
        data = ("-d", self.old.directory, "-D", self.new.directory)
        programs = ("-b", self.old.programs.directory, "-B", self.new.programs.directory)
        self.new.programs.run(
            "pg_upgrade", *data, *programs, "-U", "postgres", cwd=self.new.directory
        )

    def lead_clients_to(self, server: Cluster) -> None:
        """Start a server, if it is stopped, and have clients reach it from now on."""
        connection.close()
        server.start()
        self.address.unlink()
        self.address.symlink_to(server.directory)


def other_programs(programs: Programs) -> Programs:
    """Return those of an older major version that the system has; skip the test without one."""
    for found in sorted(_SYSTEM.glob("[0-9]*/bin/pg_upgrade")):
        other = Programs(directory=found.parent, account=programs.account)
        if other.major() < programs.major():
            return other
    return pytest.skip("no older PostgreSQL is installed: apt install postgresql")


@pytest.fixture(params=["from an older major version", "within a major version"])
def upgrade(request, monkeypatch) -> Iterator[Upgrade]:
    """A server with the tables, which the application reaches, and where it is upgraded to."""
    with temporary_cluster() as (new, home):
        is_older = request.param == "from an older major version"
        programs = other_programs(new.programs) if is_older else new.programs
        old = Cluster(directory=home / "old", programs=programs)
        found = Upgrade(old, new, home / "current")
        try:
            found.lead_clients_to(old)
            database_roles.ensure(old)
            OwnCluster(old, home / "data").manage("migrate", "-v0")
            with reached_at(monkeypatch, str(found.address)):
                yield found
        finally:
            old.stop()


def test_an_upgrade_begins_an_epoch_before_anything_else_is_written(upgrade):
    write(3)
    reader = Reader()
    reader.read_to_the_end()
    before = Epoch.objects.latest("number").number

    upgrade.run()
    upgrade.lead_clients_to(upgrade.new)
    assert isinstance(outcome(), Completed)
    write(3)

    epoch = Epoch.objects.latest("number").number
    assert epoch > before
    assert first_command_of(epoch) == BEGUN
    assert not reader.read()
    reader.read_to_the_end()
    reader.assert_complete()


def test_a_reader_of_what_the_old_server_still_wrote_is_told_what_to_discard(upgrade):
    write(3)
    reader = Reader()
    upgrade.run()
    upgrade.lead_clients_to(upgrade.old)
    lost = write(3)
    reader.read_to_the_end()

    upgrade.lead_clients_to(upgrade.new)
    write(1)

    assert first_command_of(Epoch.objects.latest("number").number) == BEGUN
    assert not CommandRecord.objects.filter(command_id__in=lost).exists()
    assert reader.read()
    reader.read_to_the_end()
    reader.assert_complete()
