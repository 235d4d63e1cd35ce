"""Pages of people and groups: they show, and they ask by commands; Django's own are gone."""

import re

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from approvals.models import ApprovalRequest
from audit.models.records import CommandRecord
from tests.approvals.admin_pages import decide
from tests.conftest import PASSWORD, approved, member

USERS, GROUPS = "/admin/auth/user/", "/admin/auth/group/"


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


def messages(answer):
    return [str(message) for message in answer.context["messages"]]


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
    answer = browser(root).post(
        f"{USERS}{root.pk}/ask/", {"verb": "join", "group": security.pk}, follow=True
    )

    assert not security.user_set.contains(root)
    request = ApprovalRequest.objects.get()
    (told,) = messages(answer)
    assert "Waiting for approval by “Policy owners”" in told
    assert f"/admin/approvals/approvalrequest/{request.pk}/change/" in told
    olga, otto, _ = policy_owners
    assert approved(request, olga).state == "pending"
    assert approved(request, otto).state == "executed"
    assert security.user_set.contains(root)


def test_owners_read_and_approve_it_in_the_admin(
    disabling_needs_two, security, policy_owners, root, browser
):
    browser(root).post(f"{USERS}{root.pk}/ask/", {"verb": "join", "group": security.pk})
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
    assert "apikeys.disable_apikey" in page
    assert "Security" in group
    for text in (lists, page, group):
        assert dana.password not in text
        assert not re.search(r"<style|style=|\son[a-z]+=|<script(?![^>]*\bsrc=)", text)


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

    assert "Request a change" not in page.content.decode()
    assert "lacks the permission approvals.manage_people" in messages(answer)[0]
    assert User.objects.get(pk=dana.pk).is_active
    assert CommandRecord.objects.latest("position").status == "refused"


def test_who_may_not_even_look_gets_nowhere(ann, dana, browser):
    for address in (USERS, f"{USERS}{dana.pk}/change/"):
        assert browser(ann).get(address).status_code in (302, 403)
    assert browser(ann).post(f"{USERS}{dana.pk}/ask/", {"verb": "deactivate"}).status_code == 403
    assert User.objects.get(pk=dana.pk).is_active


def test_a_new_persons_link_is_shown_this_once(manager, browser):
    form = {"username": "nora", "email": "nora@example.com", "reason": "New"}

    answer = browser(manager).post(f"{USERS}create/", form)

    assert re.search(r"/set-password/\S+/\S+/", answer.content.decode())
    assert "Create the user “nora”: done." in messages(answer)
    record = CommandRecord.objects.get(message_type="approvals.create_user")
    assert (record.channel, record.reason) == ("admin", "New")


def test_a_group_is_made_filled_renamed_and_deleted(manager, dana, browser):
    mia = browser(manager)
    mia.post(f"{GROUPS}create/", {"name": "Chess"})
    chess = Group.objects.get(name="Chess")

    mia.post(f"{GROUPS}{chess.pk}/ask/", {"verb": "join", "user": dana.pk})
    assert chess.user_set.contains(dana)
    mia.post(f"{GROUPS}{chess.pk}/ask/", {"verb": "rename", "name": "Go"})
    assert Group.objects.get(pk=chess.pk).name == "Go"
    permission = {"verb": "grant", "permission": "apikeys.view_customer"}
    mia.post(f"{GROUPS}{chess.pk}/ask/", permission)
    assert chess.permissions.get().codename == "view_customer"
    answer = mia.post(f"{GROUPS}{chess.pk}/ask/", {"verb": "delete"}, follow=True)

    assert not Group.objects.filter(pk=chess.pk).exists()
    assert messages(answer)[-1] == "Delete the group “Go”: done."


def test_each_selected_person_gets_an_answer_of_their_own(
    disabling_needs_two, manager, ann, dana, policy_owners, browser
):
    form = {
        "action": "deactivate_selected",
        "_selected_action": [ann.pk, dana.pk],
        "reason": "Left",
    }

    answer = browser(manager).post(USERS, form, follow=True)

    first, second = messages(answer)
    assert first.startswith(
        "Deactivate the account of “ann”. Waiting for approval by “Policy owners”"
    )
    assert second == "Deactivate the account of “dana”: done."
    active = User.objects.filter(username__in=("ann", "dana"), is_active=True)
    assert [user.username for user in active] == ["ann"]


@pytest.mark.parametrize("form", [{"verb": "join"}, {"verb": "join", "group": "x"}])
def test_a_form_that_names_nothing_is_answered_in_words(form, manager, dana, browser):
    answer = browser(manager).post(f"{USERS}{dana.pk}/ask/", form, follow=True)

    assert messages(answer) == ["“dana”: group: is required"]


def test_ones_own_password_is_still_changed_on_djangos_page(ann, browser):
    form = {
        "old_password": PASSWORD,
        "new_password1": "another horse battery",
        "new_password2": "another horse battery",
    }

    browser(ann).post("/admin/password_change/", form)

    assert User.objects.get(pk=ann.pk).check_password("another horse battery")
