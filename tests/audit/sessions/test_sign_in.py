"""Signing in and out: what is recorded, and how often it may be tried."""

import itertools
import threading

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from approvals.people.commands import SendPasswordLink
from audit.messages.exceptions import Failed
from audit.models import Allowance
from audit.models.records import CommandRecord, EventRecord
from audit.sessions import limits, recording
from tests import mails
from tests.conftest import PASSWORD, completed
from tests.threads import Crowd

PAGE = "/admin/login/"


def sign_in(client, username="ann", password=PASSWORD, **extra):
    return client.post(PAGE, {"username": username, "password": password}, **extra)


def events(message_type=None):
    found = EventRecord.objects.filter(message_type__startswith="people.").order_by("position")
    return [each for each in found if message_type in (None, each.message_type)]


@pytest.fixture
def limited(configure):
    """Three failures an hour for an account, and six for an address."""
    configure(RATE_LIMIT_SIGN_IN_PER_ACCOUNT=(3, 3600))
    configure(RATE_LIMIT_SIGN_IN_PER_ADDRESS=(6, 3600))


def test_a_sign_in_and_a_sign_out_are_recorded_with_the_address(ann, client):
    answer = sign_in(client, REMOTE_ADDR="192.0.2.7", headers={"X-Request-Id": "req-1"})
    client.post("/admin/logout/", REMOTE_ADDR="192.0.2.7")

    assert answer.status_code == 302
    signed_in, signed_out = events()
    assert (signed_in.message_type, signed_out.message_type) == (
        "people.signed_in",
        "people.signed_out",
    )
    assert signed_in.data == {"user_id": ann.pk, "username": "ann"}
    record = CommandRecord.objects.get(message_type="people.sign_in")
    assert (record.actor_id, record.client_address) == (str(ann.pk), "192.0.2.7")
    assert (record.request_id, record.status) == ("req-1", "succeeded")


@pytest.mark.parametrize(
    ("username", "known"), [("ann", True), ("nobody", False), (PASSWORD, False)]
)
def test_a_failed_sign_in_is_recorded_without_the_password(ann, client, username, known):
    answer = sign_in(client, username, "wrong horse")

    assert answer.status_code == 200
    (event,) = events("people.sign_in_failed")
    expected = {"user_id": ann.pk, "username": "ann"} if known else {"user_id": 0, "username": ""}
    assert event.data == expected
    record = CommandRecord.objects.get(message_type="people.record_failed_sign_in")
    assert record.client_address == "127.0.0.1"
    assert "horse" not in str(vars(record)) + str(event.data)


def test_a_failed_sign_in_is_recorded_by_one_look_at_the_account(ann, client):
    client.get(PAGE)

    with CaptureQueriesContext(connection) as queries:
        assert sign_in(client, password="wrong").status_code == 200

    found = [each["sql"] for each in queries if 'FROM "auth_user" WHERE' in each["sql"]]
    by_django, by_us = found
    assert all("username" in sql.partition("WHERE")[2] for sql in (by_django, by_us))


def test_the_auditors_of_a_customer_see_failures_of_its_people_only(dana, gus, iris, browser):
    sign_in(Client(), "dana", "wrong")
    sign_in(Client(), "gus", "wrong")

    found = browser(iris).get("/audit/", {"message_type": "people.record_failed_sign_in"})

    page = found.content.decode()
    assert "“dana”" in page
    assert f"account {dana.pk}" not in page
    assert "“gus”" not in page
    assert f"account:{gus.pk}" not in page


def test_the_page_of_an_account_has_its_name(dana, iris, browser):
    sign_in(Client(), "dana", "wrong")

    page = browser(iris).get(f"/audit/subjects/account/{dana.pk}").content.decode()

    assert "“dana”" in page
    assert f"account {dana.pk}" not in page


def test_the_page_of_a_command_names_the_person_of_the_account(dana, iris, browser):
    sign_in(Client(), "dana", "wrong")
    record = CommandRecord.objects.get(message_type="people.record_failed_sign_in")

    page = browser(iris).get(f"/audit/commands/{record.command_id}").content.decode()

    named = f">account {dana.pk}</a>, <bdi>“dana”</bdi>"
    # Of the command and of its event.
    assert page.count(f">account {dana.pk}</a>") == page.count(named) == 2


def test_an_account_is_throttled_and_the_log_says_so_once(ann, client, limited):
    answers = [sign_in(client, password="wrong") for _ in range(5)]
    right = sign_in(client)

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert right.status_code == 429
    assert 0 < int(right["Retry-After"]) <= 3600
    assert "Too many attempts to sign in. Try again in" in right.content.decode()
    assert len(events("people.sign_in_failed")) == 3
    (event,) = events("people.sign_in_throttled")
    assert event.data["user_id"] == ann.pk


