"""Requested changes end a request like a denial, with a label and an outcome code of their own."""

import pytest
from django.contrib.auth.models import User

from apikeys.models import ApiKey
from approvals.decisions.commands import RequestChanges
from approvals.decisions.evidence import gather, problems_of
from approvals.models import ApprovalRequest
from audit.messages.exceptions import Forbidden, Invalid
from audit.models.records import CommandRecord, EventRecord
from audit.tracking.folding import fold
from tests import mails
from tests.approvals.admin_pages import decide as decide_on_page
from tests.approvals.admin_pages import form, page, said, send, text
from tests.approvals.asking import address, decide
from tests.conftest import completed
from tests.http import call

OUTCOME = "Changes requested by bob: “Name the incident”"


@pytest.fixture
def request_changes(context_of):
    """A function that requests changes as a user."""
    return lambda request, person, reason="Name the incident": completed(
        RequestChanges(approval_request_id=request.pk, digest=request.digest),
        context=context_of(person, reason=reason),
    )


def test_it_ends_the_request_as_denied_with_its_own_code(waiting, bob, request_changes):
    request = request_changes(waiting, bob)

    assert (request.state, request.outcome_code) == ("denied", "changes_requested")
    assert request.outcome == OUTCOME
    assert not ApprovalRequest.objects.get().is_retriable
    record = CommandRecord.objects.get(command_id=waiting.command_id, attempt=2)
    assert (record.status, record.error_code) == ("cancelled", "denied")
    assert record.error_message == OUTCOME
    assert EventRecord.objects.filter(message_type="approvals.changes_requested").count() == 1
    assert [vote.decision for vote in waiting.votes.all()] == ["deny"]
    assert ApiKey.objects.get().is_enabled


def test_its_evidence_fits_together(waiting, bob, request_changes):
    request_changes(waiting, bob)

    request = ApprovalRequest.objects.get()
    assert problems_of(request, gather(request)) == []


def test_it_names_the_changes(waiting, bob, request_changes):
    with pytest.raises(Invalid, match="name the changes"):
        request_changes(waiting, bob, " ")

    assert ApprovalRequest.objects.get().state == "pending"


def test_only_approvers_request_changes(waiting, dana, request_changes):
    with pytest.raises(Forbidden):
        request_changes(waiting, dana)

    assert ApprovalRequest.objects.get().state == "pending"


def test_the_requester_is_notified(waiting, bob, dana, request_changes):
    User.objects.filter(pk=dana.pk).update(email="dana@example.com")

    request_changes(waiting, bob)

    (message,) = mails.sent()
    assert message.subject.startswith("[Countersign] Changes requested: Disable API key")
    assert OUTCOME in message.body


def test_the_requester_can_resubmit(waiting, bob, dana, request_changes, browser):
    request_changes(waiting, bob)

    answer = decide(browser(dana), waiting, "raise-again", comment="Incident 7")

    assert answer.status_code == 202
    assert ApprovalRequest.objects.order_by("pk").last().reason == "Incident 7"


def test_the_page_has_a_button_and_shows_the_label(waiting, bob, browser):
    client = browser(bob)
    assert 'value="request_changes"' in page(client, waiting)

    answer = decide_on_page(client, waiting, "request_changes", reason="Name the incident")

    assert said(answer)[0].startswith("Changes requested: Disable API key")
    shown = page(client, waiting)
    assert OUTCOME in shown
    assert "Requested changes" in shown


def test_the_votes_and_the_timeline_say_that_changes_were_requested(waiting, bob, browser):
    client = browser(bob)
    decide_on_page(client, waiting, "request_changes", reason="Another key")

    content = text(page(client, waiting))

    assert "bob requested changes ended the request" in content
    assert "Not executed: bob requested changes" in content


def test_an_empty_one_is_not_recorded(waiting, bob, browser):
    client = browser(bob)

    answer = send(client, waiting, form(client, waiting, "request_changes") | {"reason": ""})

    assert "Name the changes" in said(answer)[0]
    assert not CommandRecord.objects.filter(message_type="approvals.request_changes").exists()


def test_the_api_requests_changes(asked, bob, browser):
    answer = decide(browser(bob), asked, "request-changes", comment="Name the incident")

    assert answer.status_code == 200
    assert answer.json()["state"] == "denied"
    assert answer.json()["outcome_code"] == "changes_requested"
    assert answer.json()["outcome"] == OUTCOME
    other = call(browser(bob), "GET", address(asked)).json()
    assert other["effects"]["request_changes"] is None


def test_the_api_requires_a_comment(asked, bob, browser):
    answer = decide(browser(bob), asked, "request-changes")

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "/comment"


def test_its_event_folds_to_the_state(waiting, bob, request_changes):
    request_changes(waiting, bob)

    events = EventRecord.objects.filter(subject_id=str(waiting.pk)).order_by("number")
    assert fold(list(events), columns=["id", "state"]).state["state"] == "denied"
