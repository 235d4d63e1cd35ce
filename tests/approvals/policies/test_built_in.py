"""The floor: two owners of the policies stand before whatever could undo approvals."""

import pytest
from django.contrib.auth.models import Group, User

from apikeys.commands import DisableApiKey
from approvals.models import ApprovalRequest, Policy
from approvals.people.commands import (
    AddToGroup,
    CreateGroup,
    DeleteGroup,
    DeleteUser,
    GrantGroupPermission,
    GrantPermission,
    RemoveFromGroup,
    RenameGroup,
    RequirePasswordReset,
    ResetSecondFactor,
    RevokePermission,
    SendPasswordLink,
    SetAccountStatus,
    SetAdminAccess,
    SetSuperuserStatus,
)
from approvals.policies.built_in import NoPolicyOwners
from approvals.policies.commands import CreatePolicy, DisablePolicy, EditPolicy
from approvals.policies.evaluation import Unsatisfiable
from audit.bus.dispatch import dispatch
from audit.models.records import CommandRecord
from tests.conftest import AS_SYSTEM, approved, completed, held, member, policy


def are_the_floors(request):
    """The request waits for two of Policy owners and for nobody else."""
    rules = [(rule["group"], rule["quorum"]) for rule in request.requirements["rules"]]
    return rules == [("Policy owners", 2)]


@pytest.fixture
def chess(db):
    """A group that no policy uses."""
    return Group.objects.create(name="Chess")


def test_creating_a_policy_waits_for_two_owners(security, ann, manager, policy_owners, context_of):
    command = CreatePolicy(governs="apikeys.disable", groups=(security.pk,), quorums=(1,))

    request = held(command, context=context_of(manager))

    assert are_the_floors(request)
    assert not Policy.objects.exists()
    olga, otto, _ = policy_owners
    assert approved(request, olga).state == "pending"
    assert approved(request, otto).state == "executed"
    assert Policy.objects.get().governs == "apikeys.disable"


def test_editing_and_disabling_a_policy_wait_for_two_owners(
    disabling_needs_two, security, manager, policy_owners, context_of
):
    made = Policy.objects.get()
    edit = EditPolicy(policy_id=made.pk, governs=made.governs, groups=(security.pk,), quorums=(1,))

    assert are_the_floors(held(edit, context=context_of(manager)))
    assert are_the_floors(held(DisablePolicy(policy_id=made.pk), context=context_of(manager)))
    assert Policy.objects.get().is_enabled


def test_the_built_in_policy_applies_to_the_system_as_well(disabling_needs_two, policy_owners):
    assert are_the_floors(held(DisablePolicy(policy_id=Policy.objects.get().pk)))


def test_without_owners_nothing_of_it_is_possible_and_the_refusal_says_what_to_do(
    disabling_needs_two, dana, security
):
    with pytest.raises(NoPolicyOwners, match="approvals_bootstrap"):
        dispatch(AddToGroup(user_id=dana.pk, group_id=security.pk), context=AS_SYSTEM)

    record = CommandRecord.objects.get(message_type="approvals.add_to_group")
    assert (record.status, record.error_code) == ("refused", "no_policy_owners")
    assert not security.user_set.contains(dana)


def test_two_owners_besides_the_requester_are_required(
    disabling_needs_two, policy_owners, context_of
):
    olga, otto, _ = policy_owners
    User.objects.filter(pk=otto.pk).update(is_active=False)

    with pytest.raises(Unsatisfiable, match="Policy owners"):
        dispatch(DisablePolicy(policy_id=Policy.objects.get().pk), context=context_of(olga))


def test_an_owner_does_not_approve_an_own_request(disabling_needs_two, policy_owners, context_of):
    olga, otto, petra = policy_owners
    request = held(DisablePolicy(policy_id=Policy.objects.get().pk), context=context_of(olga))

    assert approved(request, otto).state == "pending"
    assert approved(request, petra).state == "executed"


def test_membership_of_a_group_that_a_policy_uses_waits_for_two_owners(
    disabling_needs_two, dana, security, ann, manager, policy_owners, context_of
):
    joining = held(AddToGroup(user_id=dana.pk, group_id=security.pk), context=context_of(manager))
    leaving = held(
        RemoveFromGroup(user_id=ann.pk, group_id=security.pk), context=context_of(manager)
    )

    assert are_the_floors(joining)
    assert are_the_floors(leaving)
    assert not security.user_set.contains(dana)
    assert approved(joining, *policy_owners[:2]).state == "executed"
    assert security.user_set.contains(dana)


def test_membership_of_the_owners_waits_for_two_owners(dana, manager, policy_owners, context_of):
    owners = Group.objects.get(name="Policy owners")
    command = AddToGroup(user_id=dana.pk, group_id=owners.pk)

    assert are_the_floors(held(command, context=context_of(manager)))


def test_membership_of_a_group_that_nothing_uses_changes_at_once(
    chess, dana, manager, policy_owners, context_of
):
    completed(AddToGroup(user_id=dana.pk, group_id=chess.pk), context=context_of(manager))
    assert chess.user_set.contains(dana)

    completed(RemoveFromGroup(user_id=dana.pk, group_id=chess.pk), context=context_of(manager))
    assert not chess.user_set.contains(dana)


