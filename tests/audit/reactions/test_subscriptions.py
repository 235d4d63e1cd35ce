"""Subscriptions: each event has its effect once, in order, and a failure stops only its subject."""

import threading
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from types import SimpleNamespace
from uuid import uuid4

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import DataError, connection
from django.db.models.functions import Now

from audit.bus.dispatch import dispatch
from audit.bus.handling import handles
from audit.log import feed
from audit.log.feed import Place
from audit.messages.classes import Command
from audit.models.records import EventRecord
from audit.models.subscriptions import Checkpoint, Setback
from audit.reactions import checkpoints, partitions, workers
from audit.reactions.checkpoints import Slot
from audit.reactions.declarations import Subscription, find, reacts_to, subscribe
from audit.reactions.partitions import Partition
from audit.reactions.workers import SHORTEST_POLL, Follower, Poll, Polls
from audit.testing import react
from tests.audit.reactions.things import (
    Handler,
    Touched,
    let_setbacks_be_due,
    settled_horizon,
    subscribed,
    touched,
)
from tests.conftest import AS_SYSTEM, completed
from tests.notes.handlers import NoteWritten, WriteNote
from tests.threads import Crowd, until


@dataclass(frozen=True, kw_only=True)
class TouchSlowly(Command):
    """Touch a thing, once the test says so."""

    message_type = "test.touch_slowly"
    thing: str


entered, may_go_on = threading.Event(), threading.Event()


@handles(TouchSlowly)
def touch_slowly(command, context):
    connection.cursor().execute("SELECT pg_current_xact_id()")
    entered.set()
    assert may_go_on.wait(60)
    context.emit(Touched(thing_id=command.thing))


@contextmanager
def touching_slowly(thing):
    """Touch a thing in a transaction that begins now, and commits at the end of the block."""
    entered.clear()
    may_go_on.clear()

    def dispatch_slowly():
        dispatch(TouchSlowly(thing=thing), context=AS_SYSTEM)
        connection.close()

    slow = threading.Thread(target=dispatch_slowly)
    slow.start()
    try:
        assert entered.wait(60)
        yield
    finally:
        may_go_on.set()
        slow.join()


def test_a_function_gets_each_event_once_with_its_delivery(own_subscriptions):
    got = []

    @reacts_to(NoteWritten, name="test.notes")
    def note(event, delivery):
        got.append((event, delivery))

    notes = [completed(WriteNote(tenant="acme", text=str(each))) for each in range(5)]
    react()
    react()

    assert {event.note_id for event, _ in got} == {note.pk for note in notes}
    event, delivery = got[0]
    record = EventRecord.objects.get(id=delivery.id)
    assert (delivery.subject_type, delivery.subject_id) == ("note", str(event.note_id))
    assert (delivery.number, delivery.tenant, delivery.attempt) == (1, "acme", 1)
    assert (delivery.command_id, delivery.correlation_id) == (
        record.command_id,
        record.correlation_id,
    )
    assert (delivery.record, delivery.occurred_at) == (record, record.occurred_at)
    assert len(got) == sum(each.handled for each in Checkpoint.objects.all()) == 5


def test_a_failing_event_is_set_aside_and_others_continue(handler):
    subscribed(handler)
    handler.failing = {("a", 1)}
    touched("a", "b", "a", "c", "a")

    react()
    first, *later = Setback.objects.order_by("number")

    assert sorted(handler.got) == [("b", 1), ("c", 1)]
    assert (first.number, first.state, first.attempts) == (1, "retrying", 1)
    assert (first.error_code, first.error) == ("RuntimeError", "it failed for a")
    assert [(each.number, each.state) for each in later] == [(2, "waiting"), (3, "waiting")]


def test_a_subject_continues_in_order_after_a_retry_that_succeeds(handler):
    subscribed(handler)
    handler.failing = {("a", 1)}
    touched("a", "a")
    react()
    handler.failing = set()
    let_setbacks_be_due()
    touched("a", "b")
    react()

    assert [each for each in handler.got if each[0] == "a"] == [("a", 1), ("a", 2), ("a", 3)]
    assert ("b", 1) in handler.got
    assert handler.attempts.count(2) == 1
    assert not Setback.objects.exists()


