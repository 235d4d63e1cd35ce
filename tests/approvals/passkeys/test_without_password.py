"""People without a password, who use single sign-on: a recent sign-in takes its place."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client

from approvals.passkeys import listing
from approvals.passkeys.models import Passkey
from tests.approvals.authenticators import ORIGIN, Authenticator, registered, registration

PAGE = "/requests/passkeys/"


@pytest.fixture
def client(ann, browser, configure):
    """Ann's browser. She has signed in just now, without a password."""
    configure(BASE_URL=ORIGIN, SINGLE_SIGN_ON=True)
    ann.set_unusable_password()
    ann.save()
    return browser(User.objects.get(pk=ann.pk))


def age(client, *, minutes):
    session = client.session
    session["signed_in_at"] -= minutes * 60
    session.save()


def registers(client, person):
    page = client.get(PAGE)
    assert 'name="password"' not in page.text
    command = registration(person, Authenticator(), nonce=page.context["signed_values"]["nonce"])
    response = {"attestation": command.attestation, "client_data": command.client_data}
    return client.post(PAGE, {"passkey_name": "key", **response}, follow=True).text


def test_a_recent_sign_in_is_enough_for_a_passkey(client, ann):
    registers(client, ann)
    assert listing.current(ann.pk)

    client.post(f"{PAGE}{Passkey.objects.get().pk}/remove/")

    assert not listing.current(ann.pk)


def test_an_older_sign_in_is_not(client, ann):
    registered(ann, Authenticator())
    age(client, minutes=11)

    page = registers(client, ann)
    assert "Log out and sign in again and then repeat this." in page
    removal = client.post(f"{PAGE}{Passkey.objects.get().pk}/remove/", follow=True)

    assert "signed in more than ten minutes ago" in removal.text
    assert len(listing.current(ann.pk)) == 1


def test_a_password_is_still_asked_of_those_who_have_one(bob, browser, client):
    assert 'name="password"' in browser(bob).get(PAGE).text


def test_the_page_to_confirm_says_what_to_do_without_a_factor(client, configure):
    configure(STEP_UP_AFTER=timedelta(minutes=5))

    page = client.get("/confirm-sign-in/")

    assert "log out and sign in again" in page.text
    assert '<form method="post">' not in page.text.split('id="content"')[1]
    assert client.post("/confirm-sign-in/", {"confirmation": ""}).status_code == 200


def test_nobody_else_gets_in(client):
    assert Client().post(PAGE, {"passkey_name": "key"}).status_code == 302
