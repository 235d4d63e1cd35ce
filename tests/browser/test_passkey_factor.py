"""Passkeys as the second factor in a browser, with its virtual authenticator."""

import re
from datetime import timedelta

import pytest

from apikeys.commands import DisableApiKey
from approvals.models import Vote
from approvals.passkeys.commands import RemovePasskey
from approvals.passkeys.models import Passkey
from audit.bus.context import Context
from audit.factors import models
from audit.installation.settings import countersign
from audit.models.records import EventRecord
from tests.approvals.authenticators import Authenticator, registered
from tests.browser import axe
from tests.browser.devices import Device
from tests.browser.test_second_factor import age
from tests.conftest import PASSWORD, actor, completed, held, policy
from tests.factors import Clock, new_app

PAGE = "/requests/passkeys/"
STEP = "/admin/login/second-step/"
_POST = """async ([url, passkey]) => {
    const token = document.querySelector("[name=csrfmiddlewaretoken]").value;
    const body = new URLSearchParams({ passkey, csrfmiddlewaretoken: token });
    return (await fetch(url, { method: "POST", body })).status;
}"""


@pytest.fixture(autouse=True)
def _served(configure, live_server):
    """The address of the server is that of the browser."""
    configure(BASE_URL=live_server.url)


@pytest.fixture
def window(ann, bob, security, first_key, visitor, configure):
    """Ann's window, in which she has registered a passkey. She votes, and has no app."""
    policy("apikeys.disable", group=security, quorum=2, signed_votes=True)
    window = visitor()
    window.is_signed_in_as(ann)
    window.device = Device(window)
    window.opens(PAGE)
    window.page.get_by_label("Name").fill("phone")
    window.page.locator("#id_password").fill(PASSWORD)
    window.presses("^Register")
    configure(SECOND_FACTOR="approvers")
    window.page.context.clear_cookies()
    return window


def signs_in(window):
    window.signs_in("ann", PASSWORD)
    window.presses("^Use a passkey")


def is_signed_in(window):
    window.opens("/requests/")
    return "login" not in window.page.url


def test_a_passkey_signs_in_and_confirms_a_signed_vote(
    window, ann, dana, first_key, context_of, configure, axe_source
):
    asked = held(DisableApiKey(api_key_id=first_key.id), context=context_of(dana))
    window.signs_in("ann", PASSWORD)
    assert axe.grave_violations(window.page, axe_source) == []
    assert window.overflow() <= 0
    window.complaints.clear()
    window.presses("^Use a passkey")
    assert is_signed_in(window)

    configure(STEP_UP_AFTER=timedelta(minutes=5))
    age(window.page, minutes=10)
    window.opens(f"/admin/approvals/approvalrequest/{asked.pk}/change/")
    window.page.locator("#reason").fill("Seen it")
    window.presses("^Approve")
    assert window.sees("Nothing was sent yet")
    window.presses("^Use a passkey")

    # The vote was signed before the confirmation, and again after it.
    vote = Vote.objects.get()
    assert vote.comment == "Seen it"
    assert vote.assertion
    used = EventRecord.objects.filter(message_type="people.passkey_used")
    assert used.count() == 2
    assert not window.complaints


def test_a_response_is_not_accepted_again(window):
    window.signs_in("ann", PASSWORD)
    with window.page.expect_request(lambda each: each.method == "POST") as sending:
        window.presses("^Use a passkey")
    sent = sending.value.post_data_json["passkey"]
    window.page.context.clear_cookies()
    window.signs_in("ann", PASSWORD)

    assert window.page.evaluate(_POST, [STEP, sent]) == 200

    assert not is_signed_in(window)
    assert EventRecord.objects.filter(message_type="people.second_factor_failed").count() == 1


def test_a_copy_is_noticed_by_its_counter(window):
    signs_in(window)
    assert is_signed_in(window)
    window.page.context.clear_cookies()
    window.device.is_reset()

    signs_in(window)

    assert window.sees("not valid for this page")
    assert not is_signed_in(window)


def test_a_removed_passkey_is_not_accepted(window, ann):
    window.signs_in("ann", PASSWORD)
    command = RemovePasskey(passkey_id=Passkey.objects.get().pk)
    completed(command, context=Context(actor=actor(ann)))

    window.presses("^Use a passkey")

    assert not is_signed_in(window)


def test_the_passkey_of_another_person_is_not_asked_for(window, bob):
    registered(bob, Authenticator(countersign().base_url))
    window.signs_in("bob", PASSWORD)

    window.page.get_by_role("button", name=re.compile("^Use a passkey")).click()

    assert window.sees("The passkey was not used")
    assert not is_signed_in(window)


def test_without_javascript_the_page_offers_the_code(
    ann, security, first_key, visitor, configure, monkeypatch
):
    clock = Clock()
    monkeypatch.setattr(models, "time", lambda: clock.now)
    configure(SECOND_FACTOR="everyone")
    app, _ = new_app(ann, clock)
    registered(ann, Authenticator(countersign().base_url))
    window = visitor(java_script_enabled=False)
    window.signs_in("ann", PASSWORD)

    assert window.sees("JavaScript is off: turn it on for this site, or enter a code")
    assert not window.page.get_by_text("Use a passkey", exact=True).is_visible()
    window.page.get_by_label("Code").fill(app.code())
    window.presses("^Continue")

    assert is_signed_in(window)
