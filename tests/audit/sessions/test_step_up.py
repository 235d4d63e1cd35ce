"""Votes of people who signed in some time ago: they confirm the sign-in first."""

import html
import re
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from approvals.decisions.commands import Approve
from approvals.models import Vote
from approvals.models.refusals import SignInTooOld
from audit.bus.context import RequestFacts
from audit.models.records import CommandRecord, EventRecord
from tests.approvals.admin_pages import ask, decide, form, select, send
from tests.conftest import PASSWORD, completed
from tests.factors import SIGN_IN, STEP, new_app
from tests.http import call

PAGE = "/confirm-sign-in/"


@pytest.fixture
def request_(first_key, dana, disabling_needs_two, context_of):
    """A request that Ann can vote on."""
    return ask(first_key, dana, context_of)


@pytest.fixture
def client(ann, browser, configure):
    """Ann's browser. She signed in ten minutes ago, and votes take a sign-in of five minutes."""
    configure(STEP_UP_AFTER=timedelta(minutes=5))
    client = browser(ann)
    age(client, minutes=10)
    return client


def age(client, *, minutes):
    """Move the sign-in of a session, and its confirmation, into the past."""
    session = client.session
    for name in ("signed_in_at", "confirmed_at"):
        if name in session:
            session[name] -= minutes * 60
    session.save()


def carried(page):
    """Return the hidden fields of the page that asks for the confirmation."""
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page)
    return {html.unescape(name): html.unescape(value) for name, value in found}


def events():
    found = EventRecord.objects.filter(message_type__startswith="people.").order_by("position")
    return [each.message_type.removeprefix("people.") for each in found]


@pytest.mark.parametrize("verb", ["approve", "deny", "request_changes"])
def test_the_password_is_asked_for_without_losing_what_was_sent(client, request_, verb):
    reason = 'Because of "x" <b>&\nand more'
    sent = form(client, request_, verb) | {"reason": reason}

    page = send(client, request_, sent)

    assert page.status_code == 200
    assert "enter your password again" in page.content.decode()
    assert not Vote.objects.exists()
    repeated = carried(page.content.decode())
    assert repeated.items() >= {name: str(value) for name, value in sent.items()}.items()

    send(client, request_, repeated | {"confirmation": PASSWORD})

    vote = Vote.objects.get()
    assert vote.comment == reason
    assert datetime.now(UTC) - vote.authenticated_at < timedelta(minutes=2)
    assert vote.is_genuine
    assert events() == ["sign_in_confirmed"]


def test_a_wrong_password_decides_nothing_and_keeps_the_form(client, request_):
    sent = form(client, request_, "approve") | {"reason": "Fine"}

    page = send(client, request_, sent | {"confirmation": "wrong horse"})

    text = page.content.decode()
    assert "The password is not correct." in text
    assert carried(text)["reason"] == "Fine"
    assert "wrong horse" not in text
    assert not Vote.objects.exists()
    assert events() == ["confirmation_failed"]
    assert not CommandRecord.objects.filter(message_type="approvals.approve").exists()


def test_wrong_passwords_are_limited(client, request_, configure):
    configure(RATE_LIMIT_SIGN_IN_PER_ACCOUNT=(2, 3600))
    sent = form(client, request_, "approve")

    answers = [send(client, request_, sent | {"confirmation": "wrong"}) for _ in range(3)]
    right = send(client, request_, sent | {"confirmation": PASSWORD})

    assert [answer.status_code for answer in (*answers, right)] == [200, 200, 429, 429]
    assert events() == ["confirmation_failed", "confirmation_failed", "confirmation_throttled"]
    assert not Vote.objects.exists()


def test_several_at_once_take_one_confirmation(client, request_):
    page = select(client, "approve", request_, reason="All fine").content.decode()
    assert "Approve the selected requests." in page
    assert not Vote.objects.exists()

    answer = select(client, "approve", request_, reason="All fine", confirmation=PASSWORD)

    assert answer.status_code == 200
    assert Vote.objects.get().comment == "All fine"


