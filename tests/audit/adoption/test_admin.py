"""Pages of the admin as commands: add, change, delete and actions, held and sent again."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db import connection

from approvals.models import ApprovalRequest
from audit.models.records import CommandRecord
from tests.articles.models import Article
from tests.conftest import approved, policy

LIST = "/articles-admin/articles/article/"


@pytest.fixture
def editor(rita, browser):
    """Rita's browser; she may change articles in the admin."""
    rita.is_staff = True
    rita.save()
    rita.user_permissions.add(*Permission.objects.filter(content_type__app_label="articles"))
    return browser(rita)


@pytest.fixture
def form(rita):
    """The form of an article."""
    return {"slug": "one", "title": "One", "password": "", "author": rita.pk}


def statuses():
    found = CommandRecord.objects.filter(channel="admin").order_by("position")
    return [(each.message_type.removeprefix("articles."), each.status) for each in found]


def act(client, action, article, **more):
    return client.post(LIST, {"action": action, "_selected_action": [article.pk], **more})


def test_a_user_is_added_by_the_form_of_django(rita, browser):
    rita.is_staff = rita.is_superuser = True
    rita.save()
    page = "/articles-admin/auth/user/"
    given = {"username": "tom", "usable_password": "true"}
    passwords = dict.fromkeys(("password1", "password2"), "correct horse battery")

    added = browser(rita).post(f"{page}add/", given | passwords)

    tom = User.objects.get(username="tom")
    assert (added.status_code, added.headers["Location"]) == (302, f"{page}{tom.pk}/change/")
    (record,) = CommandRecord.objects.filter(message_type="auth.add_user_in_admin")
    assert record.status == "succeeded"
    assert "correct horse" not in str(record.data)


def test_forms_and_actions_are_commands(editor, form):
    bad = editor.post(f"{LIST}add/", form | {"slug": "not a slug"})
    added = editor.post(f"{LIST}add/", form)
    article = Article.objects.get()
    changed = editor.post(f"{LIST}{article.pk}/change/", form | {"password": "open sesame"})
    liked = act(editor, "like", article)
    downloaded = act(editor, "download", article)
    asked = act(editor, "delete_selected", article)
    deleted = editor.post(f"{LIST}{article.pk}/delete/", {"post": "yes"})
    missing = editor.post(f"{LIST}{article.pk}/change/", form)

    assert bad.status_code == 200
    assert [each.status_code for each in (added, changed, liked, deleted)] == [302] * 4
    assert (downloaded.content, asked.status_code) == (b"one", 200)
    assert missing.status_code in (302, 404)
    assert statuses() == [
        ("add_article_in_admin", "refused"),
        ("add_article_in_admin", "succeeded"),
        ("change_article_in_admin", "succeeded"),
        ("act_on_article_in_admin", "succeeded"),
        ("act_on_article_in_admin", "succeeded"),
        ("act_on_article_in_admin", "succeeded"),
        ("delete_article_in_admin", "succeeded"),
        ("change_article_in_admin", statuses()[-1][1]),
    ]
    data = str(list(CommandRecord.objects.values_list("data", flat=True)))
    assert "open sesame" not in data
    assert "csrf" not in data


def test_a_held_form_is_sent_again_as_its_requester(editor, form, rita, security, ann):
    policy("articles.*", group=security, quorum=1)
    article = Article.objects.create(slug="old", title="Old", author=rita)

    bad = editor.post(f"{LIST}add/", form | {"slug": "not a slug"})
    held = editor.post(f"{LIST}add/", form, follow=True)
    asked = act(editor, "delete_selected", article)
    confirmed = act(editor, "delete_selected", article, post="yes")

    assert (bad.status_code, asked.status_code, confirmed.status_code) == (200, 200, 302)
    (message,) = held.context["messages"]
    assert str(message).startswith("This needs approval, and was requested.")
    assert [each.slug for each in Article.objects.all()] == ["old"]

    for request in ApprovalRequest.objects.order_by("pk"):
        assert approved(request, ann).outcome == "Approved and executed."

    assert [each.slug for each in Article.objects.all()] == ["one"]
    assert set(LogEntry.objects.values_list("user_id", flat=True)) == {rita.pk}


def test_a_command_that_a_policy_forbids_is_a_message(editor, form, security):
    policy("articles.*", group=security, quorum=1, effect="forbid", message="Not in August.")

    refused = editor.post(f"{LIST}add/", form, follow=True)

    assert [str(each) for each in refused.context["messages"]] == ["Not in August."]
    assert not Article.objects.exists()


def test_atomic_requests_may_be_on(editor, form, monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)

    added = editor.post(f"{LIST}add/", form)

    assert added.status_code == 302
    assert statuses() == [("add_article_in_admin", "succeeded")]
