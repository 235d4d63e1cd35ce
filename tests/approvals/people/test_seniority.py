"""How long somebody has to have been in a group before approving for it."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, User

from apikeys.commands import DisableApiKey
from approvals.models import Vote
from approvals.models.refusals import TooNew
from approvals.people.commands import AddToGroup
from approvals.people.events import MemberJoined, MemberLeft
from tests.conftest import completed, create_key, new_approver, policy
from tests.probes import deed, to

DAY = timedelta(days=1)


@pytest.fixture
def newly_joined(security, ann, bob):
    """Ann and Bob, whom commands made members just now."""
    for person in (ann, bob):
        join(person, security)
    return ann, bob


@pytest.fixture
def waiting(newly_joined, hold, first_key, dana, security, context_of):
    """What two people approve who have been in Security for a day."""
    policy("apikeys.disable", group=security, quorum=2, minimum_membership=DAY)
    return hold(DisableApiKey(api_key_id=first_key.id), context=context_of(dana))


def join(person, group):
    person.groups.remove(group)
    completed(AddToGroup(user_id=person.pk, group_id=group.pk))


def let_days_pass(owner, *, days):
    """Move every membership into the past."""
    with owner.transaction():
        owner.execute("ALTER TABLE audit_eventrecord DISABLE TRIGGER USER")
        owner.execute(
            "UPDATE audit_eventrecord SET occurred_at = occurred_at - %s"
            " WHERE message_type = 'approvals.member_joined'",
            [days * DAY],
        )
        owner.execute("ALTER TABLE audit_eventrecord ENABLE TRIGGER USER")


def test_who_joined_just_now_does_not_vote(waiting, ann, approve):
    with pytest.raises(TooNew):
        approve(waiting, ann)

    assert not Vote.objects.exists()


def test_who_has_been_there_long_enough_does(waiting, ann, bob, approve, owner):
    let_days_pass(owner, days=2)
    approve(waiting, ann)

    assert approve(waiting, bob).state == "executed"


@deed
def have_ann_leave_and_come_back(command, context):
    """As the owners of the policies might have let her, past the floor policy."""
    ann, security = User.objects.get(username="ann"), Group.objects.get(name="Security")
    context.emit(MemberLeft(group_id=security.pk, user_id=ann.pk))
    context.emit(MemberJoined(group_id=security.pk, user_id=ann.pk))


def test_a_member_who_leaves_and_returns_no_longer_counts(
    waiting, dana, acme, ann, bob, approve, owner
):
    let_days_pass(owner, days=2)
    approve(waiting, ann)
    # It is about another subject than the request.
    other = create_key(dana, acme, name="other")
    completed(to(have_ann_leave_and_come_back, other.id))

    assert approve(waiting, bob).state == "pending"


def test_whom_no_command_made_a_member_is_new(waiting, acme, security, approve, owner):
    let_days_pass(owner, days=2)
    carol = new_approver("carol", acme, groups=[security])

    with pytest.raises(TooNew):
        approve(waiting, carol)
