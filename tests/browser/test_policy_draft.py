"""A draft of a policy in a browser: each step is a form, and the address never has the draft."""

import os
import re
from pathlib import Path

from approvals.models import ApprovalRequest
from tests.conftest import PASSWORD

NEW = "/admin/approvals/policy/new/"
DRAFT = {"governs": "apikeys.disable", "group_0": "Security", "quorum_0": "1"}


def picture(visitor, name):
    """Store a screenshot, if DRAFT_PICTURES names a folder."""
    if folder := os.environ.get("DRAFT_PICTURES"):
        visitor.page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def test_a_draft_is_corrected_previewed_changed_and_proposed(policy_owners, ann, visitor):
    olga = visitor()
    olga.signs_in("olga", PASSWORD)
    olga.opens(NEW)
    picture(olga, "new")
    olga.page.get_by_text("Names for the condition").click()
    picture(olga, "names")
    assert olga.sees("every command: actor.id")

    status = olga.sends(DRAFT | {"condition": 'subject.scopes.map(s, s + "x") == []'})
    picture(olga, "error")
    assert status == 200
    assert olga.sees("at 1:19: “map” would build a list.")
    assert olga.sees("subject.scopes")

    assert olga.sends({"condition": '"write" in subject.scopes'}) == 200
    picture(olga, "preview")
    assert olga.sees("No commands of these types are in the log.")
    olga.presses("^Change the draft")
    assert olga.page.locator("[name=condition]").input_value() == '"write" in subject.scopes'
    olga.presses("^Preview")
    olga.page.get_by_label("Reason").fill("Leaked keys")
    assert olga.page.url.endswith(NEW)
    olga.presses("^Propose")

    assert olga.sees(re.compile("Waiting for approval by “Policy owners”"))
    assert ApprovalRequest.objects.get().reason == "Leaked keys"
