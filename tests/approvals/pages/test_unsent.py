"""A decision that was sent after the session had ended: nothing happens, and nothing is lost."""

import pytest
from django.test import Client
from django.urls import reverse

from audit.models.records import CommandRecord
from tests.approvals.admin_pages import LIST, decide
from tests.conftest import PASSWORD

REASON = "Checked with the partner, <b>twice</b>"
SHOWN = "Checked with the partner, &lt;b&gt;twice&lt;/b&gt;</textarea>"


@pytest.fixture
def late(waiting, ann):
    """Ann's browser: its session has ended, and the form that it still showed was sent."""
    client = Client()
    fields = {"decision": "deny", "digest": waiting.digest, "person": ann.pk, "reason": REASON}
    response = client.post(decide_url(waiting), fields)
    assert response["Location"] == f"/admin/login/?next={decide_url(waiting)}"
    return client


def decide_url(asked):
    return reverse("admin:approvals_approvalrequest_decide", args=[asked.pk])


def signed_in(client, asked, username):
    """Sign in where the form has led to, and return the page after it."""
    fields = {"username": username, "password": PASSWORD}
    return client.post(f"/admin/login/?next={decide_url(asked)}", fields, follow=True)


def test_after_signing_in_again_the_reason_is_in_the_form_and_nothing_is_decided(
    late, waiting, ann
):
    page = signed_in(late, waiting, "ann")

    content = page.content.decode()
    assert page.redirect_chain[-1][0] == f"{LIST}{waiting.pk}/change/"
    assert "Nothing was decided. If you had to sign in again, send the form once more." in content
    assert SHOWN in content
    assert not waiting.votes.exists()


def test_another_person_does_not_see_the_reason(late, waiting, bob):
    content = signed_in(late, waiting, "bob").content.decode()

    assert "Nothing was decided" in content
    assert "Checked with the partner" not in content


def test_the_reason_is_gone_once_a_decision_is_sent(late, waiting, ann):
    signed_in(late, waiting, "ann")
    decide(late, waiting, "approve")

    content = late.get(f"{LIST}{waiting.pk}/change/").content.decode()

    assert "Checked with the partner" not in content


def test_a_forged_reason_is_not_shown(waiting, ann, browser):
    client = browser(ann)
    client.cookies["unsent_reason"] = "forged:signature"

    content = client.get(f"{LIST}{waiting.pk}/change/").content.decode()

    assert "forged" not in content


def test_the_cookie_is_for_this_request_and_out_of_reach_of_scripts(late, waiting):
    cookie = late.cookies["unsent_reason"]

    assert cookie["path"] == f"{LIST}{waiting.pk}/"
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"


def test_a_reason_that_is_too_long_for_a_cookie_is_not_kept(waiting, ann):
    client = Client()
    fields = {"person": ann.pk, "reason": "".join(map(chr, range(0x4E00, 0x4E00 + 4000)))}

    client.post(decide_url(waiting), fields)

    assert "unsent_reason" not in client.cookies


def test_several_decisions_sent_after_the_session_lead_back_to_the_list(waiting, ann, browser):
    response = browser(ann).get(f"{LIST}selected/", follow=True)

    assert response.redirect_chain[-1][0] == LIST
    assert "Nothing was decided." in response.content.decode()


@pytest.fixture
def own_page(waiting):
    return f"/requests/{waiting.pk}/"


def test_a_comment_of_the_requester_is_kept_as_well(waiting, dana, own_page):
    client = Client()
    fields = {"decision": "comment", "person": dana.pk, "reason": REASON}

    assert client.post(own_page, fields)["Location"] == f"/admin/login/?next={own_page}"
    content = client.post(
        f"/admin/login/?next={own_page}", {"username": "dana", "password": PASSWORD}, follow=True
    ).content.decode()

    assert "Nothing was sent, because you had to sign in again." in content
    assert content.count(SHOWN) == 2  # to comment and to withdraw
    assert not CommandRecord.objects.filter(message_type="approvals.comment").exists()
    client.post(own_page, fields)
    content = client.get(own_page).content.decode()
    assert "Nothing was sent" not in content
    assert content.count(SHOWN) == 0


def test_the_cookie_of_the_requester_is_for_the_own_page(waiting, dana, own_page):
    client = Client()

    client.post(own_page, {"person": dana.pk, "reason": REASON})

    assert client.cookies["unsent_reason"]["path"] == own_page
