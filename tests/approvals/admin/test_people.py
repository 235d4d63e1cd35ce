"""Pages of people and groups: they show, and they ask by commands; Django's own are gone."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from approvals.models import ApprovalRequest
from approvals.pages.people.verbs import GROUP_VERBS, USER_VERBS
from approvals.people.commands import AddToGroup, SetAccountStatus
from audit.models.records import CommandRecord
from tests import mails
from tests.approvals.admin_pages import decide
from tests.approvals.people_pages import (
    GROUPS,
    NEW_APPROVER,
    USERS,
    asked,
    button,
    confirmed,
    said,
    sent,
    text,
    url_of,
)
from tests.conftest import PASSWORD, approved, held, member, policy

# The buttons that belong to a choice in a form, or to a row of a list.
IN_A_FORM = ("join", "leave", "grant", "revoke", "approver", "no_approver")


@pytest.fixture
def root(acme):
    """A superuser: has every permission, and is no owner of policies."""
    user = member("root", acme, is_staff=True)
    User.objects.filter(pk=user.pk).update(is_superuser=True)
    return User.objects.get(pk=user.pk)


@pytest.fixture
def chess(db):
    """A group that no policy uses."""
    return Group.objects.create(name="Chess")


def people():
    """Everything that Django's own pages could write."""
    return (
        list(User.objects.order_by("pk").values()),
        list(Group.objects.order_by("pk").values()),
        list(User.groups.through.objects.order_by("pk").values_list()),
        list(User.user_permissions.through.objects.order_by("pk").values_list()),
        list(Group.permissions.through.objects.order_by("pk").values_list()),
    )


def test_a_superuser_does_not_join_security_without_two_owners(
    disabling_needs_two, security, policy_owners, root, browser
):
    answer = button(browser(root), root, "join", group=security.pk)

    assert not security.user_set.contains(root)
    request = ApprovalRequest.objects.get()
    (told,) = said(answer)
    assert "Waiting for approval by “Policy owners”" in told
    assert f"/admin/approvals/approvalrequest/{request.pk}/change/" in told
    olga, otto, _ = policy_owners
    assert approved(request, olga).state == "pending"
    assert approved(request, otto).state == "executed"
    assert security.user_set.contains(root)


def test_owners_read_and_approve_it_in_the_admin(
    disabling_needs_two, security, policy_owners, root, browser
):
    button(browser(root), root, "join", group=security.pk)
    request = ApprovalRequest.objects.get()
    page = f"/admin/approvals/approvalrequest/{request.pk}/"

    for owner in policy_owners[:2]:
        assert "Add “root” to “Security”" in browser(owner).get(f"{page}change/").content.decode()
        decide(browser(owner), request, "approve", reason="Known")

    assert security.user_set.contains(root)


@pytest.mark.parametrize(
    "page",
    [
        "user/add/",
        "user/{}/change/",
        "user/{}/delete/",
        "user/{}/password/",
        "user/{}/history/",
        "user/",
        "group/add/",
        "group/{}/change/",
        "group/{}/delete/",
    ],
)
def test_the_stock_addresses_write_nothing(page, root, dana, chess, browser):
    target = dana.pk if page.startswith("user") else chess.pk
    form = {
        "username": "nora",
        "password1": PASSWORD,
        "password2": PASSWORD,
        "usable_password": "true",
        "is_active": "on",
        "is_superuser": "on",
        "name": "Another",
        "post": "yes",
        "action": "delete_selected",
        "_selected_action": str(target),
    }
    sender = browser(root)
    before = people()

    answer = sender.post("/admin/auth/" + page.format(target), form)

    assert answer.status_code < 500
    assert people() == before


def test_the_pages_show_people_and_never_a_password(manager, dana, security, browser):
    lists = browser(manager).get(USERS).content.decode()
    page = browser(manager).get(f"{USERS}{dana.pk}/change/").content.decode()
    group = browser(manager).get(f"{GROUPS}{security.pk}/change/").content.decode()

    assert "dana" in lists
    assert "disable API keys" in page
    assert "Security" in group
    for content in (lists, page, group):
        assert dana.password not in content
        assert not re.search(r"<style|style=|\son[a-z]+=|<script(?![^>]*\bsrc=)", content)


