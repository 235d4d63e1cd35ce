"""Groups that a proposed policy names are under the built-in policy from the proposal on."""

import pytest
from django.contrib.auth.models import Group, User

from approvals.models import ApprovalRequest, Policy
from approvals.policies import power
from approvals.policies.commands import EditPolicy
from tests.approvals.asking import decide
from tests.approvals.people_pages import confirmed
from tests.conftest import held, new_approver, policy
from tests.http import call
from tests.tampering import let_time_pass

USERS = "/admin/auth/user/"


@pytest.fixture
def ops(acme):
    """A group of three that no policy uses, with Pia, Paul and Peg in it."""
    group = Group.objects.create(name="Ops")
    for name in ("pia", "paul", "peg"):
        new_approver(name, acme, groups=[group])
    return group


@pytest.fixture
def olga(policy_owners):
    """A policy owner who may manage policies."""
    return policy_owners[0]


@pytest.fixture
def otto(policy_owners):
    """Another policy owner."""
    return policy_owners[1]


def propose(browser, manager):
    """Propose over HTTP that two of Ops approve each rotation."""
    body = {"governs": "apikeys.rotate", "rules": [{"group": "Ops", "quorum": 2}]}
    answer = call(browser(manager), "POST", "/api/v2/policies", body)
    assert answer.status_code == 202, answer.content
    return ApprovalRequest.objects.get(command_id=answer["Command-Id"])


def joins(browser, manager, person, group):
    """Ask for a person to join a group; return True if that happened without approval."""
    confirmed(browser(manager), f"{USERS}{person.pk}/ask/", {"verb": "join", "group": group.pk})
    return group.user_set.contains(person)


def test_nothing_is_read_about_proposals_for_a_person_without_groups(
    ops, dana, iris, manager, olga, browser, django_assert_num_queries
):
    propose(browser, manager)
    iris.groups.add(ops)
    dana.groups.clear()

    # Of each page, while a second factor is required of approvers.
    with django_assert_num_queries(3):
        assert not power.decides(dana.pk)
    assert power.decides(iris.pk)


def test_people_of_a_proposed_group_change_only_with_two_owners(ops, iris, manager, olga, browser):
    assert joins(browser, manager, iris, ops)

    propose(browser, manager)

    assert not joins(browser, manager, manager, ops)
    request = ApprovalRequest.objects.get(message_type="approvals.add_to_group")
    assert [rule["group"] for rule in request.requirements["rules"]] == ["Policy owners"]


def test_members_of_a_proposed_group_are_protected(ops, manager, olga, browser):
    propose(browser, manager)
    pia = User.objects.get(username="pia")

    confirmed(browser(manager), f"{USERS}{pia.pk}/ask/", {"verb": "deactivate"})

    assert User.objects.get(username="pia").is_active


def test_a_proposed_edit_protects_its_groups_as_well(
    ops, disabling_needs_two, iris, manager, olga, context_of, browser
):
    made = Policy.objects.get()
    edit = EditPolicy(policy_id=made.pk, governs=made.governs, groups=(ops.pk,), quorums=(2,))

    held(edit, context=context_of(manager))

    assert not joins(browser, manager, iris, ops)


@pytest.mark.parametrize("end", ["deny", "withdraw"])
def test_a_group_is_released_when_the_proposal_ends(end, ops, iris, manager, olga, browser):
    request = propose(browser, manager)

    who = manager if end == "withdraw" else olga
    assert decide(browser(who), request, end, comment="No").status_code == 200

    assert joins(browser, manager, iris, ops)


def test_a_group_is_released_when_the_proposal_expires(ops, iris, manager, olga, owner, browser):
    let_time_pass(owner, propose(browser, manager))

    assert joins(browser, manager, iris, ops)


def test_a_waiting_change_of_a_group_comes_under_the_owners_with_the_proposal(
    ops, security, ann, bob, iris, manager, olga, otto, browser
):
    policy("approvals.add_to_group", group=security, quorum=1)
    assert not joins(browser, manager, iris, ops)
    waiting = ApprovalRequest.objects.get()
    propose(browser, manager)

    first = decide(browser(ann), waiting, "approve").json()

    assert first["state"] == "pending"
    assert [each["group"] for each in first["requirements"]] == ["Security", "Policy owners"]
    decide(browser(olga), waiting, "approve")
    assert decide(browser(otto), waiting, "approve").json()["state"] == "executed"
    assert ops.user_set.contains(iris)
