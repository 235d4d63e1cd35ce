"""Following the log: nothing is skipped, whenever it commits."""

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from audit.bus.dispatch import dispatch
from audit.bus.handling import handles
from audit.log import epochs
from audit.log.feed import Place, place_of, read_after
from audit.messages.classes import Command
from audit.models.records import CommandRecord, Epoch, EventRecord
from tests.conftest import AS_SYSTEM
from tests.threads import Crowd, until

entered, may_go_on = threading.Event(), threading.Event()


@dataclass(frozen=True, kw_only=True)
class Dawdle(Command):
    """Take until somebody says so."""

    message_type = "test.dawdle"


@handles(Dawdle)
def dawdle(command, context):
    CommandRecord.objects.exists()
    connection.cursor().execute("SELECT nextval('audit_position'), pg_current_xact_id()")
    entered.set()
    assert may_go_on.wait(10)


@dataclass(frozen=True, kw_only=True)
class Hurry(Command):
    """Be done at once."""

    message_type = "test.hurry"


@handles(Hurry)
def hurry(command, context):
    """Do nothing."""


def read_all(count):
    """Read so many records, once nothing in the whole cluster holds the reader back any more."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        records = read_after(CommandRecord, Place(), limit=10)
        if len(records) == count:
            return records
        time.sleep(0.01)
    raise AssertionError(records)


def test_a_reader_waits_for_what_commits_late_and_gets_it_once():
    def dispatch_slowly():
        dispatch(Dawdle(), context=AS_SYSTEM)
        connection.close()

    slow = threading.Thread(target=dispatch_slowly)
    slow.start()
    assert entered.wait(10)
    dispatch(Hurry(), context=AS_SYSTEM)

    while_it_runs = read_after(CommandRecord, Place(), limit=10)
    may_go_on.set()
    slow.join()
    afterwards = read_all(2)

    assert while_it_runs == []
    assert [record.message_type for record in afterwards] == ["test.dawdle", "test.hurry"]
    assert read_after(CommandRecord, place_of(afterwards[-1]), limit=10) == []


def test_a_reader_goes_on_where_it_stopped():
    for _ in range(5):
        dispatch(Hurry(), context=AS_SYSTEM)

    seen, place = [], Place()

    def goes_on():
        nonlocal place
        batch = read_after(CommandRecord, place, limit=2)
        seen.extend(record.command_id for record in batch)
        place = place_of(batch[-1]) if batch else place
        return len(seen) >= 5

    until(goes_on)

    assert len(seen) == len(set(seen)) == 5
    assert read_after(CommandRecord, place, limit=2) == []


def test_after_a_restore_the_log_goes_on_in_a_new_epoch(owner):
    dispatch(Hurry(), context=AS_SYSTEM)

    call_command("begin_epoch", reason="Restored from the dump of Monday")
    dispatch(Hurry(), context=AS_SYSTEM)

    epochs = [record.epoch for record in read_all(3)]
    assert epochs == [1, 2, 2]
    assert EventRecord.objects.get().message_type == "audit.epoch_begun"
    assert Epoch.objects.latest("number").command_id


def test_an_epoch_by_hand_waits_for_transactions_that_have_written():
    """A reader in the new epoch would never see what they have written to the one before."""
    dispatch(Hurry(), context=AS_SYSTEM)
    place = place_of(read_all(1)[-1])

    with appended() as late:
        with pytest.raises(CommandError, match=f"process {late.info.backend_pid}"):
            call_command("begin_epoch", reason="Restored")
        assert Epoch.objects.count() == 1
        dispatch(Hurry(), context=AS_SYSTEM)
        assert read_after(CommandRecord, place, limit=10) == []

    call_command("begin_epoch", reason="Restored")
    dispatch(Hurry(), context=AS_SYSTEM)
    found = read_all(6)
    assert [each.epoch for each in found] == [1, 1, 1, 1, 2, 2]
    assert [each.status for each in found].count("failed") == 1


def test_writers_wait_for_an_epoch_by_hand():
    """What they append while it begins is in the new epoch, not behind it."""
    dispatch(Hurry(), context=AS_SYSTEM)
    with Crowd(1) as crowd:
        with transaction.atomic():
            number = epochs.start(uuid4())
            writer = crowd.start(lambda: dispatch(Hurry(), context=AS_SYSTEM))
            time.sleep(0.2)
            assert not writer.done()
        writer.result(10)

    assert CommandRecord.objects.latest("position").epoch == number == 2


@contextmanager
def appended():
    """A transaction of the application's role that stays open after it has appended a record."""
    names = ", ".join(
        f'"{field.column}"'
        for field in CommandRecord._meta.concrete_fields
        if field.column not in ("position", "xid", "command_id")
    )
    with connection.copy().cursor() as cursor, cursor.db.connection.transaction():
        cursor.execute("SELECT set_config('audit.command_id', gen_random_uuid()::text, true)")
        cursor.execute(
            f"INSERT INTO audit_commandrecord (command_id, {names})"
            f" SELECT gen_random_uuid(), {names} FROM audit_commandrecord LIMIT 1"
        )
        yield cursor.db.connection
    cursor.db.close()