@pytest.mark.parametrize("address", [USERS, GROUPS])
def test_a_list_takes_as_many_queries_for_many_as_for_few(address, manager, acme, chess, browser):
    mia = browser(manager)
    with CaptureQueriesContext(connection) as few:
        mia.get(address)
    for number in range(20):
        member(f"person{number}", acme, groups=[chess])
        Group.objects.create(name=f"Group {number}")

    with CaptureQueriesContext(connection) as many:
        assert mia.get(address).status_code == 200

    assert len(many) == len(few)


def test_a_reader_sees_no_forms_and_changes_nothing(iris, dana, browser):
    iris.user_permissions.add(Permission.objects.get(codename="view_user"))
    page = browser(iris).get(f"{USERS}{dana.pk}/change/")

    answer = browser(iris).post(f"{USERS}{dana.pk}/ask/", {"verb": "deactivate"}, follow=True)

    assert not re.search("Deactivate|Delete|Grant|Make an approver|ask/", text(page))
    assert "lacks the permission approvals.manage_people" in said(answer)[0]
    assert User.objects.get(pk=dana.pk).is_active
    assert CommandRecord.objects.latest("position").status == "refused"


def test_who_may_not_even_look_gets_nowhere(ann, dana, browser):
    for address in (USERS, f"{USERS}{dana.pk}/change/"):
        assert browser(ann).get(address).status_code in (302, 403)
    assert browser(ann).post(f"{USERS}{dana.pk}/ask/", {"verb": "deactivate"}).status_code == 403
    assert User.objects.get(pk=dana.pk).is_active


def test_a_new_persons_link_is_shown_this_once(manager, browser):
    form = {"username": "nora", "email": "nora@example.com"}

    answer = confirmed(browser(manager), f"{USERS}create/", form, reason="New")

    assert re.search(r"/set-password/\S+/\S+/", answer.content.decode())
    assert "Create the user “nora”: done." in said(answer)
    record = CommandRecord.objects.get(message_type="approvals.create_user")
    assert (record.channel, record.reason) == ("admin", "New")


def test_a_group_is_made_filled_renamed_and_deleted(manager, dana, browser):
    mia = browser(manager)
    confirmed(mia, f"{GROUPS}create/", {"name": "Chess"})
    chess = Group.objects.get(name="Chess")

    button(mia, chess, "join", user=dana.pk)
    assert chess.user_set.contains(dana)
    button(mia, chess, "rename", name="Go")
    assert Group.objects.get(pk=chess.pk).name == "Go"
    button(mia, chess, "grant", permission="apikeys.view_customer")
    assert chess.permissions.get().codename == "view_customer"
    answer = button(mia, chess, "delete")

    assert not Group.objects.filter(pk=chess.pk).exists()
    assert said(answer)[-1] == "Delete the group “Go”: done."


def test_each_selected_person_gets_an_answer_of_their_own(
    disabling_needs_two, manager, ann, dana, policy_owners, browser
):
    form = {"action": "deactivate_selected", "_selected_action": [ann.pk, dana.pk]}

    answer = confirmed(browser(manager), USERS, form, reason="Left")

    first, second = said(answer)
    assert first.startswith("Deactivate the account of “ann”. Waiting for approval by “Policy")
    assert second == "Deactivate the account of “dana”: done."
    active = User.objects.filter(username__in=("ann", "dana"), is_active=True)
    assert [user.username for user in active] == ["ann"]


@pytest.mark.parametrize("form", [{"verb": "join"}, {"verb": "join", "group": "x"}])
def test_a_form_that_names_nothing_is_answered_in_words(form, manager, dana, browser):
    answer = browser(manager).post(f"{USERS}{dana.pk}/ask/", form, follow=True)

    assert said(answer) == ["group: is required"]


def test_ones_own_password_is_still_changed_on_djangos_page(ann, browser):
    form = {
        "old_password": PASSWORD,
        "new_password1": "another horse battery",
        "new_password2": "another horse battery",
    }

    browser(ann).post("/admin/password_change/", form)

    assert User.objects.get(pk=ann.pk).check_password("another horse battery")


