"""Relays publish each event once and in order, wait for their broker, and delay no one else."""

import json
import threading
from dataclasses import replace

import pytest
from django.core.exceptions import ImproperlyConfigured

from audit.bus.dispatch import dispatch
from audit.domain import relays
from audit.log.cloudevents import EventColumns
from audit.messages.exceptions import Invalid
from audit.models.records import EventRecord
from audit.models.subscriptions import Checkpoint, Setback
from audit.reactions import checkpoints, workers
from audit.reactions.commands import (
    PauseSubscription,
    RepartitionSubscription,
    ResumeSubscription,
    SkipSetback,
)
from audit.reactions.declarations import find, reacts_to
from audit.reactions.deliveries import delivery_of
from audit.reactions.outside import LeaseLost, OutsidePartition
from audit.reactions.relays import checks
from audit.testing import check_broker, check_fence, check_unreachable, react
from audit.webhooks.sending import bodies
from tests.audit.reactions.relays.memory import MemoryBroker, Stream
from tests.audit.reactions.things import Touched, let_setbacks_be_due, settled_horizon, touched
from tests.conftest import AS_SYSTEM, completed

NAME = "test.relay"
BACKEND = "tests.audit.reactions.relays.memory.MemoryBroker"


@pytest.fixture
def stream(configure):
    """What the broker of the test has stored."""
    made = Stream()
    configure(BROKERS={"events": {"BACKEND": BACKEND, "OPTIONS": {"stream": made}}})
    return made


def relayed(event, delivery):
    return event


@pytest.fixture
def relay(own_subscriptions, stream):
    relays("test.*", name=NAME, to="events")(relayed)
    return find(NAME)


def things(stream):
    return [each.key.removeprefix("thing:") for each in stream.events]


def test_the_broker_in_memory_meets_the_obligations():
    stream = Stream()
    down = Stream()
    down.is_down = True

    def connect():
        return MemoryBroker(stream)

    check_broker(connect, stored=stream.ids)
    check_fence(connect, stored=stream.ids)
    check_unreachable(MemoryBroker(down))


def test_events_are_published_as_full_webhooks_are(relay, stream):
    touched("a", "b", "a")
    react()

    stored = EventRecord.objects.order_by("position")
    assert stream.ids() == [each.id for each in stored]
    for event, record in zip(stream.events, stored, strict=True):
        columns = EventColumns(*(getattr(record, name) for name in EventColumns._fields))
        assert event.body == bodies.body(columns, payload="full")
        assert (event.message_type, event.tenant, event.relay) == ("test.touched", "", NAME)
        assert event.key == f"thing:{record.subject_id}"
        assert event.content_type == "application/cloudevents+json; charset=utf-8"
    assert (Checkpoint.objects.get().handled, stream.calls) == (3, 2)


def test_a_function_changes_an_event_or_leaves_it_out(own_subscriptions, stream):
    @relays(Touched, name=NAME, to="events")
    def public(event, delivery):
        if delivery.subject_id == "secret":
            return None
        return {**event, "data": {}}

    touched("secret", "a", "secret", "b", "secret")
    react()

    assert things(stream) == ["a", "b"]
    assert all(json.loads(each.body)["data"] == {} for each in stream.events)
    assert Checkpoint.objects.get().handled == 5


def test_a_batch_continues_after_what_was_acknowledged(relay, stream):
    touched(*"abcabc")
    stream.accepts = 4
    follower = workers.Follower([relay], poll=lambda: workers.Poll(settled_horizon(), ()))
    checkpoints.create(relay, place=checkpoints.Place())
    done = [follower.turn()]
    handled = Checkpoint.objects.get().handled
    stream.accepts = 9
    done.append(follower.turn())

    assert (done, handled, things(stream)) == ([True, True], 4, list("abcabc"))
    assert not Setback.objects.exists()


def test_an_outage_sets_one_event_aside_and_the_others_wait_for_it(relay, stream):
    touched(*"abca")
    stream.is_down = True
    react()
    first = Setback.objects.get()
    calls = stream.calls
    touched("d")
    react()

    assert (first.subject_id, first.state, first.attempts) == ("a", "retrying", 1)
    assert (first.error_code, first.error) == ("BrokerUnavailable", "unreachable")
    assert stream.calls == calls
    # It is never parked, and its pauses do not grow beyond the last one.
    for attempt in range(2, 12):
        let_setbacks_be_due()
        react()
        first.refresh_from_db()
        assert (first.state, first.attempts) == ("retrying", attempt)
    stream.is_down = False
    let_setbacks_be_due()
    react()

    assert things(stream) == list("abcad")
    assert not Setback.objects.exists()


