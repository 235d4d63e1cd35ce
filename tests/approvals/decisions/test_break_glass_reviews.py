"""Reviews of break-glass over HTTP: two policy owners decide them, however long it takes."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.utils import timezone

from approvals.decisions import evidence
from approvals.models import ApprovalRequest
from approvals.models.requests import NEVER
from audit.models.records import CommandRecord, EventRecord
from tests import mails
from tests.approvals.asking import KEYS, REQUESTS, address, decide, ids
from tests.conftest import member, policy
from tests.http import call
from tests.processes import take_steps


@pytest.fixture
def fay(acme):
    """Fay may break the glass, and approves nothing."""
    permissions = ("break_glass", "view_approvalrequest")
    return member("fay", acme, permissions=permissions, is_staff=True)


def break_glass(browser, request, person):
    form = {"decision": "break_glass", "reason": "Leak in progress", "ticket": "INC-17"}
    page = f"/admin/approvals/approvalrequest/{request.pk}/decide/"
    assert browser(person).post(page, form).status_code == 302
    return ApprovalRequest.objects.get(message_type="approvals.review_break_glass")


@pytest.fixture
def review(asked, policy_owners, fay, browser):
    """The review of Fay's use of break-glass on Dana's request."""
    return break_glass(browser, asked, fay)


def test_the_person_who_broke_the_glass_cannot_withdraw_the_review(review, fay, browser):
    answer = decide(browser(fay), review, "withdraw", comment="Never mind")

    review.refresh_from_db()
    assert (answer.status_code, answer.json()["code"]) == (409, "must_be_decided")
    assert review.state == "pending"
    record = CommandRecord.objects.get(command_id=answer["Command-Id"])
    assert (record.status, record.error_code) == ("refused", "must_be_decided")


def test_its_page_offers_no_withdrawal_and_names_no_deadline(review, fay, browser):
    page = f"/admin/approvals/approvalrequest/{review.pk}/change/"

    content = browser(fay).get(page).content.decode()

    assert "Withdraw my request" not in content
    assert "no deadline: it has to be decided" in content
    assert "9998" not in content


def test_it_does_not_expire(review, monkeypatch):
    later = timezone.now() + timedelta(days=3650)
    monkeypatch.setattr(timezone, "now", lambda: later)

    take_steps()

    review.refresh_from_db()
    assert review.present_state == "pending"
    assert review.approve_by == NEVER


def test_policies_on_everything_give_it_no_deadline(asked, policy_owners, security, fay, browser):
    policy("*", group=security, quorum=1, approve_within=timedelta(hours=1),
           execute_within=timedelta(hours=1))  # fmt: skip
    form = {"decision": "break_glass", "reason": "Leak in progress", "ticket": "INC-17"}
    browser(fay).post(f"/admin/approvals/approvalrequest/{asked.pk}/decide/", form)

    for held in ApprovalRequest.objects.filter(message_type="approvals.review_break_glass"):
        assert (held.approve_by, held.execute_by) == (NEVER, None)


def test_the_api_and_the_inbox_show_it_with_its_distant_deadline(review, policy_owners, browser):
    olga = browser(policy_owners[0])
    policy_owners[0].user_permissions.add(Permission.objects.get(codename="view_approvalrequest"))

    shown = olga.get(address(review)).json()

    assert shown["approve_by"] == "9998-12-31T00:00:00Z"
    assert str(review.pk) in ids(olga.get(f"{REQUESTS}?state=pending"))
    assert "no deadline" in olga.get("/admin/approvals/approvalrequest/").content.decode()


def test_two_owners_decide_it(review, policy_owners, browser):
    for owner in policy_owners[:2]:
        answer = decide(browser(owner), review, "approve")

    assert answer.json()["state"] == "executed"


@pytest.fixture
def own(client, first_key, disabling_needs_two, policy_owners, dana, browser):
    """The review of Dana's use of break-glass on the request of her own key."""
    User.objects.filter(username="olga").update(email="olga@example.com")
    for codename in ("break_glass", "view_approvalrequest"):
        dana.user_permissions.add(Permission.objects.get(codename=codename))
    dana.is_staff = True
    dana.save()
    call(client, "POST", f"{KEYS}/{first_key.id}/disable", {"reason": "Leaked"}, key=first_key)
    return break_glass(browser, ApprovalRequest.objects.get(), dana)


def test_breaking_the_glass_for_an_own_request_is_marked_everywhere(
    own, dana, policy_owners, browser
):
    request = ApprovalRequest.objects.get(message_type="apikeys.disable")
    marked = "on their own request"
    used = browser(policy_owners[0]).get(address(request)).json()["break_glass"]
    assert (used["own_request"], bool(used["ticket"])) == (True, True)

    assert f"{marked}, ticket" in request.outcome
    assert marked in browser(dana).get(address(request)).json()["outcome"]
    page = f"/admin/approvals/approvalrequest/{request.pk}/change/"
    assert marked in browser(dana).get(page).content.decode()
    event = EventRecord.objects.get(message_type="approvals.glass_broken")
    assert event.data["own_request"] is True
    record = CommandRecord.objects.get(message_type="approvals.break_glass")
    assert record.decision["own_request"] is True
    assert marked in own.command().describe("")
    (alarm,) = [mail for mail in mails.sent() if "Break-glass was used" in mail.subject]
    assert alarm.subject == "[Countersign] Break-glass was used by the requester"
    assert marked in alarm.body


def test_the_evidence_of_it_says_so(own):
    request = ApprovalRequest.objects.get(message_type="apikeys.disable")

    gathered = evidence.gather(request)

    (event,) = [e for e in gathered["events"] if e["message_type"] == "approvals.glass_broken"]
    assert event["data"]["own_request"] is True
    assert evidence.problems_of(request, gathered) == []


def test_breaking_it_for_another_person_is_not_marked(review):
    event = EventRecord.objects.get(message_type="approvals.glass_broken")

    assert event.data["own_request"] is False
    assert "own request" not in review.command().describe("")
