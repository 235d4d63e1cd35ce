"""The role of an approver: granted, revoked, and created with an account, each by one command."""

import re

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from apikeys.commands import DisableApiKey
from approvals.models import ApprovalRequest
from approvals.people.commands import AddToGroup
from approvals.people.handlers import NothingToChange
from approvals.people.roles import CreateApprover, GrantApproverRole, RevokeApproverRole
from approvals.people.seniority import Seniority
from approvals.policies.built_in import NoPolicyOwners
from audit.bus.dispatch import dispatch
from audit.messages.exceptions import CommandError, Invalid, NotFound
from audit.models.records import CommandRecord, EventRecord
from tests import mails
from tests.conftest import PASSWORD, approved, completed, held

EVERY_TENANT = "audit.view_every_tenant"
PARTS = [
    "approvals.member_joined",
    "approvals.staff_set",
    "approvals.permission_granted",
    "approvals.permission_granted",
]


@pytest.fixture
def erin():
    """Has an account, and nothing else."""
    return User.objects.create_user("erin", "erin@example.com", PASSWORD)


@pytest.fixture
def new(security):
    """The command that creates Erin as an approver in Security."""
    return CreateApprover(
        username="erin",
        email="erin@example.com",
        group_id=security.pk,
        permissions=(EVERY_TENANT,),
    )


@pytest.fixture
def role(security, erin):
    """The command that makes Erin an approver in Security."""
    return GrantApproverRole(user_id=erin.pk, group_id=security.pk, permissions=(EVERY_TENANT,))


def may_approve(user, request):
    """Return whether the vote of a user counts."""
    approved(request, user)
    return request.votes.filter(voter_id=user.pk).exists()


def emitted_on_people(request):
    """The events of a held command on people and groups, in their order."""
    events = EventRecord.objects.filter(command_id=request.command_id)
    on_people = events.filter(subject_type__in=("user", "group")).order_by("position")
    return list(on_people.values_list("message_type", flat=True))


def own_permissions(user):
    return sorted(user.user_permissions.values_list("codename", flat=True))


def refuses(command, context, kind):
    """Dispatch what must be refused at once: it is on record, and nothing else has changed."""
    before = (list(User.objects.values()), EventRecord.objects.count())
    with pytest.raises(CommandError) as refusal:
        dispatch(command, context=context)
    assert isinstance(refusal.value, kind)
    record = CommandRecord.objects.get(command_id=refusal.value.command_id)
    assert (record.status, record.error_code) == ("refused", kind.code)
    assert (list(User.objects.values()), EventRecord.objects.count()) == before
    assert not ApprovalRequest.objects.exists()
    return [(each.field, each.code) for each in refusal.value.errors]


def test_one_request_makes_a_person_an_approver(
    disabling_needs_two, first_key, dana, erin, role, security, manager, policy_owners, context_of
):
    request = held(role, context=context_of(manager))
    assert [rule["group"] for rule in request.requirements["rules"]] == ["Policy owners"]
    assert not security.user_set.contains(erin)

    done = approved(request, *policy_owners[:2])

    erin.refresh_from_db()
    assert (done.state, erin.is_staff) == ("executed", True)
    assert own_permissions(erin) == ["view_approvalrequest", "view_every_tenant"]
    assert may_approve(erin, held(DisableApiKey(api_key_id=first_key.id), context=context_of(dana)))
    assert emitted_on_people(request) == PARTS
    assert Seniority([security.pk]).since(erin.pk, security.pk)


def test_one_request_creates_an_approver_who_sets_a_password_by_mail(
    disabling_needs_two, first_key, dana, new, manager, policy_owners, context_of
):
    request = held(new, context=context_of(manager))
    assert not User.objects.filter(username="erin").exists()
    assert not [mail for mail in mails.sent() if "erin@example.com" in mail.to]

    done = approved(request, *policy_owners[:2])

    assert done.state == "executed"
    (mail,) = [mail for mail in mails.sent() if mail.to == ["erin@example.com"]]
    path = re.search(r"(/set-password/\S+)", mail.body)[1]
    form = Client().get(path, follow=True)
    client = Client()
    client.get(path, follow=True)
    passwords = {"new_password1": PASSWORD, "new_password2": PASSWORD}
    client.post(form.request["PATH_INFO"], passwords, follow=True)
    assert Client().login(username="erin", password=PASSWORD)
    erin = User.objects.get(username="erin")
    assert may_approve(erin, held(DisableApiKey(api_key_id=first_key.id), context=context_of(dana)))
    assert CommandRecord.objects.filter(message_type="approvals.create_approver").count() == 2
    assert not CommandRecord.objects.filter(message_type="approvals.add_to_group").exists()