def test_a_subject_is_parked_after_the_last_attempt(handler):
    subscribed(handler, backoff=(0, 0))
    handler.failing = {("a", 1)}
    touched("a", "a", "b")

    react()

    parked, waiting = Setback.objects.order_by("number")
    assert (parked.state, parked.attempts, parked.next_try_at) == ("parked", 3, None)
    assert waiting.state == "waiting"
    assert handler.got == [("b", 1)]
    assert sum(each.failed for each in Checkpoint.objects.all()) == 3


def test_few_events_are_handled_again_because_another_one_failed(handler):
    subscribed(handler, partitions=1)
    handler.failing = {("t50", 1)}
    touched(*(f"t{each}" for each in range(100)))

    react()

    assert len(handler.got) - 99 == 50
    assert handler.calls == 151


def test_an_event_that_cannot_be_loaded_is_set_aside(handler, monkeypatch):
    subscribed(handler)
    touched("a", "b")
    monkeypatch.setattr(Touched, "schema_version", 2)

    react()

    found = Setback.objects.values_list("error_code", "state")
    assert list(found) == [("unloadable", "retrying")] * 2


def test_a_violated_deferred_constraint_sets_only_its_event_aside(handler, owner):
    owner.execute("CREATE TABLE effect (thing text UNIQUE DEFERRABLE INITIALLY DEFERRED)")
    owner.execute("GRANT INSERT, SELECT ON effect TO PUBLIC")
    try:

        def insert(event, delivery):
            thing = "taken" if event.thing_id in ("t3", "t4") else event.thing_id
            connection.cursor().execute("INSERT INTO effect VALUES (%s)", [thing])

        subscribed(insert, partitions=1)
        touched(*(f"t{each}" for each in range(10)))
        react()

        assert owner.execute("SELECT count(*) FROM effect").fetchone() == (9,)
        assert Setback.objects.get().subject_id == "t4"
    finally:
        owner.execute("DROP TABLE effect")


def test_a_late_commit_is_not_skipped_and_the_order_of_its_subject_is_kept(handler):
    """An event whose transaction began earlier and committed later has the higher number."""
    subscribed(handler, partitions=1)
    with touching_slowly("a"):
        touched("a", "b")
        follower = Follower([find("test.things")])
        checkpoints.create(find("test.things"), place=Place())
        follower.turn()
        while_it_runs = list(handler.got)
    touched("a")
    first = EventRecord.objects.order_by("xid", "position").first()
    react()

    assert while_it_runs == []
    assert (first.subject_id, first.number) == ("a", 2), "the order of the log is the other one"
    assert [each for each in handler.got if each[0] == "a"] == [("a", 1), ("a", 2), ("a", 3)]
    assert ("b", 1) in handler.got
    assert not Setback.objects.exists()


def test_an_earlier_event_behind_the_horizon_is_waited_for(handler):
    subscription = subscribed(handler, partitions=1)
    checkpoints.create(subscription, place=Place())
    with touching_slowly("a"):
        touched("a")
    second, first = EventRecord.objects.order_by("xid", "position")
    partition = Partition(subscription, Slot("test.things", 0, 1))
    partition.step(Place(first.epoch, first.xid))
    partition.retry()
    before = list(handler.got)
    react()

    assert (first.number, second.number) == (1, 2)
    assert before == []
    assert handler.got == [("a", 1), ("a", 2)]


def test_a_later_event_is_not_retried_before_an_earlier_one_that_failed(handler):
    subscription = subscribed(handler, partitions=1)
    checkpoints.create(subscription, place=Place())
    with touching_slowly("a"):
        touched("a")
    first = EventRecord.objects.order_by("xid").last()
    Partition(subscription, Slot("test.things", 0, 1)).step(Place(first.epoch, first.xid))
    before = Setback.objects.get()
    handler.failing = {("a", 1)}
    react()

    assert (before.number, before.state) == (2, "retrying")
    states = Setback.objects.order_by("number").values_list("number", "state")
    assert list(states) == [(1, "retrying"), (2, "waiting")]


def test_a_rival_is_fenced_off(handler):
    """A worker that has lost its lock, with its connection, cannot commit its effects."""
    subscription = subscribed(handler, partitions=1)
    checkpoints.create(subscription, place=Place())
    touched("a")

    def move_meanwhile(event, delivery):
        Checkpoint.objects.update(position=7)

    object.__setattr__(subscription, "function", move_meanwhile)
    horizon = settled_horizon()
    with pytest.raises(DataError):
        Partition(subscription, Slot("test.things", 0, 1)).step(horizon)

    assert Checkpoint.objects.get().position == 0


