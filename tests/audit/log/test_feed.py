"""Following the log: nothing is skipped, whenever it commits."""

import threading
import time
from dataclasses import dataclass

from django.core.management import call_command
from django.db import connection

from audit.bus.dispatch import dispatch
from audit.bus.handling import handles
from audit.log.feed import Place, place_of, read_after
from audit.messages.classes import Command
from audit.models.records import CommandRecord, Epoch, EventRecord
from tests.conftest import AS_SYSTEM
from tests.threads import until

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