def test_a_stranger_cannot_lock_out_somebody_in_their_own_browser(ann, client, limited):
    assert sign_in(client).status_code == 302
    client.post("/admin/logout/")
    stranger = Client(REMOTE_ADDR="203.0.113.9")
    assert [sign_in(stranger, password="wrong").status_code for _ in range(4)][-1] == 429

    assert sign_in(client).status_code == 302


def test_the_mark_of_a_browser_counts_for_its_own_account_only(ann, bob, client, limited):
    assert sign_in(client).status_code == 302
    client.post("/admin/logout/")
    stranger = Client(REMOTE_ADDR="203.0.113.9")
    assert [sign_in(stranger, "bob", "wrong").status_code for _ in range(4)][-1] == 429

    assert sign_in(client, "bob").status_code == 429
    client.cookies["device"] = client.cookies["device"].value[:-1] + "x"
    stranger = Client(REMOTE_ADDR="203.0.113.10")
    [sign_in(stranger, password="wrong") for _ in range(3)]
    assert sign_in(client).status_code == 429


def test_guesses_in_a_known_browser_are_limited_too(ann, client, limited):
    assert sign_in(client).status_code == 302
    client.post("/admin/logout/")

    assert [sign_in(client, password="wrong").status_code for _ in range(4)][-1] == 429


def test_an_address_is_throttled_across_accounts(ann, bob, client, limited):
    names = [f"name {number}" for number in range(7)]

    assert [sign_in(client, name, "wrong").status_code for name in names][-1] == 429
    assert sign_in(client).status_code == 429
    assert sign_in(Client(REMOTE_ADDR="203.0.113.9")).status_code == 302


def test_successful_attempts_use_up_nothing(ann, limited):
    for _ in range(8):
        assert sign_in(Client()).status_code == 302


def test_eight_guesses_at_once_do_not_exceed_the_limit(ann, limited):
    with Crowd(8) as crowd:
        answers = crowd.at_once(*[lambda: sign_in(Client(), password="wrong")] * 8)

    assert sum(answer.status_code == 200 for answer in answers) <= 3


def test_a_thread_stays_free_while_passwords_are_checked(ann, client, monkeypatch):
    monkeypatch.setattr(limits, "_checks", threading.BoundedSemaphore(1))
    with limits.limited(client.get(PAGE).wsgi_request, "somebody else"):
        answer = sign_in(client)

    assert (answer.status_code, answer["Retry-After"]) == (429, "2")
    assert sign_in(client).status_code == 302


def test_without_limits_nothing_is_counted(ann, client, configure):
    configure(RATE_LIMIT_SIGN_IN_PER_ACCOUNT=None, RATE_LIMIT_SIGN_IN_PER_ADDRESS=None)

    assert sign_in(client, password="wrong").status_code == 200
    assert not Allowance.objects.exists()


def test_without_a_record_nobody_is_signed_in(ann, client, monkeypatch):
    def fail(*_, **__):
        raise Failed

    monkeypatch.setattr(recording, "dispatch", fail)
    client.raise_request_exception = False

    sign_in(client)

    monkeypatch.undo()
    assert client.get("/admin/").status_code == 302


def test_a_changed_password_is_recorded_and_the_session_goes_on(ann, client):
    sign_in(client)
    new = "another horse battery"

    answer = change_password(client, new=new)

    assert answer.status_code == 302
    assert User.objects.get(pk=ann.pk).check_password(new)
    (event,) = events("people.password_changed")
    assert event.data == {"user_id": ann.pk, "username": "ann"}
    record = CommandRecord.objects.get(message_type="people.change_password")
    assert record.actor_id == str(ann.pk)
    assert new not in str(vars(record))
    assert client.get("/admin/").status_code == 200


@pytest.mark.parametrize("page", ["/password/", "/admin/password_change/"])
def test_people_change_their_own_password(page, dana, ann, client):
    """Those without access to the admin have the page as well."""
    person = ann if page.startswith("/admin/") else dana
    sign_in(client, person.username)
    assert 'href="/password/"' in client.get("/requests/").content.decode()
    shown = client.get(page)
    assert shown.status_code == 200
    assert "Enter your current password" in shown.content.decode()
    assert "Current password:" in shown.content.decode()
    weak = {"old_password": PASSWORD, "new_password1": "12345", "new_password2": "12345"}
    strong = weak | dict.fromkeys(("new_password1", "new_password2"), "another horse battery")

    refused = client.post(page, weak).content.decode()
    changed = client.post(page, strong, follow=True)

    assert "This password is too short" in refused
    assert "Your password was changed" in changed.content.decode()
    assert [event.data["user_id"] for event in events("people.password_changed")] == [person.pk]
    assert User.objects.get(pk=person.pk).check_password("another horse battery")


