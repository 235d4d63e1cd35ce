"""The second factor in a browser: setting it up, signing in with it, and confirming a vote."""

import base64
import re
from datetime import timedelta

import pytest
from django.conf import settings

from apikeys.commands import DisableApiKey
from approvals.models import Vote
from audit.factors import models
from audit.sessions.store import SessionStore
from tests.browser import axe
from tests.conftest import PASSWORD, held
from tests.factors import App, Clock

WIDTHS = {1440: 900, 390: 844}


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(models, "time", lambda: clock.now)
    return clock


@pytest.mark.parametrize(
    ("width", "look", "script"),
    [
        *((1440, "light", True), (390, "dark", False)),
        *(
            pytest.param(*each, marks=pytest.mark.matrix)
            for each in ((1440, "dark", True), (390, "light", True), (390, "dark", True))
        ),
    ],
)
def test_an_approver_sets_it_up_signs_in_with_it_and_votes(
    width, look, script, ann, first_key, disabling_needs_two, visitor, request, configure, clock
):
    configure(SECOND_FACTOR="approvers")
    asked = held(DisableApiKey(api_key_id=first_key.id))
    source = request.getfixturevalue("axe_source") if script else None
    window = visitor(
        viewport={"width": width, "height": WIDTHS[width]},
        color_scheme=look,
        java_script_enabled=script,
    )
    page = window.page

    def check(text):
        page.get_by_text(text).first.wait_for()
        assert window.overflow() <= 0
        assert not window.complaints
        if source:
            assert axe.grave_violations(page, source) == []
            # What it tries out on the page is against the page's policy.
            window.complaints.clear()

    window.signs_in("ann", PASSWORD)
    check("Scan this image")
    image = page.locator("img[alt^='QR code']").bounding_box()
    assert image["width"] == image["height"] >= 200
    key = page.locator(".factor-key").inner_text()
    app = App(base64.b32decode(key.replace(" ", "")), clock=clock)
    page.get_by_label("Code").fill(app.code())
    window.presses("^Set up")
    check("Copy these codes now")
    codes = re.findall(r"\b[a-z0-9]{5}(?:-[a-z0-9]{5}){3}\b", page.locator("#content").inner_text())
    assert len(codes) == models.RECOVERY_CODES
    window.follows("^Continue")
    window.presses("^Log out")

    clock.next()
    window.signs_in("ann", PASSWORD)
    check("Enter the code that your authenticator app shows")
    page.get_by_label("Code").fill(app.code())
    window.presses("^Continue")
    window.opens("/second-factor/")
    check("You have 10 recovery codes left")

    configure(STEP_UP_AFTER=timedelta(minutes=5))
    age(page, minutes=10)
    window.opens(f"/admin/approvals/approvalrequest/{asked.pk}/change/")
    page.locator("#reason").fill("Seen it")
    window.presses("^Approve")
    check("Nothing was sent yet")
    page.get_by_label("Code").fill(codes[0])
    window.presses("^Confirm")

    assert Vote.objects.get().comment == "Seen it"


def age(page, *, minutes):
    """Move the sign-in of a window into the past."""
    cookies = {each["name"]: each["value"] for each in page.context.cookies()}
    session = SessionStore(cookies[settings.SESSION_COOKIE_NAME])
    session["signed_in_at"] -= minutes * 60
    session.save()
