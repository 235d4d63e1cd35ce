"""People and groups change by commands: what they do, what they refuse, and what they tell."""

import re

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from approvals.people.commands import (
    AddToGroup,
    CreateGroup,
    CreateUser,
    DeleteGroup,
    DeleteUser,
    GrantGroupPermission,
    GrantPermission,
    RemoveFromGroup,
    RenameGroup,
    RequirePasswordReset,
    RevokeGroupPermission,
    RevokePermission,
    SendPasswordLink,
    SetAccountStatus,
    SetAdminAccess,
)
from approvals.people.handlers import (
    NoAddress,
    NothingToChange,
    OwnersGoByTheirName,
    StillReferredTo,
)
from approvals.people.seniority import Seniority
from audit.bus import handling
from audit.bus.dispatch import dispatch
from audit.messages.classes import secret_fields
from audit.messages.exceptions import Forbidden, Invalid, NotFound
from audit.messages.outcomes import Completed
from audit.models.records import CommandRecord, EventRecord
from audit.models.subscriptions import Setback
from audit.reactions import setbacks
from tests import mails
from tests.conftest import AS_SYSTEM, PASSWORD, approved, completed, held, policy


def member_since(user_id, group_id):
    return Seniority([group_id]).since(user_id, group_id)


@pytest.fixture
def chess(db):
    """A group that no policy uses."""
    return Group.objects.create(name="Chess")


def last_event():
    event = EventRecord.objects.latest("position")
    return event.message_type, event.subject_type, event.subject_id


def refuses(command, context, kind):
    """Dispatch what must be turned down: the record says so and nothing else changes."""
    before = (
        list(User.objects.values()),
        list(Group.objects.values()),
        EventRecord.objects.count(),
    )
    with pytest.raises(kind) as refusal:
        dispatch(command, context=context)
    record = CommandRecord.objects.get(command_id=refusal.value.command_id)
    assert (record.status, record.error_code) == ("refused", kind.code)
    after = (list(User.objects.values()), list(Group.objects.values()), EventRecord.objects.count())
    assert after == before
    return [(each.field, each.code) for each in refusal.value.errors]


def test_a_new_person_sets_a_password_through_a_link_that_works_once(manager, context_of):
    command = CreateUser(username="nora", email="nora@example.com")

    outcome = dispatch(command, context=context_of(manager))

    assert isinstance(outcome, Completed)
    nora = User.objects.get(username="nora")
    assert (nora.has_usable_password(), nora.is_staff, nora.is_active) == (False, False, True)
    path = re.search(r"(/set-password/.+)", outcome.secret)[1]
    browser = Client()
    form = browser.get(path, follow=True)
    passwords = {"new_password1": PASSWORD, "new_password2": PASSWORD}
    done = browser.post(form.request["PATH_INFO"], passwords, follow=True)
    assert (done.status_code, done.context["title"]) == (200, "Password set")
    assert Client().login(username="nora", password=PASSWORD)
    used = Client().get(path, follow=True)
    assert not used.context["validlink"]
    assert used.context["title"] == "New password"
    assert "Ask an administrator for another one." in used.content.decode()


def test_the_link_is_nowhere_on_record(manager, context_of):
    outcome = dispatch(CreateUser(username="nora"), context=context_of(manager))

    token = outcome.secret.rstrip("/").rpartition("/")[2]
    told = [*CommandRecord.objects.values_list(), *EventRecord.objects.values_list()]
    assert token not in repr(told)
    assert token not in repr(outcome)


def test_a_person_made_after_approval_gets_the_link_by_mail_instead(
    manager, security, ann, context_of
):
    policy("approvals.create_user", group=security, quorum=1)
    command = CreateUser(username="nora", email="nora@example.com")

    request = approved(held(command, context=context_of(manager)), ann)
    nora = User.objects.get(username="nora")
    completed(SendPasswordLink(user_id=nora.pk), context=context_of(manager))

    assert request.state == "executed"
    (mail,) = [mail for mail in mails.sent() if mail.to == ["nora@example.com"]]
    assert "/set-password/" in mail.body


