"""How often one decision opens a sealed payload: once, in the handler, under the lock."""

import pytest

from approvals.models import ApprovalRequest
from approvals.sealing import payloads
from tests.approvals.admin_pages import form, said, send
from tests.approvals.asking import decide
from tests.conftest import approved
from tests.tampering import tamper


@pytest.fixture
def opened(monkeypatch):
    """The names of the functions that were called, for each signature and each pickle."""
    calls = []
    for name in ("is_signed", "_content"):
        monkeypatch.setattr(payloads, name, _counted(getattr(payloads, name), name, calls))
    return calls


def _counted(function, name, calls):
    def count(content, *rest):
        # Votes, policies and the rows of requests are signed as well.
        if not content.startswith((b'["vote"', b'["policy"', b'["request"')):
            calls.append(name)
        return function(content, *rest)

    return count


ONCE = ["is_signed", "_content"]


def test_the_first_vote_from_a_form_opens_it_once(waiting, ann, browser, opened):
    client = browser(ann)
    fields = form(client, waiting, "approve")
    opened.clear()

    send(client, waiting, fields)

    assert waiting.votes.count() == 1
    assert opened == ONCE


def test_the_last_vote_from_a_form_executes_what_it_opened_once(waiting, ann, bob, browser, opened):
    approved(waiting, ann)
    client = browser(bob)
    fields = form(client, waiting, "approve")
    opened.clear()

    send(client, waiting, fields)

    waiting.refresh_from_db()
    assert waiting.state == "executed"
    assert opened == ONCE


@pytest.mark.parametrize("verb", ["approve", "deny"])
def test_a_vote_over_http_opens_it_once(verb, waiting, ann, browser, opened):
    answer = decide(browser(ann), waiting, verb, comment="Checked")

    assert answer.status_code == 200
    assert opened == ONCE


def test_a_page_of_a_request_opens_it_once(waiting, ann, browser, opened):
    browser(ann).get(f"/admin/approvals/approvalrequest/{waiting.pk}/change/")

    assert opened == ONCE


def test_a_vote_from_a_form_on_an_altered_payload_is_refused(waiting, ann, owner, browser):
    tamper(owner, waiting, payload=bytes(waiting.payload)[:-1] + b"x")

    client = browser(ann)

    (told,) = said(send(client, waiting, form(client, waiting, "approve")))

    assert payloads.Altered.__doc__ in told
    assert not waiting.votes.exists()


@pytest.mark.parametrize(
    "change",
    [
        {"digest": "0" * 64},
        {"seal": "k1:00"},
        {"requester_id": "1"},
        {"payload": b"x"},
        {"requirements": {"rules": [], "policies": []}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_was_verified_is_verified_again_after_a_change(change, waiting):
    request = ApprovalRequest.objects.get(pk=waiting.pk)
    request.command()

    for name, value in change.items():
        setattr(request, name, value)

    with pytest.raises(payloads.Altered):
        request.command()