def test_no_button_changes_anything_before_it_is_confirmed(root, dana, chess, browser):
    client = browser(root)
    chess.user_set.add(dana)
    before, records = people(), CommandRecord.objects.count()

    for row, verbs in ((dana, USER_VERBS), (chess, GROUP_VERBS)):
        for verb in verbs:
            form = {
                "verb": verb,
                "name": "Another",
                "permission": "apikeys.view_apikey",
                "user": dana.pk,
                "group": chess.pk,
            }
            for send in (client.get, client.post):
                page = send(f"{url_of(row)}ask/", form)
                assert page.status_code == 200, (verb, said(page))
    for path, form in (
        (f"{USERS}create/", {"username": "nora"}),
        (f"{GROUPS}create/", {"name": "Another"}),
        (USERS, {"action": "deactivate_selected", "_selected_action": [dana.pk]}),
    ):
        assert client.post(path, form).status_code == 200

    assert (people(), CommandRecord.objects.count()) == (before, records)


def test_the_confirmation_says_what_will_happen_and_takes_the_reason(
    disabling_needs_two, security, dana, manager, policy_owners, browser
):
    mia = browser(manager)

    page = mia.get(f"{url_of(security)}ask/", {"verb": "join", "user": dana.pk})

    assert f"Add “dana” to “Security” (group {security.pk})" in text(page)
    assert "It waits until 2 Policy owners approve it." in text(page)
    button(mia, security, "join", user=dana.pk, reason="Replaces bob")
    assert ApprovalRequest.objects.get().reason == "Replaces bob"


def test_what_has_changed_since_the_confirmation_was_shown_is_not_done(
    manager, dana, chess, browser
):
    mia, path = browser(manager), f"{USERS}{dana.pk}/ask/"
    form = {"verb": "join", "group": chess.pk}
    seen = asked(mia, path, form).seen
    Group.objects.filter(pk=chess.pk).update(name="Board of directors")

    answer = mia.post(path, form | {"seen": seen})

    assert "Nothing was done" in text(answer)
    assert "Add “dana” to “Board of directors”" in text(answer)
    assert not chess.user_set.contains(dana)


def test_messages_name_the_person_and_not_the_page(
    disabling_needs_two, security, dana, manager, policy_owners, browser
):
    mia, group = browser(manager), f"“Security” (group {security.pk})"

    (joining,) = said(button(mia, security, "join", user=dana.pk))
    security.user_set.add(dana)
    (leaving,) = said(button(mia, security, "leave", user=dana.pk))
    (role,) = said(button(mia, security, "no_approver", user=dana.pk))

    assert joining.startswith(f"Add “dana” to {group}. Waiting for approval")
    assert leaving.startswith(f"Remove “dana” from {group}. Waiting for approval")
    assert role.startswith(f"Revoke the role of “dana” as an approver in {group}. Waiting")


def test_only_the_buttons_that_apply_are_shown(manager, dana, browser):
    mia = browser(manager)
    active = text(mia.get(f"{url_of(dana)}change/"))
    User.objects.filter(pk=dana.pk).update(is_active=False, is_staff=True, is_superuser=True)

    inactive = text(mia.get(f"{url_of(dana)}change/"))

    assert offered(active) == {
        "Deactivate",
        "Require a new password",
        "Delete",
        "Grant admin access",
        "Grant superuser status",
    }
    assert offered(inactive) == {
        "Activate",
        "Require a new password",
        "Delete",
        "Revoke admin access",
        "Revoke superuser status",
    }


def offered(page):
    """The buttons about an account that a page shows."""
    labels = [verb.label for name, verb in USER_VERBS.items() if name not in IN_A_FORM]
    return {label for label in labels if re.search(rf"(?<!\w){label}…", page)}


def test_a_selection_leaves_out_the_rows_to_which_the_action_does_not_apply(
    manager, dana, gus, browser
):
    User.objects.filter(pk=gus.pk).update(is_active=False)
    form = {"action": "deactivate_selected", "_selected_action": [dana.pk, gus.pk]}

    answer = confirmed(browser(manager), USERS, form)

    assert said(answer) == ["Deactivate the account of “dana”: done."]


