"""Keeping on record who reads the log, where the settings ask for it."""

import re

import pytest
from django.contrib.auth.models import User
from django.urls import URLPattern
from django.views.generic import RedirectView

from audit.models.records import CommandRecord
from audit.urls import pages
from tests.audit.reading import story_of
from tests.conftest import policy

# A redirect shows nothing of the log.
PAGES = [
    pattern
    for pattern in pages
    if getattr(pattern.callback, "view_class", None) is not RedirectView
]


@pytest.fixture
def recorded(configure):
    """Page views are recorded."""
    configure(RECORD_PAGE_VIEWS=True)


def views():
    """What is on record of pages that were opened, oldest first."""
    found = CommandRecord.objects.filter(message_type="audit.view_page").order_by("position")
    return list(found)


def test_reading_is_not_recorded_unless_it_is_asked_for(first_key, read):
    read("/audit/")

    assert views() == []


def test_each_page_that_is_opened_is_on_record(recorded, first_key, iris, browser):
    client = browser(iris)

    client.get("/audit/", {"actor": "dana"}, headers={"X-Request-Id": "r-1"})

    (view,) = views()
    assert view.data == {"method": "GET", "path": "/audit/", "query": "actor=dana"}
    assert (view.actor_id, view.actor_label) == (str(iris.pk), "iris")
    assert (view.status, view.request_id) == ("succeeded", "r-1")


@pytest.mark.parametrize("pattern", PAGES, ids=lambda pattern: pattern.name)
def test_no_page_of_the_log_can_be_read_past_the_record(
    recorded, first_key, iris, browser, pattern: URLPattern
):
    record = CommandRecord.objects.get(message_type="apikeys.create")
    known = {
        "subject_type": "api-key",
        "subject_id": first_key.id,
        "correlation_id": record.correlation_id,
        "command_id": record.command_id,
        "kind": "user",
        "actor_id": record.actor_id,
    }
    path = re.sub(r"<\w+:(\w+)>", lambda found: str(known[found[1]]), str(pattern.pattern))
    # Some pages are for readers of the whole log.
    User.objects.filter(pk=iris.pk).update(is_superuser=True)

    for method in ("get", "head"):
        assert getattr(browser(iris), method)(f"/audit/{path}").status_code == 200

    assert [view.data["method"] for view in views()] == ["GET", "HEAD"]


def test_the_log_and_the_histories_in_the_admin_are_recorded_too(
    recorded, first_key, iris, browser
):
    client = browser(iris)
    record = CommandRecord.objects.get(message_type="apikeys.create")
    history = f"/admin/apikeys/apikey/{first_key.id}/history/"
    paths = [
        "/admin/audit/commandrecord/",
        f"/admin/audit/commandrecord/{record.pk}/change/",
        "/admin/audit/eventrecord/",
        history,
        f"{history}{first_key.row.history.latest().pk}/",
    ]

    for path in paths:
        assert client.get(path).status_code == 200

    assert [view.data["path"] for view in views()] == paths


def test_an_attempt_at_what_is_not_ones_own_is_recorded(recorded, globex_key, iris, browser):
    assert browser(iris).get(story_of(globex_key.id)).status_code == 404

    (view,) = views()
    assert view.data["path"] == story_of(globex_key.id)


def test_who_may_not_read_it_did_not_open_a_page(recorded, first_key, ann, browser):
    assert browser(ann).get("/audit/").status_code == 403

    assert views() == []


def test_what_was_looked_for_is_kept_as_it_was_written_up_to_a_length(recorded, read):
    read("/audit/?subject=%00" + "x" * 3000)

    (view,) = views()
    assert view.data["query"].startswith("subject=%00xxx")
    assert len(view.data["query"]) == 2000


def test_a_page_that_cannot_be_recorded_is_not_shown(recorded, first_key, iris, browser, owner):
    client = browser(iris)
    history = f"/admin/apikeys/apikey/{first_key.id}/history/"
    owner.execute("REVOKE INSERT (data) ON audit_commandrecord FROM countersign_app")

    try:
        answers = [client.get(path) for path in ("/audit/", story_of(first_key.id), history)]
    finally:
        owner.execute("GRANT INSERT (data) ON audit_commandrecord TO countersign_app")

    for answer in answers:
        assert answer.status_code == 503
        assert "the page is not shown" in answer.content.decode()
        assert str(first_key.id) not in answer.content.decode()


def test_a_policy_that_would_hold_it_keeps_the_page_closed(
    recorded, first_key, security, ann, bob, iris, browser
):
    policy("audit.view_page", group=security, quorum=2)

    answer = browser(iris).get("/audit/")

    assert answer.status_code == 503
    assert views()[0].status == "refused"


@pytest.mark.parametrize("page", ["/audit/", "/audit/export"])
def test_a_secret_in_a_search_is_replaced_by_its_prefix(recorded, first_key, iris, browser, page):
    client, secret, prefix = browser(iris), first_key.secret, first_key.row.prefix

    moved = client.get(page, {"q": secret, "status": "succeeded"})
    shown = client.get(moved["Location"]).content.decode()

    assert moved["Location"] == f"{page}?q={prefix}&status=succeeded"
    assert moved.content == b""
    assert secret not in shown
    assert [view.data["query"] for view in views()] == [f"q={prefix}&status=succeeded"]


def test_a_secret_in_a_search_finds_its_key(first_key, iris, browser):
    shown = browser(iris).get("/audit/", {"q": first_key.secret}, follow=True).content.decode()

    assert f"/audit/subjects/api-key/{first_key.id}" in shown


@pytest.mark.parametrize("page", ["audit/commandrecord", "apikeys/apikey"])
def test_a_secret_in_a_search_of_the_admin_is_replaced_by_its_prefix(
    recorded, first_key, iris, browser, page
):
    shown = browser(iris).get(f"/admin/{page}/", {"q": first_key.secret}, follow=True)

    assert shown.redirect_chain == [(f"/admin/{page}/?q={first_key.row.prefix}", 302)]
    assert first_key.secret not in shown.content.decode()
    assert first_key.secret not in str([view.data for view in views()])