def test_others_wait_also_for_what_another_worker_sets_aside_meanwhile(relay, stream, monkeypatch):
    """Otherwise the event would seem to be stored once others were, and would be lost."""
    touched(*"abc")
    checkpoints.create(relay, place=checkpoints.Place())
    poll = workers.Poll(settled_horizon(), ())
    slow, fast = (workers.Follower([relay], poll=lambda: poll) for _ in range(2))
    step = OutsidePartition.step

    def fail_first(self, horizon):
        monkeypatch.setattr(OutsidePartition, "step", step)
        stream.is_down = True
        fast.turn()
        stream.is_down = False
        return step(self, horizon)

    monkeypatch.setattr(OutsidePartition, "step", fail_first)
    slow.turn()
    let_setbacks_be_due()
    react()

    assert things(stream) == list("abc")


def test_nothing_is_published_twice_after_the_window_of_the_broker(relay, stream):
    """The broker has stored what it did not acknowledge, and has forgotten the ids."""
    touched(*"abc")
    stream.loses_acknowledgments = True
    react()
    stored = things(stream)
    stream.loses_acknowledgments = stream.is_down = False
    stream.recognized.clear()
    touched("d")
    let_setbacks_be_due()
    react()

    assert (stored, things(stream)) == (list("abc"), list("abcd"))
    assert not Setback.objects.exists()
    assert Checkpoint.objects.get().handled == 4


def test_nothing_is_published_twice_after_a_worker_was_killed(relay, stream, monkeypatch):
    """It is killed before it moves the checkpoint, and the broker has forgotten the ids."""
    touched(*"abc")
    with monkeypatch.context() as context:

        def die(*_, **__):
            raise KeyboardInterrupt

        context.setattr("audit.reactions.relays.partitions.RelayPartition._renew", die)
        with pytest.raises(KeyboardInterrupt):
            react()
    Checkpoint.objects.update(lease=None, leased_until=None)
    stream.recognized.clear()
    touched("d")
    react()

    assert things(stream) == list("abcd")


def test_what_another_relay_has_stored_does_not_count(relay, stream):
    touched(*"ab")
    last = EventRecord.objects.latest("position")
    other = MemoryBroker(stream)
    other.resume("another")
    other.publish([relay.relayed(delivery_of(last, attempt=1))._replace(relay="another")])
    stream.recognized.clear()
    react()

    assert things(stream) == ["b", "a", "b"]


def test_an_event_that_the_broker_refuses_holds_up_its_subject_only(relay, stream):
    touched(*"abab")
    stream.too_large = {EventRecord.objects.get(subject_id="a", number=1).id}
    react()
    for _ in range(5):
        let_setbacks_be_due()
        react()
    parked = Setback.objects.get(state="parked")

    assert things(stream) == ["b", "b"]
    assert (parked.error_code, parked.error, parked.attempts) == ("EventRefused", "too large", 6)
    skip = SkipSetback(subscription=NAME, about_type="thing", about_id="a", number=1)
    dispatch(skip, context=replace(AS_SYSTEM, reason="too large for everyone"))
    react()

    assert parked.subject_id == "a"
    assert things(stream) == ["b", "b", "a"]


def test_an_event_for_which_the_function_fails_holds_up_its_subject_only(own_subscriptions, stream):
    failing = {"a"}

    @relays(Touched, name=NAME, to="events")
    def sometimes(event, delivery):
        if delivery.subject_id in failing:
            raise RuntimeError("it fails")
        return event

    touched(*"bacab")
    react()
    before = things(stream)
    failing.clear()
    let_setbacks_be_due()
    react()

    assert (before, things(stream)) == (["b", "c", "b"], ["b", "c", "b", "a", "a"])