def test_two_workers_do_not_share_a_partition(handler):
    subscription = subscribed(handler, partitions=1)
    checkpoints.create(subscription, place=Place())
    touched("a")
    horizon = settled_horizon()
    results = []

    def run_rival():
        results.append(Partition(subscription, Slot("test.things", 0, 1)).step(horizon))
        connection.close()

    def call_rival(event, delivery):
        handler(event, delivery)
        rival = threading.Thread(target=run_rival)
        rival.start()
        rival.join()

    object.__setattr__(subscription, "function", call_rival)
    results.append(Partition(subscription, Slot("test.things", 0, 1)).step(horizon))

    assert results == [0, 1]
    assert handler.got == [("a", 1)]


def test_a_retry_runs_under_the_lock_of_its_own_partition(handler):
    subscription = subscribed(handler, partitions=3)
    handler.failing = {(f"t{each}", 1) for each in range(12)}
    touched(*(f"t{each}" for each in range(12)))
    react()
    handler.failing = set()
    let_setbacks_be_due()
    of_partition = {
        number: set(Setback.objects.filter(partition=number).values_list("subject_id", flat=True))
        for number in range(3)
    }
    for number in range(3):
        handler.got.clear()
        Partition(subscription, Slot("test.things", number, 3)).retry()

        assert {thing for thing, _ in handler.got} == of_partition[number] != set()


def test_a_batch_is_bounded_by_time(handler, monkeypatch):
    subscription = subscribed(handler, partitions=1)
    checkpoints.create(subscription, place=Place())
    monkeypatch.setattr(partitions, "LONGEST_SECONDS", 0)
    touched("a", "b", "c")
    horizon = settled_horizon()
    partition = Partition(subscription, Slot("test.things", 0, 1))

    assert [partition.step(horizon) for _ in range(4)] == [1, 1, 1, 0]
    assert not partition.is_behind


@pytest.mark.parametrize("starts", ["now", "beginning", "time"])
def test_a_subscription_starts_where_it_says(handler, starts, monkeypatch):
    touched("a")
    at = datetime.now(UTC)
    touched("b")
    horizon = feed.Horizon(settled_horizon(), None)
    subscription = subscribed(handler, starts=at if starts == "time" else starts)
    follower = Follower([subscription])
    with monkeypatch.context() as patched:
        # Other transactions may hold a later horizon back for a moment.
        patched.setattr(feed, "horizon", lambda _: horizon)
        follower.turn()
    touched("c")
    until(lambda: not follower.turn() and "c" in dict(handler.got))

    expected = {"now": "c", "beginning": "abc", "time": "bc"}[starts]
    assert sorted(thing for thing, _ in handler.got) == list(expected)


def test_a_pattern_selects_types_and_a_class_is_not_needed(own_subscriptions):
    got = []
    subscribe(
        Subscription(
            name="test.all",
            message_types=("test.*", "notes_written"),
            function=lambda event, delivery: got.append((event, delivery.record.message_type)),
            loads=False,
        )
    )
    completed(WriteNote(tenant="acme", text="not of a type that is wanted"))
    touched("a")
    react()

    assert got == [(None, "test.touched")]


def test_an_effect_outside_the_database_is_repeated_until_it_succeeds(handler):
    seen = []

    def send(event, delivery):
        seen.append((connection.in_atomic_block, Checkpoint.objects.exclude(lease=None).count()))
        handler(event, delivery)

    subscribed(send, outside=True, backoff=(300,))
    handler.failing = {("a", 1)}
    touched("a", "b", "a")
    react()
    before = list(handler.got)
    handler.failing = set()
    let_setbacks_be_due()
    react()

    assert set(seen) == {(False, 1)}
    assert before == [("b", 1)]
    assert handler.got == [("b", 1), ("a", 1), ("a", 2)]
    assert not Setback.objects.exists()
    assert not Checkpoint.objects.exclude(lease=None).exists()


def test_a_worker_that_is_killed_between_two_attempts_leaves_none_waiting_for_nothing(handler):
    def send(event, delivery):
        if delivery.number == 2 and "a" in dying:
            raise KeyboardInterrupt
        handler(event, delivery)

    dying = set()
    subscribed(send, outside=True, partitions=1)
    handler.failing = {("a", 1)}
    touched("a", "a")
    react()
    handler.failing = set()
    let_setbacks_be_due()
    dying.add("a")
    with pytest.raises(KeyboardInterrupt):
        react()
    Checkpoint.objects.update(lease=None, leased_until=None)
    dying.clear()
    react()

    assert handler.got == [("a", 1), ("a", 2)]
    assert not Setback.objects.exists()


