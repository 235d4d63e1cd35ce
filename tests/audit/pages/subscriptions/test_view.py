"""The page of subscriptions."""

import pytest
from django.contrib.auth.models import Permission, User

from audit.models.subscriptions import Checkpoint, Setback
from audit.reactions import declarations, workers
from audit.testing import react
from tests.audit.reactions.things import Handler, subscribed, touched

PAGE = "/audit/subscriptions"


@pytest.fixture
def handler(monkeypatch):
    monkeypatch.setattr(declarations, "_subscriptions", {})
    monkeypatch.setattr(workers, "_runs", {})
    return Handler()


@pytest.fixture
def auditor():
    """Sees every customer, and may manage subscriptions."""
    user = User.objects.create_user("olaf", is_staff=True)
    names = ("view_commandrecord", "view_every_tenant", "manage_subscriptions")
    user.user_permissions.add(*Permission.objects.filter(codename__in=names))
    return user


@pytest.fixture
def parked(handler):
    subscribed(handler, backoff=())
    handler.failing = {("a", 1)}
    touched("a", "a", "b")
    react()
    handler.failing = set()


def test_the_page_shows_lag_failures_and_what_holds_the_horizon(
    parked, auditor, browser, owner, handler
):
    touched("b", "c")
    with owner.transaction():
        owner.execute("SELECT pg_current_xact_id(), set_config('application_name', 'batch', true)")
        page = browser(auditor).get(PAGE)
    row = [cell.strip() for cell in page.context["rows"][0].values() if isinstance(cell, str)]

    assert page.status_code == 200
    assert {"test.things", "running", "2"} <= set(row)
    assert page.context["rows"][0]["lag"]
    assert page.context["rows"][0]["parked"] == 1
    assert page.context["setbacks"][0]["waiting"] == 1
    assert "RuntimeError: it failed for a" in page.content.decode()
    assert '<input name="reason" maxlength="1000" required>' in page.content.decode()
    assert len(page.context["writers"]) >= 1
    assert 'href="/audit/subscriptions"' in browser(auditor).get("/audit/overview").content.decode()


def test_the_buttons_send_commands(parked, auditor, browser, handler):
    client = browser(auditor)
    event = {
        "subscription": "test.things",
        "about_type": "thing",
        "about_id": "a",
        "number": "1",
    }

    without_reason = client.post(PAGE, {**event, "button": "skip"}, follow=True)
    parked_still = Setback.objects.count()
    client.post(PAGE, {**event, "button": "skip", "reason": "Its customer is gone"})
    react()
    client.post(PAGE, {**event, "button": "pause"})
    paused = {each.state for each in Checkpoint.objects.all()}
    client.post(PAGE, {**event, "button": "resume"})

    client.post(PAGE, {**event, "button": "repartition", "number": "2"})

    assert "reason" in without_reason.content.decode()
    assert parked_still == 2
    assert ("a", 2) in handler.got
    assert paused == {"paused"}
    assert {each.state for each in Checkpoint.objects.all()} == {"running"}
    assert {each.partitions for each in Checkpoint.objects.all()} == {2}
    assert client.post(PAGE, {**event, "button": "delete"}).status_code == 400
    assert client.post(PAGE, {**event, "button": "skip", "number": "x"}).status_code == 400


def test_a_requeued_event_is_handled(parked, auditor, browser, handler):
    event = {"subscription": "test.things", "about_type": "thing", "about_id": "a", "number": "1"}
    browser(auditor).post(PAGE, {**event, "button": "requeue"})
    react()

    assert ("a", 1) in handler.got


def test_only_readers_of_the_whole_log_see_the_page(parked, iris, dana, browser):
    assert browser(iris).get(PAGE).status_code == 404
    assert browser(dana).get(PAGE).status_code == 403
    assert 'href="/audit/subscriptions"' not in browser(iris).get("/audit/").content.decode()


def test_the_buttons_are_only_for_those_who_may_use_them(parked, auditor, browser):
    auditor.user_permissions.remove(Permission.objects.get(codename="manage_subscriptions"))
    client = browser(User.objects.get(pk=auditor.pk))

    assert "<button" not in client.get(PAGE).content.decode().split('class="wide"')[1]
    client.post(PAGE, {"subscription": "test.things", "button": "pause"})
    assert {each.state for each in Checkpoint.objects.all()} == {"running"}
