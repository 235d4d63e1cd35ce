"""Real restores and failovers: no reader skips an event, and none keeps one that is lost."""

import pytest
from django.db import connection

from audit.messages.outcomes import Completed
from audit.models.records import CommandRecord, Epoch
from config.first_run.embedded_postgres import PORT
from tests.following import BEGUN, Reader, first_command_of, outcome, write
from tests.poolers import needs_pgbouncer, pooling
from tests.standbys import pair, reached_at
from tests.threads import until

pytestmark = pytest.mark.edge


@pytest.fixture
def servers():
    """A primary with a copy of the test database."""
    with pair() as found:
        yield found


@pytest.fixture
def direct(servers, monkeypatch):
    """The application on the servers, whichever is current."""
    with reached_at(monkeypatch, str(servers.address)):
        yield


@pytest.fixture
def pooled(servers, monkeypatch):
    """The application on the servers, through a pooler that keeps its connections open."""
    directory = servers.address.with_name("pooler")
    directory.mkdir()
    address = {"host": str(servers.address), "port": str(PORT)}
    with (
        pooling(directory, **address, user=connection.settings_dict["USER"]) as place,
        reached_at(monkeypatch, *place),
    ):
        yield


def test_the_first_write_after_a_restore_begins_an_epoch(direct):
    write(1)

    epoch = Epoch.objects.latest("number")
    assert epoch.number > 1
    assert first_command_of(epoch.number) == BEGUN
    assert set(CommandRecord.objects.values_list("epoch", flat=True)) == {epoch.number}
    reader = Reader()
    reader.read_to_the_end()
    reader.assert_complete()


def fail_over_between_writes(servers):
    """Write, lose some of it in a failover, and write again; return the reader."""
    write(2)
    servers.attach_standby()
    reader = Reader()
    write(3)
    servers.until_replayed()
    servers.detach_standby()
    lost = write(3)
    reader.read_to_the_end()
    former = Epoch.objects.latest("number").number

    servers.fail_over()
    until(lambda: isinstance(outcome(), Completed))
    write(3)

    epoch = Epoch.objects.latest("number").number
    assert epoch > former
    assert first_command_of(epoch) == BEGUN
    assert not CommandRecord.objects.filter(command_id__in=lost).exists()
    return reader


def test_after_an_asynchronous_failover_no_event_is_skipped_or_kept_in_error(servers, direct):
    reader = fail_over_between_writes(servers)

    assert reader.read()
    reader.read_to_the_end()

    reader.assert_complete()


def test_after_a_recovery_to_a_point_in_time_it_is_the_same(servers, direct):
    reader = Reader()
    write(3)
    servers.back_up()
    lost = write(3)
    reader.read_to_the_end()
    connection.close()

    servers.recover()
    write(3)

    assert first_command_of(Epoch.objects.latest("number").number) == BEGUN
    assert not CommandRecord.objects.filter(command_id__in=lost).exists()
    assert reader.read()
    reader.read_to_the_end()
    reader.assert_complete()


@needs_pgbouncer
def test_it_is_noticed_behind_a_pooler_that_reconnects_by_itself(servers, pooled):
    reader = fail_over_between_writes(servers)

    assert reader.read()
    reader.read_to_the_end()

    reader.assert_complete()


def test_a_failover_that_loses_nothing_rewinds_no_reader_of_an_idle_log(servers, direct):
    servers.attach_standby()
    reader = Reader()
    write(3)
    # The last one alone: no other transaction was in progress.
    until(lambda: isinstance(outcome(), Completed))
    reader.read_to_the_end()
    servers.until_replayed()

    servers.fail_over()
    until(lambda: isinstance(outcome(), Completed))

    assert not reader.read()
    reader.read_to_the_end()
    reader.assert_complete()