def test_a_lease_keeps_other_workers_away_until_it_is_over(handler):
    subscribed(handler, outside=True, partitions=1)
    touched("a")
    subscription = find("test.things")
    checkpoints.create(subscription, place=Place())
    Checkpoint.objects.update(lease=uuid4(), leased_until=Now() + timedelta(minutes=1))
    react()
    meanwhile = list(handler.got)
    Checkpoint.objects.update(leased_until=Now() - timedelta(seconds=1))
    react()

    assert (meanwhile, handler.got) == ([], [("a", 1)])


def test_an_event_is_handled_again_after_its_lease_was_lost(handler, monkeypatch):
    monkeypatch.setattr(workers, "_AFTER_FAILURE_SECONDS", 0)

    def lose(event, delivery):
        if not handler.calls:
            Checkpoint.objects.update(lease=None, leased_until=None)
        handler(event, delivery)

    subscription = subscribed(lose, outside=True, partitions=1)
    checkpoints.create(subscription, place=Place())
    touched("a")
    poll = workers.Poll(settled_horizon(), ())
    follower = workers.Tolerant([subscription], poll=lambda: poll)

    assert [follower.turn() for _ in range(3)] == [False, True, False]
    assert handler.got == [("a", 1)] * 2


class Turns:
    """A worker's stop event, which notes its pauses and ends after so many."""

    def __init__(self, most):
        self.pauses, self.most = [], most

    def is_set(self):
        return len(self.pauses) == self.most

    def wait(self, pause):
        self.pauses.append(pause)


def test_a_worker_polls_at_short_intervals_while_there_is_something_new(monkeypatch):
    """Worst case for an event: committed just after a poll, it waits for the next one."""
    now, horizons = [100.0], iter([1, 1, 2, 2, 2])
    monkeypatch.setattr(workers, "ask", lambda: Poll(Place(1, next(horizons), 0), set()))
    monkeypatch.setattr(workers, "time", SimpleNamespace(monotonic=lambda: now[0]))
    polls, turns = Polls(), Turns(5)

    def turn():
        polls.ask()
        now[0] += 0.9
        return False

    workers._repeat("test", turn, turns, SHORTEST_POLL, is_busy=polls.is_busy)

    assert [pause / SHORTEST_POLL for pause in turns.pauses] == [1, 2, 1, 2, 4]


def test_other_threads_learn_of_what_is_new_even_if_they_were_busy(monkeypatch):
    """With the longest interval a test would wait, if one of them missed it."""
    monkeypatch.setattr(workers, "LONGEST_POLL", 300)
    found = [
        Poll(Place(1, 1, 0), set()),
        Poll(Place(1, 1, 0), {("a", 0)}),
        Poll(Place(1, 2, 0), set()),
    ]
    asked = iter(found)
    monkeypatch.setattr(workers, "ask", lambda: next(asked))
    polls = Polls()
    listeners = polls.listener(), polls.listener()

    for each in found:
        polls.ask()
        assert [listen() for listen in listeners] == [each, each]


@pytest.mark.parametrize(
    "options",
    [
        {"name": ""},
        {"name": "two\nlines"},
        {"partitions": 0},
        {"partitions": 65},
        {"batch": 0},
        {"backoff": (-1,)},
        {"starts": "yesterday"},
        {"starts": datetime(2026, 1, 1)},  # noqa: DTZ001  # what is refused
        {"message_types": ()},
        {"outside": True, "dispatches": True},
    ],
)
def test_impossible_options_are_refused(options):
    with pytest.raises(ImproperlyConfigured):
        Subscription(**{"name": "test", "message_types": ("a",), "function": print, **options})


def test_a_name_is_declared_once(handler):
    subscribed(handler)
    with pytest.raises(ImproperlyConfigured):
        subscribed(Handler())


def test_two_releases_that_begin_a_subscription_agree_on_its_partitions(own_subscriptions):
    options = {"name": "test.things", "message_types": ("test.touched",), "function": print}
    declared = [Subscription(partitions=number, **options) for number in (2, 5)]
    with Crowd(2) as crowd:
        for _ in range(5):
            crowd.at_once(*(partial(checkpoints.ensure, each) for each in declared))
            stored = list(Checkpoint.objects.values_list("partitions", flat=True))
            assert len(stored) == stored[0]
            Checkpoint.objects.all().delete()