def test_a_group_stays_guarded_while_a_request_waits_for_it(
    disabling_needs_two, first_key, dana, security, manager, policy_owners, context_of
):
    waiting = held(DisableApiKey(api_key_id=first_key.id), context=context_of(dana))
    disabling = DisablePolicy(policy_id=Policy.objects.get().pk)
    approved(held(disabling, context=context_of(manager)), *policy_owners[:2])
    joining = AddToGroup(user_id=manager.pk, group_id=security.pk)

    assert not Policy.objects.get().is_enabled
    assert are_the_floors(held(joining, context=context_of(manager)))
    assert ApprovalRequest.objects.get(pk=waiting.pk).state == "pending"


@pytest.mark.parametrize(
    "change",
    [
        lambda user: SetAccountStatus(user_id=user.pk, is_active=False),
        lambda user: SetAdminAccess(user_id=user.pk, is_staff=False),
        lambda user: SetSuperuserStatus(user_id=user.pk, is_superuser=True),
        lambda user: DeleteUser(user_id=user.pk),
        lambda user: RequirePasswordReset(user_id=user.pk),
        lambda user: SendPasswordLink(user_id=user.pk),
        lambda user: ResetSecondFactor(user_id=user.pk),
        lambda user: GrantPermission(user_id=user.pk, permission="apikeys.create_apikey"),
        lambda user: RevokePermission(user_id=user.pk, permission="apikeys.view_apikey"),
    ],
)
def test_whatever_touches_an_approver_waits_for_two_owners(
    change, disabling_needs_two, ann, manager, policy_owners, context_of
):
    before = User.objects.filter(pk=ann.pk).values().get()

    request = held(change(ann), context=context_of(manager))

    assert are_the_floors(request)
    assert User.objects.filter(pk=ann.pk).values().get() == before


def test_bringing_a_deactivated_approver_back_waits_for_two_owners(
    disabling_needs_two, ann, manager, policy_owners, context_of
):
    User.objects.filter(pk=ann.pk).update(is_active=False)
    command = SetAccountStatus(user_id=ann.pk, is_active=True)

    assert are_the_floors(held(command, context=context_of(manager)))


def test_bringing_a_deactivated_superuser_back_waits_for_two_owners(
    acme, manager, policy_owners, context_of
):
    root = member("root", acme)
    User.objects.filter(pk=root.pk).update(is_superuser=True, is_active=False)
    command = SetAccountStatus(user_id=root.pk, is_active=True)

    assert are_the_floors(held(command, context=context_of(manager)))


@pytest.mark.parametrize("permission", ["approvals.break_glass", "audit.view_every_tenant"])
def test_permissions_on_approvals_and_the_log_wait_for_two_owners(
    permission, dana, chess, manager, policy_owners, context_of
):
    to_dana = GrantPermission(user_id=dana.pk, permission=permission)
    to_chess = GrantGroupPermission(group_id=chess.pk, permission=permission)

    assert are_the_floors(held(to_dana, context=context_of(manager)))
    assert are_the_floors(held(to_chess, context=context_of(manager)))


def test_joining_a_group_that_hands_out_such_a_permission_waits_too(
    dana, chess, manager, policy_owners, context_of
):
    grant = GrantGroupPermission(group_id=chess.pk, permission="approvals.break_glass")
    approved(held(grant, context=context_of(manager)), *policy_owners[:2])
    command = AddToGroup(user_id=dana.pk, group_id=chess.pk)

    assert are_the_floors(held(command, context=context_of(manager)))


def test_granting_superuser_status_always_needs_two_owners(
    dana, manager, policy_owners, context_of
):
    command = SetSuperuserStatus(user_id=dana.pk, is_superuser=True)

    assert are_the_floors(held(command, context=context_of(manager)))


def test_a_used_group_is_neither_renamed_nor_deleted_without_two_owners(
    disabling_needs_two, security, manager, policy_owners, context_of
):
    rename = RenameGroup(group_id=security.pk, group_name="Another")

    assert are_the_floors(held(rename, context=context_of(manager)))
    assert are_the_floors(held(DeleteGroup(group_id=security.pk), context=context_of(manager)))


def test_no_other_group_takes_the_owners_name(chess, manager, context_of):
    for command in (
        CreateGroup(group_name="Policy owners"),
        RenameGroup(group_id=chess.pk, group_name="Policy owners"),
    ):
        with pytest.raises(NoPolicyOwners):
            dispatch(command, context=context_of(manager))

    assert [group.name for group in Group.objects.all()] == ["Chess"]


def test_a_policy_that_lets_requesters_vote_does_not_affect_the_built_in_policy(
    disabling_needs_two, security, policy_owners, context_of
):
    policy("approvals.*", group=security, quorum=1, requester_may_vote=True)
    made = Policy.objects.get(governs="apikeys.disable")

    request = held(DisablePolicy(policy_id=made.pk), context=context_of(policy_owners[0]))

    assert request.requirements["options"]["requester_may_vote"] is False


def test_a_request_that_comes_under_the_built_in_policy_needs_the_owners(
    chess, dana, security, ann, bob, manager, policy_owners, context_of
):
    policy("approvals.add_to_group", group=security, quorum=1)
    joining = AddToGroup(user_id=dana.pk, group_id=chess.pk)
    request = held(joining, context=context_of(manager))
    assert not are_the_floors(request)
    policy("apikeys.disable", group=chess, quorum=1)

    olga, otto, _ = policy_owners
    waiting = approved(request, ann)

    assert (waiting.state, chess.user_set.contains(dana)) == ("pending", False)
    assert approved(request, olga, otto).state == "executed"
    assert chess.user_set.contains(dana)