def test_the_page_of_ones_password_needs_a_session(client):
    for page in ("/password/", "/password/changed/"):
        assert client.get(page)["Location"] == f"/admin/login/?next={page}"
        assert client.post(page).status_code == 302


def change_password(client, old=PASSWORD, new="another horse battery", **extra):
    form = {"old_password": old, "new_password1": new, "new_password2": new}
    return client.post("/admin/password_change/", form, **extra)


def test_a_wrong_old_password_is_recorded_without_the_password(ann, browser):
    answer = change_password(browser(ann), "wrong horse", REMOTE_ADDR="192.0.2.7")

    assert answer.status_code == 200
    assert "The current password is not correct." in answer.content.decode()
    (event,) = events("people.password_change_failed")
    assert event.data == {"user_id": ann.pk, "username": "ann"}
    record = CommandRecord.objects.get(message_type="people.record_failed_password_change")
    assert (record.actor_id, record.client_address) == (str(ann.pk), "192.0.2.7")
    assert "horse" not in str(vars(record)) + str(event.data)
    assert User.objects.get(pk=ann.pk).check_password(PASSWORD)


def test_guesses_of_the_old_password_are_throttled_and_the_log_says_so_once(ann, browser, limited):
    client = browser(ann)
    answers = [change_password(client, "wrong") for _ in range(5)]
    right = change_password(client)

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert right.status_code == 429
    assert 0 < int(right["Retry-After"]) <= 3600
    assert "Too many wrong passwords. Try again in" in right.content.decode()
    assert User.objects.get(pk=ann.pk).check_password(PASSWORD)
    assert len(events("people.password_change_failed")) == 3
    (event,) = events("people.password_change_throttled")
    assert event.data == {"user_id": ann.pk, "username": "ann"}


def test_guesses_of_the_old_password_count_in_every_session_of_the_account(ann, browser, limited):
    [change_password(browser(ann), "wrong") for _ in range(3)]

    assert change_password(browser(ann), REMOTE_ADDR="203.0.113.9").status_code == 429


def test_guesses_of_the_old_password_lock_out_nobody_else(ann, bob, browser, client, limited):
    guesser = browser(ann)
    [change_password(guesser, "wrong") for _ in range(8)]

    assert sign_in(Client(), "bob").status_code == 302
    assert change_password(browser(bob)).status_code == 302
    assert sign_in(Client()).status_code == 302


def test_a_stranger_at_the_sign_in_page_stops_nobody_from_changing_a_password(
    ann, browser, limited
):
    [sign_in(Client(), password="wrong") for _ in range(8)]

    assert change_password(browser(ann)).status_code == 302


def test_changed_passwords_use_up_nothing(ann, browser, limited):
    passwords = [PASSWORD, *(f"another horse {number}" for number in range(5))]
    client = browser(ann)

    for old, new in itertools.pairwise(passwords):
        assert change_password(client, old, new).status_code == 302


def test_a_thread_stays_free_while_passwords_are_changed(ann, browser, monkeypatch):
    client = browser(ann)
    monkeypatch.setattr(limits, "_checks", threading.BoundedSemaphore(1))
    with limits.one_check():
        answer = change_password(client)

    assert (answer.status_code, answer["Retry-After"]) == (429, "2")
    assert change_password(client).status_code == 302


def test_a_thread_stays_free_while_passwords_are_set_through_links(
    ann, client, manager, context_of, monkeypatch
):
    monkeypatch.setattr(limits, "_checks", threading.BoundedSemaphore(1))
    page = opened_link(ann, client, manager, context_of)
    with limits.one_check():
        answer = set_password(client, page)

    assert (answer.status_code, answer["Retry-After"]) == (429, "2")
    assert set_password(client, page).status_code == 302


def opened_link(person, client, manager, context_of):
    """The address of the form behind the password link that the person is sent."""
    User.objects.filter(pk=person.pk).update(email="ann@example.com")
    completed(SendPasswordLink(user_id=person.pk), context=context_of(manager))
    link = next(word for word in mails.sent()[0].body.split() if "/set-password/" in word)
    return client.get(link[link.index("/set-password/") :], follow=True).request["PATH_INFO"]


def set_password(client, page, new="another horse battery"):
    return client.post(page, {"new_password1": new, "new_password2": new})


def test_a_password_set_through_a_link_is_recorded(ann, client, manager, context_of):
    set_password(client, opened_link(ann, client, manager, context_of))

    assert User.objects.get(pk=ann.pk).check_password("another horse battery")
    assert [event.data["user_id"] for event in events("people.password_changed")] == [ann.pk]
