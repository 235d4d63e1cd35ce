"""Names of people and groups that are easily confused with others."""

import pytest
from django.contrib.auth.models import Group, Permission, User

from approvals.people.commands import AddToGroup, CreateGroup, CreateUser, RenameGroup
from approvals.people.likeness import LikeAnApprover
from approvals.policies.commands import CreatePolicy
from audit.bus.dispatch import dispatch
from audit.subjects.likeness import SimilarName
from tests.approvals.people_pages import (
    GROUPS,
    NEW_APPROVER,
    USERS,
    button,
    confirmed,
    said,
    text,
    url_of,
)
from tests.conftest import AS_SYSTEM, completed


@pytest.fixture
def chess(db):
    """A group that decides nothing."""
    return Group.objects.create(name="Chess")


def test_an_account_with_a_similar_name_is_confirmed(dana):
    with pytest.raises(SimilarName, match="user “dana”"):
        dispatch(CreateUser(username="d\u0430na"), context=AS_SYSTEM)
    completed(CreateUser(username="d\u0430na", confirm_similar_name=True))


def test_a_name_that_the_actor_may_not_see_is_not_revealed(manager, dana, context_of):
    manager.user_permissions.remove(*Permission.objects.filter(codename="view_user"))
    context = context_of(User.objects.get(pk=manager.pk))

    with pytest.raises(SimilarName) as refused:
        dispatch(CreateUser(username="Dana"), context=context)

    assert refused.value.message == "The name is easily confused with another user."


def test_a_group_with_a_similar_name_is_confirmed(chess):
    games = completed(CreateGroup(group_name="Games"))

    for command in (
        CreateGroup(group_name="CHESS"),
        RenameGroup(group_id=games.pk, group_name="\u0421hess"),
    ):
        with pytest.raises(SimilarName, match="group “Chess”"):
            dispatch(command, context=AS_SYSTEM)
    completed(RenameGroup(group_id=chess.pk, group_name="CHESS"))
    completed(CreateGroup(group_name="Chess", confirm_similar_name=True))


@pytest.mark.parametrize(
    "command",
    [
        CreateUser(username="\u0430nn", confirm_similar_name=True),
        CreateGroup(group_name="S\u0435curity", confirm_similar_name=True),
        CreateGroup(group_name="SECURITY", confirm_similar_name=True),
    ],
)
def test_no_name_may_be_like_that_of_an_approver_or_their_group(command, disabling_needs_two):
    with pytest.raises(LikeAnApprover):
        dispatch(command, context=AS_SYSTEM)


def test_a_group_that_decides_is_not_renamed_to_a_similar_name(
    disabling_needs_two, security, chess, policy_owners
):
    command = RenameGroup(group_id=security.pk, group_name="CHESS", confirm_similar_name=True)

    with pytest.raises(LikeAnApprover):
        dispatch(command, context=AS_SYSTEM)


def test_a_person_with_a_similar_name_becomes_no_approver(
    disabling_needs_two, security, dana, policy_owners
):
    User.objects.create(username="Dana")

    with pytest.raises(LikeAnApprover):
        dispatch(AddToGroup(user_id=dana.pk, group_id=security.pk), context=AS_SYSTEM)


def test_a_group_with_a_similar_name_is_in_no_policy(security, ann, bob, policy_owners):
    Group.objects.create(name="SECURITY")
    draft = CreatePolicy(governs="apikeys.disable", groups=(security.pk,), quorums=(1,))

    with pytest.raises(LikeAnApprover):
        dispatch(draft, context=AS_SYSTEM)


def test_the_page_warns_of_a_similar_name_and_asks_to_confirm_it(manager, dana, chess, browser):
    mia = browser(manager)
    for place, form in ((USERS, {"username": "Dana", "email": ""}), (GROUPS, {"name": "CHESS"})):
        shown = text(mia.post(f"{place}create/", form))
        without = confirmed(mia, f"{place}create/", form)
        answer = confirmed(mia, f"{place}create/", form, confirm_similar_name="yes")

        assert "easily confused with" in shown
        assert "Use the similar name" in shown
        assert "refused. The name is easily confused with" in " ".join(said(without))
        assert answer.status_code == 200
    assert User.objects.filter(username="Dana").exists()
    assert Group.objects.filter(name="CHESS").exists()


def test_a_rename_to_a_similar_name_is_confirmed_on_its_page(manager, chess, browser):
    mia, games = browser(manager), Group.objects.create(name="Games")

    button(mia, games, "rename", name="CHESS")
    games.refresh_from_db()
    before = games.name
    form = {"verb": "rename", "name": "CHESS"}
    confirmed(mia, f"{url_of(games)}ask/", form, confirm_similar_name="yes")
    games.refresh_from_db()

    assert (before, games.name) == ("Games", "CHESS")


def test_a_page_of_another_name_asks_for_no_confirmation_of_it(manager, browser):
    assert "similar name" not in text(browser(manager).post(f"{GROUPS}create/", {"name": "Go"}))


def test_the_form_of_a_new_approver_refuses_a_similar_name(manager, dana, security, browser):
    form = {"username": "Dana", "email": "d@example.com", "group": security.pk}

    answer = browser(manager).post(NEW_APPROVER, form)

    assert "easily confused with another one" in text(answer)
    assert not User.objects.filter(username="Dana").exists()