def test_a_link_that_cannot_be_sent_is_sent_later_and_is_in_no_record(
    dana, manager, context_of, send_mail_by
):
    User.objects.filter(pk=dana.pk).update(email="dana@example.com")
    send_mail_by(mails.NO_SERVER)
    completed(SendPasswordLink(user_id=dana.pk), context=context_of(manager))

    assert mails.sent() == []
    setback = Setback.objects.get(name="approvals.mail")
    assert (setback.subject_type, setback.error) == ("user", "no route to host")

    send_mail_by("django.core.mail.backends.locmem.EmailBackend")
    setbacks.schedule(setback)
    (message,) = mails.sent()
    token = re.search(r"/set-password/\S+?/(\S+?)/", message.body)[1]
    assert token not in repr([*EventRecord.objects.values_list(), *CommandRecord.objects.values()])
    assert not Setback.objects.exists()


def test_no_link_is_sent_to_nowhere(dana, manager, context_of):
    refuses(SendPasswordLink(user_id=dana.pk), context_of(manager), NoAddress)


@pytest.mark.parametrize("username", ["", "dana", "two words", "x" * 151])
def test_a_name_that_will_not_do_is_refused(username, dana, manager, context_of):
    errors = refuses(CreateUser(username=username), context_of(manager), Invalid)

    assert errors == [("username", "invalid")]


def test_no_command_on_people_carries_a_secret():
    own = [
        each for each in handling.command_classes() if each.message_type.startswith("approvals.")
    ]

    assert len(own) > 15
    assert not any(map(secret_fields, own))


def test_a_password_reset_ends_the_password_and_every_session(
    dana, manager, browser, iris, context_of
):
    session = browser(iris)
    assert session.get("/audit/").status_code == 200

    completed(RequirePasswordReset(user_id=iris.pk), context=context_of(manager))

    assert session.get("/audit/").status_code == 302
    assert not Client().login(username="iris", password=PASSWORD)


def test_an_account_is_deactivated_and_activated(dana, manager, context_of):
    completed(SetAccountStatus(user_id=dana.pk, is_active=False), context=context_of(manager))
    assert last_event() == ("approvals.user_deactivated", "user", str(dana.pk))
    assert not User.objects.get(pk=dana.pk).is_active

    completed(SetAccountStatus(user_id=dana.pk, is_active=True), context=context_of(manager))
    assert last_event()[0] == "approvals.user_activated"
    refuses(SetAccountStatus(user_id=dana.pk, is_active=True), context_of(manager), NothingToChange)


def test_a_person_of_whom_rows_tell_is_not_deleted_but_deactivated(dana, manager, context_of):
    with pytest.raises(StillReferredTo) as refusal:
        dispatch(DeleteUser(user_id=dana.pk), context=context_of(manager))

    reason = "“dana” can't be deleted: memberships refer to this account."
    assert refusal.value.message == f"{reason} Deactivate the account instead."

    refuses(DeleteUser(user_id=dana.pk), context_of(manager), StillReferredTo)


def test_a_person_without_references_is_deleted(manager, context_of):
    stray = User.objects.create_user("stray")

    completed(DeleteUser(user_id=stray.pk), context=context_of(manager))

    assert not User.objects.filter(username="stray").exists()
    assert last_event() == ("approvals.user_deleted", "user", str(stray.pk))


def test_permissions_of_people_and_groups_come_and_go(dana, chess, manager, context_of):
    context, permission = context_of(manager), "apikeys.view_customer"

    completed(GrantPermission(user_id=dana.pk, permission=permission), context=context)
    completed(GrantGroupPermission(group_id=chess.pk, permission=permission), context=context)
    assert User.objects.get(pk=dana.pk).has_perm(permission)
    assert [each.codename for each in chess.permissions.all()] == ["view_customer"]

    completed(RevokePermission(user_id=dana.pk, permission=permission), context=context)
    completed(RevokeGroupPermission(group_id=chess.pk, permission=permission), context=context)
    assert not User.objects.get(pk=dana.pk).has_perm(permission)
    assert not chess.permissions.exists()


