"""The tasks of an auditor in a browser, each in as few clicks as it should take."""

import json
import re
from pathlib import Path

import pytest

from apikeys.commands import DisableApiKey
from approvals.decisions.commands import Approve
from approvals.models import ApprovalRequest
from approvals.sealing import evidence_files
from audit.bus.dispatch import dispatch
from tests.browser import axe
from tests.conftest import completed


@pytest.fixture
def disabled(first_key, dana, ann, bob, disabling_needs_two, context_of):
    """Dana's request to disable her key, which Ann and Bob approved."""
    outcome = dispatch(
        DisableApiKey(api_key_id=first_key.id), context=context_of(dana, reason="Leaked")
    )
    request = ApprovalRequest.objects.get(command_id=outcome.command_id)
    for person in (ann, bob):
        vote = Approve(approval_request_id=request.pk, digest=request.digest)
        completed(vote, context=context_of(person))
    return request


@pytest.fixture
def at_iris(visitor, iris):
    """Iris in front of the search, whose clicks are counted."""
    window = visitor()
    window.is_signed_in_as(iris)
    window.opens("/audit/")
    window.clicked = 0

    def click(role, name):
        window.clicked += 1
        window.clicks(role, name)

    window.click = click
    return window


def test_an_auditor_needs_few_clicks(at_iris, disabled, axe_source):
    page = at_iris.page

    # 1. Find the commands on a key by its name: one click.
    page.get_by_role("textbox", name="Search").fill("first")
    at_iris.click("button", "^Search$")
    page.get_by_text("Searched for").wait_for()
    assert at_iris.clicked == 1

    # 2. and 3. Who approved, and why it was requested: none more.
    row = page.locator("table.log tr", has_text="Disable API key").filter(has_text="succeeded")
    assert "approved by ann, bob" in row.first.inner_text()
    assert "Leaked" in row.first.inner_text()
    assert at_iris.clicked == 1

    # 4. What the auditor cannot see: none more.
    assert page.get_by_text("You see Acme. Not shown: other customers").is_visible()
    assert at_iris.clicked == 1

    # 5. A signed report to hand over: one click, and one for the same as JSON.
    at_iris.click("button", "^Case file$")
    page.get_by_text("Verify it, without a database, with").wait_for()
    assert at_iris.clicked == 2
    assert at_iris.overflow() <= 0
    assert not at_iris.complaints
    assert axe.grave_violations(page, axe_source) == []
    at_iris.complaints.clear()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as signed JSON").click()
    file = Path(download.value.path()).read_bytes()
    verified = evidence_files.verify(file, expected_key=None)
    assert verified.evidence["request"]["id"] == str(disabled.pk)
    assert download.value.suggested_filename.endswith(".json")


def test_a_case_file_prints_without_the_frame_of_the_site(at_iris, disabled):
    page = at_iris.page
    at_iris.opens(f"/audit/cases/{disabled.command_id}")
    at_iris.click("button", "^Case file$")
    page.get_by_text("Verify it, without a database, with").wait_for()

    page.emulate_media(media="print")

    assert not page.locator("#header").is_visible()
    assert not page.get_by_text("Download as signed JSON").is_visible()
    assert page.get_by_role("heading", name="Votes").is_visible()
    assert page.get_by_text(disabled.digest).first.is_visible()


def test_a_vote_is_named_by_what_it_decided(at_iris, disabled):
    at_iris.opens("/audit/?message_type=approvals.approve")

    votes = at_iris.page.get_by_role("link", name=re.compile("^Approve: disable API key “first”"))

    assert votes.count() == 2
    assert json.dumps(at_iris.complaints) == "[]"
