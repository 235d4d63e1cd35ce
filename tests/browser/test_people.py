"""People and groups in a browser: a new approver with one request, and what is confirmed first."""

import os
import re
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User

from approvals.models import ApprovalRequest
from tests.browser import axe
from tests.conftest import approved

WIDTHS = {1440: 900, 390: 844}
ZONE = "America/Phoenix"


@pytest.fixture(
    params=[
        *((1440, True), (390, False)),
        *(pytest.param(other, marks=pytest.mark.matrix) for other in ((1440, False), (390, True))),
    ]
)
def olga(request, policy_owners, disabling_needs_two, visitor):
    """Olga, signed in, in a wide or a narrow window, with and without JavaScript."""
    width, script = request.param
    viewport = {"width": width, "height": WIDTHS[width]}
    window = visitor(viewport=viewport, java_script_enabled=script, timezone_id=ZONE)
    window.is_signed_in_as(policy_owners[0])
    window.runs_scripts, window.name = script, f"{width}-{script}"
    return window


@pytest.fixture
def is_fine(axe_source):
    """A function that checks that a page fits its window and is accessible."""

    def check(visitor, name):
        if folder := os.environ.get("PEOPLE_PICTURES"):
            picture = Path(folder) / f"{name}-{visitor.name}.png"
            visitor.page.screenshot(path=picture, full_page=True)
        assert visitor.overflow() <= 0, name
        assert not visitor.complaints
        if visitor.runs_scripts:
            assert axe.grave_violations(visitor.page, axe_source) == []
            # What it tries out on the page is against the page's policy.
            visitor.complaints.clear()

    return check


def test_a_new_approver_is_created_with_one_request(olga, policy_owners, security, is_fine):
    olga.opens(f"/admin/auth/group/{security.pk}/change/")
    is_fine(olga, "group")
    olga.follows("^New approver")
    is_fine(olga, "new approver")
    olga.page.get_by_label("Username").fill("erin")
    olga.page.get_by_label("E-mail address").fill("erin@example.com")
    olga.presses("^Continue")
    assert olga.sees(re.compile("Create the user “erin” as an approver in “Security”"))
    is_fine(olga, "confirmation")
    olga.page.get_by_label("Reason").fill("Starts on Monday")
    olga.presses("^Create the approver")

    assert olga.sees(re.compile("Waiting for approval by “Policy owners”"))
    is_fine(olga, "people")
    assert approved(ApprovalRequest.objects.get(), *policy_owners[1:]).state == "executed"
    assert security.user_set.filter(username="erin", is_staff=True).exists()


def test_what_needs_approval_can_be_asked_for_a_later_time(olga, policy_owners, security, is_fine):
    olga.opens(f"/admin/auth/user/new-approver/?group={security.pk}")
    olga.page.get_by_label("Username").fill("erin")
    olga.page.get_by_label("E-mail address").fill("erin@example.com")
    olga.presses("^Continue")
    zone = ZONE if olga.runs_scripts else "UTC"
    tomorrow = datetime.now(ZoneInfo(zone)).replace(second=0, microsecond=0) + timedelta(days=1)
    olga.page.get_by_label(f"Not before ({zone})").fill(f"{tomorrow:%Y-%m-%dT%H:%M}")
    is_fine(olga, "a later time")
    olga.presses("^Create the approver")

    assert olga.sees(re.compile("Waiting for approval by “Policy owners”"))
    request = ApprovalRequest.objects.get()
    assert request.execute_after == tomorrow
    assert approved(request, *policy_owners[1:]).state == "pending"
    olga.opens(f"/requests/{request.pk}/")
    assert olga.sees(re.compile("not executed before"))


def test_what_is_consequential_is_confirmed_first(olga, dana, is_fine):
    olga.opens(f"/admin/auth/user/{dana.pk}/change/")
    is_fine(olga, "person")
    olga.follows("^Deactivate")
    assert olga.sees(re.compile("Deactivate the account of “dana”"))
    assert User.objects.get(pk=dana.pk).is_active
    is_fine(olga, "deactivate")
    olga.presses("^Deactivate")

    assert olga.sees(re.compile("Deactivate the account of “dana”: done"))
    assert not User.objects.get(pk=dana.pk).is_active
    olga.follows("^Delete")
    assert olga.sees(re.compile("“dana” can't be deleted: memberships refer to this account"))
    is_fine(olga, "refusal")


def test_the_choice_of_a_group_leads_to_a_confirmation(olga, dana, security, is_fine):
    olga.opens(f"/admin/auth/user/{dana.pk}/change/")
    olga.page.locator("#approver-group").select_option(label="Security")
    olga.presses("^Make an approver")
    assert olga.sees(re.compile("Make “dana” an approver in “Security”"))
    assert olga.sees(re.compile("Grant “dana” access to the admin pages"))
    is_fine(olga, "role")
    olga.presses("^Make an approver")

    assert olga.sees(re.compile("Waiting for approval by “Policy owners”"))
    assert olga.sees(re.compile("Waiting requests about dana"))
    is_fine(olga, "person with a request")