def test_an_account_with_memberships_is_not_deleted_and_the_page_says_what_to_do(
    manager, dana, browser
):
    mia, path = browser(manager), f"{url_of(dana)}ask/"
    refusal = "“dana” can't be deleted: memberships refer to this account. Deactivate the account"
    found = asked(mia, path, {"verb": "delete"})

    answer = mia.post(path, {"verb": "delete", "seen": found.seen}, follow=True)

    assert found.confirmations[0].obstacle.startswith(refusal)
    assert not found.can_be_sent
    assert refusal in said(answer)[0]
    assert User.objects.filter(pk=dana.pk).exists()


def test_an_account_without_memberships_is_deleted_once_that_is_confirmed(manager, browser):
    nico = User.objects.create_user("nico")

    answer = button(browser(manager), nico, "delete")

    assert said(answer) == ["Delete the user “nico”: done."]
    assert not User.objects.filter(pk=nico.pk).exists()


def test_permissions_are_offered_by_app_and_by_their_plain_names(manager, dana, browser):
    page = browser(manager).get(f"{url_of(dana)}change/")

    offered = {section.label: section.permissions for section in page.context["grantable"]}
    assert set(offered) == {"API keys", "Approvals", "Audit log", "People and groups"}
    assert [each.label for each in offered["People and groups"]] == ["view group", "view user"]
    assert not re.search("content type|session|historical|log entry", text(page))
    assert "Required. 150 characters" not in text(page)
    assert "icon-no" not in page.content.decode()


def test_a_new_approver_is_created_with_one_request(
    disabling_needs_two, security, manager, policy_owners, browser
):
    mia = browser(manager)
    page = mia.get(NEW_APPROVER, {"group": security.pk})
    assert page.context["form"]["group"].value() == str(security.pk)
    form = {
        "username": "erin",
        "email": "erin@example.com",
        "group": security.pk,
        "permissions": page.context["form"]["permissions"].value(),
    }

    answer = confirmed(mia, NEW_APPROVER, form, reason="Starts on Monday")

    assert "Waiting for approval by “Policy owners”" in said(answer)[0]
    request = ApprovalRequest.objects.get()
    assert approved(request, *policy_owners[:2]).state == "executed"
    erin = User.objects.get(username="erin")
    assert (erin.is_staff, security.user_set.contains(erin)) == (True, True)
    assert [mail.to for mail in mails.sent() if "/set-password/" in mail.body] == [[erin.email]]
    group_page = mia.get(f"{url_of(security)}change/")
    assert "erin Approvals cannot approve yet: no password yet" not in text(group_page)
    assert standing_of(group_page, erin) == "cannot approve yet: no password yet"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"username": "dana"}, "username"),
        ({"username": "two words"}, "username"),
        ({"email": ""}, "email"),
        ({"group": ""}, "group"),
        ({"permissions": ["approvals.manage_policy"]}, "permissions"),
    ],
)
def test_a_form_for_a_new_approver_shows_what_is_wrong_at_its_field(
    change, field, disabling_needs_two, security, dana, manager, browser
):
    form = {"username": "erin", "email": "erin@example.com", "group": security.pk}

    page = browser(manager).post(NEW_APPROVER, form | change)

    assert list(page.context["form"].errors) == [field]
    assert not CommandRecord.objects.filter(message_type="approvals.create_approver").exists()


def standing_of(page, user):
    (found,) = [each.text for each in page.context["standings"] if each.user == user]
    return found


def test_the_page_of_a_group_says_what_a_member_lacks_and_what_waits(
    disabling_needs_two, security, ann, manager, policy_owners, browser, context_of
):
    erin = User.objects.create_user("erin")
    joining = held(AddToGroup(user_id=erin.pk, group_id=security.pk), context=context_of(manager))
    mia = browser(manager)

    before = mia.get(f"{url_of(security)}change/")
    approved(joining, *policy_owners[:2])
    after = mia.get(f"{url_of(security)}change/")

    assert f"Add “erin” to “Security” (group {security.pk})" in text(before)
    assert standing_of(before, ann) == "can approve"
    assert standing_of(after, erin) == (
        "cannot approve yet: no access to the admin pages; no password yet; "
        "no permission to view approval requests"
    )
    assert "No waiting requests" in text(after)