def test_an_outage_at_an_attempt_loses_nothing_although_later_events_are_stored(
    own_subscriptions, stream
):
    """They came before the attempt, and not in the same batch: so they say nothing about it."""
    failing = {"a"}

    @relays(Touched, name=NAME, to="events")
    def sometimes(event, delivery):
        if delivery.subject_id in failing:
            raise RuntimeError("it fails")
        return event

    touched(*"ab")
    react()
    failing.clear()
    stream.is_down = True
    let_setbacks_be_due()
    react()
    stream.is_down = False
    let_setbacks_be_due()
    react()

    assert things(stream) == ["b", "a"]
    assert not Setback.objects.exists()


def test_an_attempt_without_an_acknowledgment_is_not_repeated(own_subscriptions, stream):
    """The broker has stored the event, and has forgotten its id."""
    failing = {"a"}

    @relays(Touched, name=NAME, to="events")
    def sometimes(event, delivery):
        if delivery.subject_id in failing:
            raise RuntimeError("it fails")
        return event

    touched(*"ab")
    react()
    failing.clear()
    stream.loses_acknowledgments = True
    let_setbacks_be_due()
    react()
    stream.loses_acknowledgments = stream.is_down = False
    stream.recognized.clear()
    let_setbacks_be_due()
    react()

    assert things(stream) == ["b", "a"]
    assert not Setback.objects.exists()


def test_a_worker_that_has_lost_its_lease_publishes_nothing(relay, stream):
    """It has read the end of the stream before another worker published, and continues later."""
    touched(*"ab")
    stream.recognized.clear()
    checkpoints.create(relay, place=checkpoints.Place())
    poll = workers.Poll(settled_horizon(), ())
    slow, fast = (workers.Follower([relay], poll=lambda: poll) for _ in range(2))
    entered = []

    def take_over(event, delivery):
        if not entered:
            entered.append(delivery)
            Checkpoint.objects.update(lease=None, leased_until=None)
            assert fast.turn()
            stream.recognized.clear()
        return event

    object.__setattr__(relay, "function", take_over)
    with pytest.raises(LeaseLost):
        slow.turn()

    assert things(stream) == ["a", "b"]


def test_pausing_stops_a_relay_and_resuming_continues_it(relay, stream):
    touched("a")
    react()
    completed(PauseSubscription(subscription=NAME))
    touched("b")
    react()
    before = things(stream)
    completed(ResumeSubscription(subscription=NAME))
    react()

    assert (before, things(stream)) == (["a"], ["a", "b"])


def test_a_broker_that_hangs_delays_no_other_subscription(relay, stream, monkeypatch):
    entered, released, counted = threading.Event(), threading.Event(), threading.Event()

    def hang(broker, relay):
        entered.set()
        assert released.wait(60)

    monkeypatch.setattr(MemoryBroker, "resume", hang)
    reacts_to(Touched, name="test.counts", starts="beginning")(lambda *_: counted.set())
    object.__setattr__(relay, "starts", "beginning")
    stop = threading.Event()
    worker = threading.Thread(target=workers.work, kwargs={"stop": stop})
    worker.start()
    try:
        touched("a")
        assert entered.wait(60)
        assert counted.wait(60)
    finally:
        stop.set()
        released.set()
        worker.join()


def test_wrong_declarations_are_reported(own_subscriptions, configure):
    configure(
        BROKERS={
            "missing": {"BACKEND": "nowhere.Broker"},
            "shared": {"BACKEND": BACKEND, "OPTIONS": {}},
        }
    )
    for name, to in (("a", "unknown"), ("b", "missing"), ("c", "shared"), ("d", "shared")):
        relays("test.*", name=name, to=to)(relayed)

    found = {each.id: each.msg for each in checks.check_brokers()}

    assert sorted(found) == ["audit.E021", "audit.E022", "audit.E023"]
    assert "'unknown'" in found["audit.E021"]
    assert "'nowhere.Broker'" in found["audit.E022"]
    assert "c, d" in found["audit.E023"]


def test_a_relay_has_one_partition(relay, stream):
    touched("a")
    react()

    with pytest.raises(Invalid):
        dispatch(RepartitionSubscription(subscription=NAME, partitions=2), context=AS_SYSTEM)


def test_a_relay_has_a_name_and_types(own_subscriptions):
    with pytest.raises(ImproperlyConfigured):
        relays(name=NAME, to="events")(relayed)