def test_a_confirmation_is_good_for_the_same_time(client, request_):
    client.post(PAGE, {"confirmation": PASSWORD})
    age(client, minutes=4)
    decide(client, request_, "approve")
    assert Vote.objects.count() == 1

    age(client, minutes=4)
    decide(client, request_, "take_back")
    decide(client, request_, "approve")

    assert [each.decision for each in Vote.objects.order_by("cast_at")] == ["approve", "take_back"]


def test_a_confirmation_does_not_make_the_session_last_longer(client, configure):
    configure(SESSION_LASTS=timedelta(minutes=15))
    client.post(PAGE, {"confirmation": PASSWORD})

    session = client.session
    session["signed_in_at"] -= 6 * 60
    session.save()

    assert client.get(PAGE).status_code == 302


def test_a_recent_sign_in_is_not_asked(client, request_):
    age(client, minutes=-7)

    decide(client, request_, "approve")

    assert Vote.objects.exists()


def test_it_is_off_by_default(client, request_, configure):
    configure(STEP_UP_AFTER=None)

    decide(client, request_, "approve")

    assert Vote.objects.exists()


def test_the_api_refuses_with_a_code_until_the_sign_in_is_confirmed(client, request_):
    path, body = f"/api/v2/approval-requests/{request_.pk}", {"digest": request_.digest}
    refused = call(client, "POST", f"{path}/approve", body)
    assert (refused.status_code, refused.json()["code"]) == (403, "sign_in_too_old")
    assert "/confirm-sign-in/" in client.get("/docs/errors/sign-in-too-old").content.decode()
    denied = call(client, "POST", f"{path}/deny", body | {"comment": "No"})
    assert denied.json()["code"] == "sign_in_too_old"
    assert not Vote.objects.exists()

    client.post(PAGE, {"confirmation": PASSWORD})

    assert call(client, "POST", f"{path}/approve", body).status_code == 200


def test_other_reasons_to_refuse_come_first(request_, dana, browser, configure):
    configure(STEP_UP_AFTER=timedelta(0))
    path = f"/api/v2/approval-requests/{request_.pk}/approve"

    refused = call(browser(dana), "POST", path, {"digest": request_.digest})

    assert refused.json()["code"] == "own_request"


def test_a_vote_without_a_known_sign_in_is_refused(ann, request_, context_of, configure):
    configure(STEP_UP_AFTER=timedelta(minutes=5))
    vote = Approve(approval_request_id=request_.pk, digest=request_.digest)

    for facts in (RequestFacts(), RequestFacts(authenticated_at=datetime(2026, 1, 1, tzinfo=UTC))):
        with pytest.raises(SignInTooOld):
            completed(vote, context=context_of(ann, request=facts))

    recent = RequestFacts(authenticated_at=datetime.now(UTC))
    completed(vote, context=context_of(ann, request=recent))


def test_a_person_with_a_second_factor_gives_a_code(ann, request_, configure, clock):

    configure(SECOND_FACTOR="approvers", STEP_UP_AFTER=timedelta(minutes=5))
    app, codes = new_app(ann, clock)
    client = Client()
    client.post(SIGN_IN, {"username": "ann", "password": PASSWORD})
    client.post(STEP, {"code": app.code()})
    age(client, minutes=10)
    sent = form(client, request_, "approve")

    for wrong in (PASSWORD, app.code()):
        assert (
            "not correct" in send(client, request_, sent | {"confirmation": wrong}).content.decode()
        )
    send(client, request_, sent | {"confirmation": codes[0]})

    assert Vote.objects.exists()
    assert "recovery_code_used" in events()
    assert events()[-1] == "sign_in_confirmed"


def test_the_page_leads_back_only_to_this_site(client):
    there = client.post(PAGE, {"confirmation": PASSWORD, "next": "/requests/"})
    elsewhere = client.post(PAGE, {"confirmation": PASSWORD, "next": "https://elsewhere.example/"})

    assert there["Location"] == "/requests/"
    assert elsewhere["Location"] == "/"
