"""Passkeys in a browser: its virtual authenticator registers them, and signs votes."""

import pytest

from approvals.passkeys import listing
from audit.models.records import EventRecord
from tests.conftest import PASSWORD

PAGE = "/requests/passkeys/"
_WITHOUT_EXCLUSIONS = """() => {
    const create = navigator.credentials.create.bind(navigator.credentials);
    navigator.credentials.create = ({ publicKey }) =>
        create({ publicKey: { ...publicKey, excludeCredentials: [] } });
}"""


class Device:
    """A virtual authenticator of the browser: https://chromedevtools.github.io/devtools-protocol."""

    def __init__(self, window):
        self.session = window.page.context.new_cdp_session(window.page)
        self.session.send("WebAuthn.enable")
        self.id = self._added()

    def is_verified(self, *, succeeds):
        """Let the user verification succeed or fail from now on."""
        command = {"authenticatorId": self.id, "isUserVerified": succeeds}
        self.session.send("WebAuthn.setUserVerified", command)

    def _added(self):
        options = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": False,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
        }
        added = self.session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        return added["authenticatorId"]


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


@pytest.mark.usefixtures("_served")
def test_without_javascript_the_page_says_why(visitor, ann):
    window = visitor(java_script_enabled=False)
    window.is_signed_in_as(ann)
    window.opens(PAGE)

    assert window.sees("Only a script can use a passkey")
