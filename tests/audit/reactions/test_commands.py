"""Commands about subscriptions: recorded, permitted, and held where a policy says so."""

from functools import partial

import pytest
from django.contrib.auth.models import Permission, User

from apikeys.commands import AddMember
from audit.actors.actors import SYSTEM, actor_for_user
from audit.bus.context import Context
from audit.bus.dispatch import dispatch
from audit.messages.exceptions import CommandError, Forbidden, Invalid, NotFound
from audit.messages.outcomes import Completed
from audit.models.records import CommandRecord
from audit.models.subscriptions import Checkpoint, Setback
from audit.reactions import setbacks, workers
from audit.reactions.administration import repartitioning
from audit.reactions.administration.handlers import (
    NotFirstSetback,
    PartitionsUnchanged,
    SubscriptionUnchanged,
)
from audit.reactions.administration.repartitioning import PartitionsFarApart
from audit.reactions.checkpoints import Slot
from audit.reactions.commands import (
    PauseSubscription,
    RepartitionSubscription,
    RequeueSetback,
    ResumeSubscription,
    SkipSetback,
)
from audit.reactions.partitions import Partition
from audit.testing import react
from tests.audit.reactions.things import let_setbacks_be_due, settled_horizon, subscribed, touched
from tests.conftest import AS_SYSTEM, approved, completed, held, policy
from tests.threads import ROUNDS, Crowd

NAME = "test.things"
BECAUSE = Context(actor=SYSTEM, reason="Its customer is gone")


def of_event(command, number=1, thing="a"):
    return command(subscription=NAME, about_type="thing", about_id=thing, number=number)


def state():
    """Return all that is stored of subscriptions."""
    setbacks = Setback.objects.order_by("subject_id", "number").values()
    return list(setbacks), list(Checkpoint.objects.order_by("name", "partition").values())


@pytest.fixture
def parked(handler):
    """The first event of a thing is parked, and the second one waits."""
    subscribed(handler, backoff=())
    handler.failing = {("a", 1)}
    touched("a", "a")
    react()
    handler.failing = set()


def test_a_paused_subscription_handles_nothing_until_it_is_resumed(handler):
    subscribed(handler)
    react()
    completed(PauseSubscription(subscription=NAME))
    touched("a")
    react()
    while_paused = list(handler.got)
    completed(ResumeSubscription(subscription=NAME))
    react()

    assert (while_paused, handler.got) == ([], [("a", 1)])
    types = CommandRecord.objects.filter(subject_type="subscription", subject_id=NAME)
    assert sorted(types.values_list("message_type", flat=True)) == [
        "audit.pause_subscription",
        "audit.resume_subscription",
    ]


def test_a_parked_event_is_attempted_again(parked, handler):
    completed(of_event(RequeueSetback))
    react()

    assert handler.got == [("a", 1), ("a", 2)]
    assert not Setback.objects.exists()


def test_an_event_is_skipped_with_a_reason_only_and_those_behind_it_continue(parked, handler):
    with pytest.raises(Invalid):
        dispatch(of_event(SkipSetback), context=AS_SYSTEM)
    completed(of_event(SkipSetback), context=BECAUSE)
    react()

    assert handler.got == [("a", 2)]
    record = CommandRecord.objects.get(message_type="audit.skip_setback", status="succeeded")
    assert (record.reason, record.data["number"]) == ("Its customer is gone", 1)


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (PauseSubscription(subscription="unknown"), NotFound),
        (ResumeSubscription(subscription=NAME), SubscriptionUnchanged),
        (of_event(RequeueSetback, number=7), NotFound),
        (of_event(RequeueSetback, number=2), NotFirstSetback),
        (of_event(SkipSetback, number=2), NotFirstSetback),
    ],
)
def test_what_cannot_be_done_is_refused_and_recorded(parked, command, error):
    before = state()

    with pytest.raises(error):
        dispatch(command, context=Context(actor=SYSTEM, reason="A test"))

    assert state() == before
    assert CommandRecord.objects.latest("position").status == "refused"


def test_only_a_person_with_the_permission_and_every_customer_manages_subscriptions(parked, acme):
    mia = User.objects.create_user("mia")
    with pytest.raises(Forbidden):
        dispatch(PauseSubscription(subscription=NAME), context=Context(actor=actor_for_user(mia)))
    mia.user_permissions.add(Permission.objects.get(codename="manage_subscriptions"))
    completed(AddMember(customer_id=acme.pk, user_id=mia.pk))
    mia = User.objects.get(pk=mia.pk)
    with pytest.raises(CommandError):
        dispatch(PauseSubscription(subscription=NAME), context=Context(actor=actor_for_user(mia)))
    mia.user_permissions.add(Permission.objects.get(codename="view_every_tenant"))
    mia = User.objects.get(pk=mia.pk)

    completed(PauseSubscription(subscription=NAME), context=Context(actor=actor_for_user(mia)))

    assert {each.state for each in Checkpoint.objects.all()} == {"paused"}


