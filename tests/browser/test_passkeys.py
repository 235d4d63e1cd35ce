"""Passkeys in a browser: its virtual authenticator registers them, and signs votes."""

import re

import pytest

from apikeys.commands import DisableApiKey
from approvals.models import ApprovalRequest, Vote
from approvals.passkeys import listing
from approvals.passkeys.votes import Signatures
from approvals.policies import effective
from audit.installation.settings import countersign
from audit.models.records import CommandRecord, EventRecord
from tests.approvals.authenticators import Authenticator, registered
from tests.browser.devices import Device
from tests.conftest import PASSWORD, held, policy

PAGE = "/requests/passkeys/"
REQUESTS = "/admin/approvals/approvalrequest/"
# As a form sends it.
_SEND = """async ([url, body]) => {
    const headers = { "Content-Type": "application/x-www-form-urlencoded" };
    return (await fetch(url, { method: "POST", headers, body })).status;
}"""
_WITHOUT_EXCLUSIONS = """() => {
    const create = navigator.credentials.create.bind(navigator.credentials);
    navigator.credentials.create = ({ publicKey }) =>
        create({ publicKey: { ...publicKey, excludeCredentials: [] } });
}"""


@pytest.fixture
def _served(configure, live_server):
    """The address of the server is that of the browser."""
    configure(BASE_URL=live_server.url)


@pytest.fixture
def window(ann, visitor, _served):
    """Ann's window."""
    window = visitor()
    window.is_signed_in_as(ann)
    return window


@pytest.fixture
def device(window):
    """Ann's device."""
    return Device(window)


def registers(window, name="phone", *, before="() => {}"):
    window.opens(PAGE)
    window.page.evaluate(before)
    fills(window, name)
    window.presses("^Register")


def fills(window, name):
    window.page.get_by_label("Name").fill(name)
    window.page.locator("#id_password").fill(PASSWORD)


def test_passkeys_are_registered_and_removed(window, device, ann):
    registers(window)
    assert window.sees("Register the passkey")
    (first,) = listing.current(ann.pk)

    # It has one device only, which is to make a second passkey.
    registers(window, name="second", before=_WITHOUT_EXCLUSIONS)

    assert window.sees("Register the passkey")
    (_, second) = listing.current(ann.pk)
    event = EventRecord.objects.get(subject_id=str(second.pk))
    assert event.data["signed_with"] == str(first.pk)
    window.page.get_by_text("Remove", exact=True).first.click()
    window.page.locator("[name=remove-password]").first.fill(PASSWORD)
    window.presses("^Remove: phone")
    assert listing.current(ann.pk) == [second]


def test_a_device_registers_once(window, device, ann):
    registers(window)
    window.opens(PAGE)
    fills(window, "again")
    window.page.get_by_role("button", name="Register").click()

    assert window.sees("This passkey is registered already")


def test_a_device_that_does_not_verify_its_user_registers_nothing(window, device, ann):
    device.is_verified(succeeds=False)
    window.opens(PAGE)
    fills(window, "phone")
    window.page.get_by_role("button", name="Register").click()

    assert window.sees("The passkey was not used")
    assert listing.current(ann.pk) == []


@pytest.fixture
def asked(first_key, dana, ann, bob, security, context_of, _served):
    """Dana's request, which needs the signed votes of Ann and Bob."""
    policy("apikeys.disable", group=security, quorum=2, signed_votes=True)
    return held(DisableApiKey(api_key_id=first_key.id), context=context_of(dana))


def test_votes_are_signed(window, device, asked, ann):
    registers(window)
    window.opens(f"{REQUESTS}{asked.pk}/change/")
    window.presses("^Approve")

    vote = Vote.objects.get(voter=ann)
    assert vote.decision == "approve"
    assert Signatures([_read(asked)]).suffice(vote, _read(asked))

    window.opens(f"{REQUESTS}{asked.pk}/change/")
    window.presses("^Take back my vote")
    window.opens(f"{REQUESTS}{asked.pk}/change/")
    window.page.get_by_label("Reason").first.fill("Not this one")
    window.presses("^Request changes")
    assert ApprovalRequest.objects.get(pk=asked.pk).state == "denied"
    assert Vote.objects.filter(voter=ann).exclude(assertion=None).count() == 2


def test_a_vote_that_was_signed_is_accepted_once(window, device, asked, ann):
    registers(window)
    page = f"{REQUESTS}{asked.pk}/change/"
    window.opens(page)
    with window.page.expect_request(lambda each: each.method == "POST") as sending:
        window.presses("^Approve")
    sent = sending.value.post_data
    window.opens(page)
    window.presses("^Take back my vote")
    window.opens(page)

    status = window.page.evaluate(_SEND, [f"{REQUESTS}{asked.pk}/decide/", sent])

    assert status == 200
    assert [each.decision for each in Vote.objects.order_by("number")] == ["approve", "take_back"]
    refused = CommandRecord.objects.get(message_type="approvals.approve", status="refused")
    assert refused.error_code == "signature_invalid"


def test_without_a_verified_user_no_vote_is_sent(window, device, asked):
    registers(window)
    device.is_verified(succeeds=False)
    window.opens(f"{REQUESTS}{asked.pk}/change/")
    window.page.get_by_role("button", name=re.compile("^Approve")).click()

    assert window.sees("The passkey was not used")
    assert not asked.votes.exists()


def test_a_person_without_a_passkey_is_led_to_the_page(window, asked):
    window.opens(f"{REQUESTS}{asked.pk}/change/")

    assert window.sees("You have no passkey.")
    assert not window.page.get_by_role("button", name=re.compile("^Approve")).is_visible()
    window.follows("^Your passkeys$")
    assert window.sees("New passkey")


def test_without_javascript_a_vote_is_refused_with_the_reason(visitor, ann, asked):
    registered(ann, Authenticator(live_origin()))
    window = visitor(java_script_enabled=False)
    window.is_signed_in_as(ann)
    window.opens(f"{REQUESTS}{asked.pk}/change/")
    assert window.sees("Only a script can use a passkey")

    window.presses("^Approve")

    assert window.sees("requires that votes on this request are signed")
    assert not asked.votes.exists()


def live_origin():
    return countersign().base_url


def _read(request):
    effective.read([request])
    return request


@pytest.mark.usefixtures("_served")
def test_without_javascript_the_page_says_why(visitor, ann):
    window = visitor(java_script_enabled=False)
    window.is_signed_in_as(ann)
    window.opens(PAGE)

    assert window.sees("Only a script can use a passkey")