def test_a_permission_that_is_not_there_is_refused(dana, manager, context_of):
    command = GrantPermission(user_id=dana.pk, permission="apikeys.fly")

    assert refuses(command, context_of(manager), Invalid) == [("permission", "unknown")]


def test_groups_are_made_renamed_and_deleted(manager, context_of):
    group = completed(CreateGroup(group_name="Chess"), context=context_of(manager))
    errors = refuses(CreateGroup(group_name="Chess"), context_of(manager), Invalid)
    assert errors == [("name", "invalid")]

    completed(RenameGroup(group_id=group.pk, group_name="Go"), context=context_of(manager))
    assert Group.objects.get().name == "Go"

    completed(DeleteGroup(group_id=group.pk), context=context_of(manager))
    assert not Group.objects.exists()
    assert last_event() == ("approvals.group_deleted", "group", str(group.pk))


def test_a_group_that_a_policy_names_stays_even_if_two_owners_agree(
    disabling_needs_two, security, manager, policy_owners, context_of
):
    request = held(DeleteGroup(group_id=security.pk), context=context_of(manager))

    assert approved(request, *policy_owners[:2]).state == "refused"
    assert Group.objects.filter(pk=security.pk).exists()


def test_the_owners_keep_their_name_even_if_two_of_them_agree(manager, policy_owners, context_of):
    owners = Group.objects.get(name="Policy owners")
    command = RenameGroup(group_id=owners.pk, group_name="Another")

    request = approved(held(command, context=context_of(manager)), *policy_owners[:2])

    assert request.state == "refused"
    assert OwnersGoByTheirName.__doc__ in request.outcome


def test_the_start_of_a_membership_is_known(dana, chess, manager, context_of):
    assert member_since(dana.pk, chess.pk) is None
    joining = AddToGroup(user_id=dana.pk, group_id=chess.pk)
    leaving = RemoveFromGroup(user_id=dana.pk, group_id=chess.pk)

    completed(joining, context=context_of(manager))
    first = member_since(dana.pk, chess.pk)
    refuses(joining, context_of(manager), NothingToChange)
    assert first is not None
    assert member_since(dana.pk, chess.pk) == first

    completed(leaving, context=context_of(manager))
    assert member_since(dana.pk, chess.pk) is None
    completed(joining, context=context_of(manager))
    assert member_since(dana.pk, chess.pk) > first


def test_one_query_tells_it(dana, chess, django_assert_num_queries):
    with django_assert_num_queries(1):
        member_since(dana.pk, chess.pk)


def test_users_who_may_not_manage_people_change_no_one(dana, iris, chess, context_of):
    for command in (
        CreateUser(username="nora"),
        SetAdminAccess(user_id=dana.pk, is_staff=True),
        AddToGroup(user_id=dana.pk, group_id=chess.pk),
    ):
        refuses(command, context_of(iris), Forbidden)


def test_who_is_not_there_is_not_found(manager, chess, context_of):
    refuses(SetAdminAccess(user_id=10**9, is_staff=True), context_of(manager), NotFound)
    refuses(AddToGroup(user_id=manager.pk, group_id=10**9), context_of(manager), NotFound)


def test_approvers_read_the_names_of_person_and_group(dana, chess):
    command = AddToGroup(user_id=dana.pk, group_id=chess.pk)

    assert command.describe("dana") == f"Add dana to “Chess” (group {chess.pk})"


def test_a_request_about_a_person_keeps_nothing_of_the_password(
    disabling_needs_two, ann, manager, policy_owners, context_of
):
    command = SetAccountStatus(user_id=ann.pk, is_active=False)

    request = held(command, context=context_of(manager))

    assert sorted(request.subject_values) == [
        "email",
        "id",
        "is_active",
        "is_staff",
        "is_superuser",
        "username",
    ]


def test_an_invalid_name_is_reported_with_its_field(dana):
    with pytest.raises(Invalid) as refusal:
        dispatch(CreateUser(username="dana"), context=AS_SYSTEM)

    assert [(each.field, each.code) for each in refusal.value.errors] == [("username", "invalid")]