def test_the_page_of_a_person_says_the_same(
    disabling_needs_two, security, ann, manager, policy_owners, browser, context_of
):
    User.objects.filter(pk=ann.pk).update(is_active=False)
    back = SetAccountStatus(user_id=ann.pk, is_active=True)
    held(back, context=context_of(manager))

    page = browser(manager).get(f"{url_of(ann)}change/")

    assert standing_of(page, ann) == "cannot approve yet: the account is not active"
    assert "Activate the account of “ann”" in text(page)


def test_a_required_length_of_membership_is_among_what_a_member_lacks(
    security, ann, manager, browser
):
    policy("apikeys.disable", group=security, quorum=1, minimum_membership=timedelta(days=7))

    page = browser(manager).get(f"{url_of(security)}change/")

    lacking = "a policy requires a membership of 7 d 0 h"
    assert standing_of(page, ann) == f"cannot approve yet: {lacking}"


def test_a_member_who_sees_no_tenant_is_told_apart(
    disabling_needs_two, security, ann, manager, browser
):
    mia = browser(manager)
    security.user_set.add(
        User.objects.create_user("erin", password=PASSWORD, is_staff=True, is_superuser=False)
    )
    erin = User.objects.get(username="erin")
    erin.user_permissions.add(Permission.objects.get(codename="view_approvalrequest"))

    narrow = standing_of(mia.get(f"{url_of(security)}change/"), erin)
    erin.user_permissions.add(Permission.objects.get(codename="view_every_tenant"))
    wide = standing_of(mia.get(f"{url_of(security)}change/"), erin)

    assert narrow == "can approve only what belongs to no customer"
    assert wide == "can approve"


def test_a_group_that_decides_nothing_says_nothing_of_approvals(manager, dana, chess, browser):
    chess.user_set.add(dana)

    page = browser(manager).get(f"{url_of(chess)}change/")

    assert standing_of(page, dana) == ""
    assert "the group approves nothing" in text(page)


@pytest.mark.parametrize(
    ("path", "form"),
    [
        (f"{USERS}create/", {"username": "dana"}),
        (f"{USERS}create/", {"username": "two words"}),
        (f"{GROUPS}create/", {"name": ""}),
        (f"{GROUPS}create/", {"name": "Chess"}),
    ],
)
def test_what_could_not_be_created_is_not_offered_for_confirmation(
    path, form, dana, chess, manager, browser
):
    found = asked(browser(manager), path, form)

    assert found.confirmations[0].obstacle
    assert not found.can_be_sent


def test_a_form_whose_address_is_opened_after_signing_in_again_is_not_sent(manager, browser):
    answer = browser(manager).get(f"{USERS}create/", follow=True)

    assert said(answer)[0].startswith("Nothing was sent.")


def test_the_confirmation_of_a_deletion_names_those_who_lose_the_membership(
    manager, dana, gus, chess, browser
):
    chess.user_set.add(dana, gus)

    found = asked(browser(manager), f"{url_of(chess)}ask/", {"verb": "delete"})

    assert found.confirmations[0].effects == ["These people lose the membership: “dana”, “gus”."]


@pytest.mark.parametrize("number", [0, 10**9, 10**30])
def test_a_choice_that_does_not_exist_is_answered_in_words(
    number, dana, chess, manager, policy_owners, browser
):
    mia, before = browser(manager), people()

    for row in (dana, chess):
        for verb in ("join", "leave", "approver", "no_approver", "grant", "revoke"):
            form = {"verb": verb, "user": number, "group": number, "permission": "no.such"}
            assert sent(mia, f"{url_of(row)}ask/", form).status_code in (200, 302)
    new = {"username": "erin", "email": "erin@example.com", "group": number}
    assert mia.post(NEW_APPROVER, new).status_code == 200

    assert people() == before
