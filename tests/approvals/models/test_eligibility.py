"""Eligible approvers: every reader names the same people, and exactly these can vote."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, Permission, User

from apikeys.commands import DisableApiKey
from approvals.decisions import notifications
from approvals.models import Policy
from approvals.pages.policy.drafts import current_settings
from approvals.pages.policy.preview import approvers_of
from approvals.people.commands import AddToGroup
from approvals.policies.commands import CreatePolicy
from approvals.policies.handlers import check_policy
from approvals.requests import listing
from audit.actors.actors import actor_for_user
from audit.messages.exceptions import Invalid
from tests.approvals.admin_pages import LIST
from tests.approvals.asking import decide
from tests.approvals.delegating import delegated
from tests.conftest import completed, member, policy

DAY = timedelta(days=1)
VIEW = Permission.objects.filter(codename="view_approvalrequest")
EVERY_TENANT = Permission.objects.filter(codename="view_every_tenant")

# What each person lacks, or has in another way; the others have all that an approver needs.
CAST = {
    "ann": {},
    "bob": {},
    "ida": {"is_active": False},
    "nora": {"is_staff": False},
    "pam": {"password": "!unusable"},
    "eve": {"permission": "none"},
    "gil": {"permission": "group"},
    "sue": {"permission": "superuser"},
    "fred": {"customer": "other"},
    "ed": {"customer": "every"},
    "otis": {"group": "other"},
    "tia": {"joined": "just now"},
    "una": {"joined": "unknown"},
    # Delegates: of an approver, of one who is too new, and of one in a group that decides nothing.
    "dele": {"group": "other", "for": "ann"},
    "dim": {"group": "other", "for": "tia"},
    "doug": {"group": "other", "for": "otis"},
}
_FLAGS = ("is_active", "is_staff", "password")
ELIGIBLE = ["ann", "bob", "ed", "gil", "sue"]
VOTERS = sorted([*ELIGIBLE, "dele"])


@pytest.fixture
def viewers():
    group = Group.objects.create(name="Viewers")
    group.permissions.set(VIEW)
    return group


@pytest.fixture
def cast(acme, globex, security, viewers):
    """The people of CAST, all as they are."""
    chess = Group.objects.create(name="Chess")
    people = {}
    for name, traits in CAST.items():
        customer = globex if traits.get("customer") == "other" else acme
        person = member(name, customer, is_staff=True)
        flags = {key: traits[key] for key in _FLAGS if key in traits}
        superuser = traits.get("permission") == "superuser"
        User.objects.filter(pk=person.pk).update(is_superuser=superuser, **flags)
        permitted = traits.get("permission", "own")
        person.user_permissions.set(VIEW if permitted == "own" else ())
        person.user_permissions.add(*(EVERY_TENANT if traits.get("customer") == "every" else ()))
        group = chess if traits.get("group") == "other" else security
        person.groups.set([viewers] if permitted == "group" else [])
        if traits.get("joined") == "unknown":
            person.groups.add(group)
        else:
            completed(AddToGroup(user_id=person.pk, group_id=group.pk))
        people[name] = User.objects.get(pk=person.pk)
    for name, traits in CAST.items():
        if delegator := people.get(traits.get("for", "")):
            delegated(delegator, people[name], groups=list(delegator.groups.all()))
    return people


@pytest.fixture
def asked(cast, security, hold, first_key, dana, context_of, owner):
    """Dana's request under a policy of long-standing members, when all but Tia are that."""
    with owner.transaction():
        owner.execute("ALTER TABLE audit_eventrecord DISABLE TRIGGER USER")
        owner.execute(
            "UPDATE audit_eventrecord SET occurred_at = occurred_at - interval '2 days'"
            " WHERE message_type = 'approvals.member_joined' AND data ->> 'user_id' <> %s",
            [str(cast["tia"].pk)],
        )
        owner.execute("ALTER TABLE audit_eventrecord ENABLE TRIGGER USER")
    policy("apikeys.disable", group=security, quorum=3, minimum_membership=DAY)
    return hold(DisableApiKey(api_key_id=first_key.id), context=context_of(dana))


def test_every_reader_names_the_people_who_can_vote(asked, cast, browser):
    page = browser(cast["ann"]).get(f"{LIST}{asked.pk}/change/")
    (need,) = page.context["needs"]
    (rule,) = approvers_of(current_settings(Policy.objects.get()))
    inboxes = [
        name
        for name, person in cast.items()
        if listing.needing_vote_of(actor_for_user(person)).exists()
    ]

    assert sorted(need.open_to) == sorted([*ELIGIBLE, "dele for ann"])
    assert sorted(inboxes) == VOTERS
    assert sorted(person.username for person in notifications.voters(asked)) == VOTERS
    assert sorted(each.username for each in notifications.remaining_voters(asked)) == VOTERS
    # The policy is one for every customer.
    assert sorted(rule.people) == sorted([*ELIGIBLE, "fred"])


@pytest.mark.parametrize("name", CAST)
def test_exactly_these_can_vote(name, asked, cast, browser):
    answer = decide(browser(cast[name]), asked, "approve")

    assert (answer.status_code == 200) == (name in VOTERS), answer.content


def test_with_single_sign_on_a_vote_needs_no_password(asked, cast, browser, configure):
    configure(SINGLE_SIGN_ON=True)

    page = browser(cast["ann"]).get(f"{LIST}{asked.pk}/change/")
    (need,) = page.context["needs"]
    (rule,) = approvers_of(current_settings(Policy.objects.get()))
    assert "pam" in need.open_to
    assert "pam" in rule.people
    assert "pam" in {each.username for each in notifications.voters(asked)}
    assert listing.needing_vote_of(actor_for_user(cast["pam"])).exists()
    assert decide(browser(cast["pam"]), asked, "approve").status_code == 200
    assert decide(browser(cast["nora"]), asked, "approve").status_code == 403


def test_an_approval_counts_while_its_voter_is_eligible(asked, cast, browser):
    for name in ("ann", "gil"):
        assert decide(browser(cast[name]), asked, "approve").status_code == 200
    cast["gil"].groups.clear()

    page = browser(cast["ann"]).get(f"{LIST}{asked.pk}/change/")

    (need,) = page.context["needs"]
    assert need.counting == ["ann"]


def test_a_policy_needs_people_who_can_vote(asked, security):
    enough = CreatePolicy(
        governs="apikeys.rotate", groups=(security.pk,), quorums=(6,), requester_may_vote=True
    )
    check_policy(enough)

    with pytest.raises(Invalid) as refusal:
        check_policy(CreatePolicy(**enough.plain() | {"quorums": (9,)}))

    (problem,) = refusal.value.errors
    # All but those who cannot sign in or view requests; some are only too new, or see others.
    assert problem.message == "“Security” has only 8 people who can approve; 9 are needed"