def test_the_password_link_of_an_approver_is_nowhere_on_record(
    new, manager, ann, policy_owners, context_of
):
    approved(held(new, context=context_of(manager)), *policy_owners[:2])

    (mail,) = [mail for mail in mails.sent() if mail.to == ["erin@example.com"]]
    token = re.search(r"/set-password/\S+?/(\S+?)/", mail.body)[1]
    told = [*CommandRecord.objects.values_list(), *EventRecord.objects.values_list()]
    assert token not in repr(told)


def test_what_a_person_has_already_is_left_alone(ann, security, manager, policy_owners, context_of):
    role = GrantApproverRole(user_id=ann.pk, group_id=security.pk)
    refuses(role, context_of(manager), NothingToChange)

    wider = GrantApproverRole(
        user_id=ann.pk, group_id=security.pk, permissions=("audit.view_every_tenant",)
    )
    request = approved(held(wider, context=context_of(manager)), *policy_owners[:2])

    assert emitted_on_people(request) == ["approvals.permission_granted"]


def test_one_request_revokes_the_role(ann, security, manager, policy_owners, context_of):
    command = RevokeApproverRole(
        user_id=ann.pk,
        group_id=security.pk,
        permissions=("approvals.view_approvalrequest",),
        revokes_admin_access=True,
    )

    request = held(command, context=context_of(manager))
    done = approved(request, *policy_owners[:2])

    ann.refresh_from_db()
    assert (done.state, ann.is_staff, security.user_set.contains(ann)) == ("executed", False, False)
    assert own_permissions(ann) == ["view_apikey"]


def test_the_revocation_leaves_what_it_does_not_name(
    ann, security, manager, policy_owners, context_of
):
    command = RevokeApproverRole(user_id=ann.pk, group_id=security.pk)

    approved(held(command, context=context_of(manager)), *policy_owners[:2])

    ann.refresh_from_db()
    assert ann.is_staff
    assert own_permissions(ann) == ["view_apikey", "view_approvalrequest"]
    assert not security.user_set.contains(ann)


def test_nobody_becomes_an_approver_without_policy_owners(role, new, erin, manager, context_of):
    for command in (role, RevokeApproverRole(user_id=erin.pk, group_id=role.group_id)):
        refuses(command, context_of(manager), NoPolicyOwners)


@pytest.mark.parametrize(
    ("change", "kind", "errors"),
    [
        ({"username": "dana"}, Invalid, [("username", "invalid")]),
        ({"username": "two words"}, Invalid, [("username", "invalid")]),
        ({"email": ""}, Invalid, [("email", "required")]),
        ({"email": "nowhere"}, Invalid, [("email", "invalid")]),
        ({"permissions": ("apikeys.disable_apikey",)}, Invalid, [("permissions", "invalid")]),
        ({"permissions": ("approvals.view_nothing",)}, Invalid, [("permission", "unknown")]),
        ({"group_id": 0}, NotFound, []),
    ],
)
def test_a_new_approver_that_could_never_be_created_is_refused_before_anyone_votes(
    change, kind, errors, new, dana, manager, policy_owners, context_of
):
    values = new.plain() | change

    assert refuses(CreateApprover(**values), context_of(manager), kind) == errors


def test_the_role_grants_permissions_to_view_only(role, manager, policy_owners, context_of):
    values = role.plain() | {"permissions": ("approvals.manage_policy",)}

    refuses(GrantApproverRole(**values), context_of(manager), Invalid)


def test_a_group_without_any_policy_needs_the_owners_for_the_role_as_well(
    erin, manager, policy_owners, context_of
):
    chess = Group.objects.create(name="Chess")

    request = held(
        GrantApproverRole(user_id=erin.pk, group_id=chess.pk), context=context_of(manager)
    )

    assert [rule["group"] for rule in request.requirements["rules"]] == ["Policy owners"]


def test_a_member_of_the_group_gets_the_rest_of_the_role(
    erin, role, manager, policy_owners, context_of
):
    chess = Group.objects.create(name="Chess")
    completed(AddToGroup(user_id=erin.pk, group_id=chess.pk), context=context_of(manager))
    rest = GrantApproverRole(user_id=erin.pk, group_id=chess.pk)

    approved(held(rest, context=context_of(manager)), *policy_owners[:2])

    erin.refresh_from_db()
    assert erin.is_staff
    assert own_permissions(erin) == ["view_approvalrequest"]


def test_each_command_reads_as_a_sentence(role, new, erin, security):
    group = f"“Security” (group {security.pk})"

    assert role.describe("erin") == f"Make erin an approver in {group} for every customer"
    assert (
        new.describe("") == f"Create the user “erin” as an approver in {group} for every customer"
    )
    revoke = RevokeApproverRole(user_id=erin.pk, group_id=security.pk)
    assert revoke.describe("erin") == f"Revoke the role of erin as an approver in {group}"
