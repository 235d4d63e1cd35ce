"""Long steps: outside of transactions, by one worker at a time, from the start after a crash."""

import threading
from datetime import timedelta

import pytest
from django.db import connection

from audit.log.commands import RecordDrift
from audit.messages.exceptions import Forbidden
from audit.models.processes import ProcessInstance, ProcessTimer
from audit.models.records import CommandRecord
from audit.reactions import workers
from audit.reactions.processes import declarations, long_steps
from audit.reactions.processes.long_steps import LongStep, long_step
from audit.reactions.processes.timers import take_due_step
from tests.processes import let_timers_be_due
from tests.threads import until

NAME = "test.long"
DAY = timedelta(days=1)
RESULT = RecordDrift(rows=3, found=0, differences=())


@pytest.fixture(autouse=True)
def own_work(monkeypatch):
    """Only what a test declares; and an idle worker looks at its timer each time."""
    monkeypatch.setattr(declarations, "_processes", {})
    monkeypatch.setattr(workers, "_long_runs", {})
    monkeypatch.setattr(long_steps, "_LOOK_SECONDS", 0.0)


def declared(parts, *, every=DAY, permissions=frozenset({"audit.record_drift"})):
    """Declare a step; return a function that returns another worker's view of it."""
    long_step(NAME, every=lambda: every, permissions=permissions)(parts)
    return lambda: LongStep(declarations.find(NAME), parts, lambda: every)


def of_three_parts(begun, done):
    def count():
        begun.append(None)
        for part in range(3):
            assert not connection.in_atomic_block
            done.append(part)
            yield
        return RESULT

    return count


def finish(worker):
    while worker.turn():
        pass


def recorded():
    return list(CommandRecord.objects.filter(message_type="audit.record_drift"))


def test_it_is_taken_at_each_interval_by_one_of_the_workers():
    begun, done = [], []
    worker = declared(of_three_parts(begun, done))
    first, second = worker(), worker()

    assert not first.turn()
    timer = ProcessTimer.objects.get()
    assert timer.due_at - timer.set_at == DAY
    let_timers_be_due()
    assert not take_due_step()
    assert first.turn()
    assert not second.turn()
    finish(first)
    finish(second)

    (record,) = recorded()
    assert (len(begun), done) == (1, [0, 1, 2])
    assert (record.actor_label, record.channel) == ("process:test.long", "process")
    assert record.data["rows"] == 3
    timer.refresh_from_db()
    assert timer.due_at - timer.set_at == DAY
    let_timers_be_due()
    finish(second)
    assert len(recorded()) == 2


@pytest.mark.parametrize("renews", [False, True])
def test_after_a_crash_another_worker_begins_again_and_the_first_one_does_not_finish(
    renews, monkeypatch
):
    begun, done = [], []
    worker = declared(of_three_parts(begun, done))
    first, second = worker(), worker()
    first.turn()
    let_timers_be_due()
    first.turn()

    let_timers_be_due()
    finish(second)
    monkeypatch.setattr(first, "_renew_at", 0.0 if renews else first._renew_at)
    finish(first)

    assert len(begun) == 2
    assert len(recorded()) == 1
    assert done.count(2) == (1 if renews else 2)


def test_a_failure_is_noted_and_the_step_begins_again_later():
    begun, done = [], []

    def fail_once():
        yield from of_three_parts(begun, done)()
        if len(begun) == 1:
            message = "not yet"
            raise RuntimeError(message)
        return RESULT

    worker = declared(fail_once)()
    worker.turn()
    let_timers_be_due()
    with pytest.raises(RuntimeError):
        finish(worker)

    timer = ProcessTimer.objects.get()
    assert (timer.failures, timer.error, recorded()) == (1, "RuntimeError", [])
    assert not worker.turn()
    let_timers_be_due()
    finish(worker)

    timer.refresh_from_db()
    assert (timer.failures, timer.error, len(recorded())) == (0, "", 1)
    assert len(begun) == 2


def test_a_refused_command_is_a_failure_that_is_recorded():
    worker = declared(of_three_parts([], []), permissions=())()
    worker.turn()
    let_timers_be_due()

    with pytest.raises(Forbidden, match="lacks the permission"):
        finish(worker)

    assert [each.status for each in recorded()] == ["refused"]
    assert ProcessTimer.objects.get().error == "Forbidden"


def test_a_shorter_interval_counts_at_once_and_none_stops_it():
    parts = of_three_parts([], [])
    declared(parts)().turn()
    long = declarations.find(NAME)
    LongStep(long, parts, lambda: timedelta(hours=1)).turn()
    assert ProcessTimer.objects.get().due_at < ProcessTimer.objects.get().set_at + DAY

    let_timers_be_due()
    assert not LongStep(long, parts, lambda: timedelta(0)).turn()

    assert not ProcessTimer.objects.exists()
    assert not ProcessInstance.objects.exists()


def test_a_worker_stops_between_two_parts():
    done = []

    def endless():
        while True:
            done.append(None)
            yield

    declared(endless)().turn()
    let_timers_be_due()
    stop = threading.Event()
    working = threading.Thread(target=workers.work, args=({NAME},), kwargs={"stop": stop})
    working.start()
    until(lambda: len(done) > 2)
    stop.set()
    working.join()

    assert recorded() == []