def test_a_subscription_is_paused_once_by_two_people_at_once(handler):
    subscribed(handler)
    react()
    with Crowd(2) as crowd:
        for change in (PauseSubscription, ResumeSubscription) * (ROUNDS // 4):
            send = partial(dispatch, change(subscription=NAME), context=AS_SYSTEM)
            outcomes = crowd.at_once(send, send)

            assert {type(each) for each in outcomes} == {Completed, SubscriptionUnchanged}


def test_an_event_is_skipped_once_by_two_people_at_once(handler):
    things = [f"t{each}" for each in range(ROUNDS // 2)]
    subscribed(handler, backoff=())
    handler.failing = {(each, 1) for each in things}
    touched(*things)
    react()
    with Crowd(2) as crowd:
        for each in things:
            send = partial(dispatch, of_event(SkipSetback, thing=each), context=BECAUSE)
            outcomes = crowd.at_once(send, send)

            assert {type(each) for each in outcomes} == {Completed, NotFound}


def test_subscription_commands_can_be_held(parked, handler, security, ann, bob):
    policy("audit.skip_setback", group=security, quorum=2)
    request = held(of_event(SkipSetback), context=BECAUSE)
    react()
    before = list(handler.got)
    approved(request, ann, bob)
    react()

    assert (before, handler.got) == ([], [("a", 2)])


THINGS = [f"thing {number}" for number in range(12)]


@pytest.fixture
def uneven(handler):
    """Three partitions, of which only the first has handled anything, and has a setback."""
    subscription = subscribed(handler, partitions=3)
    react()
    touched(*THINGS, *THINGS)
    handler.failing = {(each, 1) for each in THINGS}
    first, horizon = Partition(subscription, Slot(NAME, 0, 3)), settled_horizon()
    while first.step(horizon):
        pass
    handler.failing = set()
    return subscription


def assert_each_once_and_in_order(handler):
    assert sorted(handler.got) == sorted((each, number) for each in THINGS for number in (1, 2))
    for each in THINGS:
        assert [number for thing, number in handler.got if thing == each] == [1, 2]


@pytest.mark.parametrize("partitions", [1, 2, 5])
def test_another_number_of_partitions_loses_repeats_and_reorders_nothing(
    uneven, handler, partitions
):
    stale = Partition(uneven, Slot(NAME, 1, 3))
    completed(RepartitionSubscription(subscription=NAME, partitions=partitions))

    assert stale.step(settled_horizon()) == stale.retry() == 0
    stored = Checkpoint.objects.filter(name=NAME).values_list("partition", "partitions")
    assert sorted(stored) == [(number, partitions) for number in range(partitions)]
    assert {each.partition for each in Setback.objects.all()} <= set(range(partitions))
    let_setbacks_be_due()
    react()
    assert_each_once_and_in_order(handler)
    touched("thing 0")
    react()
    assert handler.got[-1] == ("thing 0", 3)


def test_a_worker_continues_with_the_new_partitions(uneven, handler, monkeypatch):
    monkeypatch.setattr(workers, "LOOK_SECONDS", 0.0)
    poll = workers.Poll(settled_horizon(), ())
    follower = workers.Tolerant([uneven], poll=lambda: poll)
    follower.turn()
    for partitions in (5, 2, 3):
        completed(RepartitionSubscription(subscription=NAME, partitions=partitions))
        touched("thing 1")
        let_setbacks_be_due()
        poll = workers.Poll(settled_horizon(), setbacks.due())
        while follower.turn():
            pass

    assert len([each for each in handler.got if each[0] == "thing 1"]) == 5
    assert not Setback.objects.exists()


def test_numbers_that_cannot_be_are_refused(uneven, monkeypatch):
    before = state()
    for partitions in (0, 65):
        with pytest.raises(Invalid):
            completed(RepartitionSubscription(subscription=NAME, partitions=partitions))
    with pytest.raises(PartitionsUnchanged):
        completed(RepartitionSubscription(subscription=NAME, partitions=3))
    with pytest.raises(NotFound):
        completed(RepartitionSubscription(subscription="test.none", partitions=3))
    monkeypatch.setattr(repartitioning, "MOST_BETWEEN", 1)
    with pytest.raises(PartitionsFarApart):
        completed(RepartitionSubscription(subscription=NAME, partitions=5))

    assert state() == before
