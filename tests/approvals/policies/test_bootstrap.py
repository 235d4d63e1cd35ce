"""The first owners: named once, from a shell, as one recorded command."""

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command

from approvals.models import Policy
from approvals.policies.bootstrap import Bootstrap
from audit.bus.dispatch import dispatch
from audit.messages.exceptions import Forbidden
from audit.models.records import CommandRecord, EventRecord
from tests.conftest import actor, member

OWNERS = ("--owner", "ann", "--owner", "bob", "--owner", "carol")


@pytest.fixture
def cast(acme, ann, bob):
    """Ann and Bob of Security, and Carol."""
    return [ann, bob, member("carol", acme)]


def owners():
    return sorted(
        Group.objects.get(name="Policy owners").user_set.values_list("username", flat=True)
    )


def test_it_names_owners_and_policies_as_one_recorded_command(cast):
    call_command("approvals_bootstrap", *OWNERS, "--policy", "apikeys.disable:Security:2")

    record = CommandRecord.objects.get(message_type="approvals.bootstrap")
    assert (record.status, record.channel, record.actor_kind) == (
        "succeeded",
        "management",
        "system",
    )
    assert owners() == ["ann", "bob", "carol"]
    policy = Policy.objects.get()
    rule = policy.rules.get()
    assert (policy.governs, rule.group.name, rule.quorum) == ("apikeys.disable", "Security", 2)
    told = EventRecord.objects.filter(command_id=record.command_id).order_by("position")
    types = [event.message_type for event in told]
    assert types[0] == "approvals.group_created"
    assert types.count("approvals.member_joined") == 3
    assert types[-1] == "approvals.policy_created"


def test_it_works_once(cast, acme):
    call_command("approvals_bootstrap", *OWNERS)
    member("dave", acme)

    with pytest.raises(CommandError, match="only they can add more"):
        call_command("approvals_bootstrap", *OWNERS, "--owner", "dave")

    assert owners() == ["ann", "bob", "carol"]
    assert CommandRecord.objects.latest("position").error_code == "already_owned"


def test_it_works_again_when_no_owner_is_active_and_inactive_ones_stay_out(cast, acme):
    call_command("approvals_bootstrap", *OWNERS)
    User.objects.filter(username__in=("ann", "bob", "carol")).update(is_active=False)
    for name in ("xena", "yuri", "zoe"):
        member(name, acme)

    call_command("approvals_bootstrap", "--owner", "xena", "--owner", "yuri", "--owner", "zoe")

    assert owners() == ["xena", "yuri", "zoe"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (OWNERS[:4], "at least 3 people"),
        (("--owner", "ann", "--owner", "ann", "--owner", "ann"), "at least 3 people"),
        ((*OWNERS, "--owner", "nobody"), "nobody"),
        ((*OWNERS, "--policy", "apikeys.disable"), "apikeys.disable:Security:2"),
        ((*OWNERS, "--policy", "apikeys.disable:Nobody:2"), "Nobody"),
        ((*OWNERS, "--policy", "apikeys.disable:Security:9"), "Security"),
        ((*OWNERS, "--policy", "no.such_command:Security:1"), "no.such_command"),
    ],
)
def test_what_would_not_do_is_refused_in_words_and_changes_nothing(arguments, words, cast):
    with pytest.raises(CommandError, match=words):
        call_command("approvals_bootstrap", *arguments)

    assert not Group.objects.filter(name="Policy owners").exists()
    assert not Policy.objects.exists()
    assert CommandRecord.objects.get(message_type="approvals.bootstrap").status == "refused"


def test_not_even_a_superuser_does_it_but_through_the_shell(cast, context_of):
    User.objects.filter(username="ann").update(is_superuser=True)
    context = context_of(User.objects.get(username="ann"))

    with pytest.raises(Forbidden):
        dispatch(Bootstrap(owners=("ann", "bob", "carol")), context=context)

    assert "approvals.bootstrap" not in actor(User.objects.get(username="ann")).permissions
