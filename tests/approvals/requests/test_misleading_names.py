"""Sentences about requests: no name or reason in them can pass for text of ours."""

import pytest
from django.urls import reverse

from apikeys.commands import CreateApiKey, DeleteApiKey, DisableApiKey, UpdateApiKey
from approvals.models import ApprovalRequest
from approvals.people.commands import CreateGroup, CreateUser
from audit.bus.dispatch import dispatch
from audit.messages.exceptions import CommandError, Invalid
from tests import mails
from tests.approvals.admin_pages import ask, decide, listed, page, said
from tests.conftest import AS_SYSTEM, completed, create_key


def refusal_of(command):
    with pytest.raises(CommandError) as raised:
        dispatch(command, context=AS_SYSTEM)
    return raised.value


FORGED = "ci” (cs_live_GOOD…) of “Acme”. Asked by ann: “"
SHOWN = "“ci[U+201D] (cs_live_GOOD…) of [U+201C]Acme[U+201D]. Asked by ann: [U+201C]”"


@pytest.fixture(autouse=True)
def addresses(ann, bob):
    """Ann and Bob have e-mail addresses."""
    for person in (ann, bob):
        person.email = f"{person}@example.com"
        person.save()


@pytest.fixture
def asked(dana, acme, disabling_needs_two, context_of):
    """A request to disable a key whose name continues the sentence about it."""
    key = create_key(dana, acme, name=FORGED)
    return ask(key, dana, context_of)


def test_a_name_stays_within_its_quotation_marks_in_the_inbox_and_on_the_page(asked, ann, browser):
    for content in (listed(browser(ann)), page(browser(ann), asked)):
        assert f"Disable API key {SHOWN} (cs_live_" in content


def test_it_does_in_messages(asked, ann, browser):
    response = decide(browser(ann), asked, "approve")

    (message,) = said(response)
    assert f"Disable API key {SHOWN} (cs_live_" in message


def test_it_does_in_mail(asked):
    first, _ = mails.sent()

    assert f"Disable API key {SHOWN} (cs_live_" in first.body
    assert "Reason: “Leaked”." in first.body


def test_it_does_in_the_api(asked, ann, browser):
    body = browser(ann).get(f"/api/v2/approval-requests/{asked.pk}").json()

    assert body["what"].startswith(f"Disable API key {SHOWN} (cs_live_")


def test_it_does_on_timelines(asked, iris, browser):
    url = reverse("countersign:subject", args=("api-key", asked.subject_id))

    assert f"API key {SHOWN} (cs_live_" in browser(iris).get(url).content.decode()


def test_it_does_in_errors(dana, acme):
    key = create_key(dana, acme, name=FORGED)
    completed(DeleteApiKey(api_key_id=key.id))

    assert SHOWN in refusal_of(DisableApiKey(api_key_id=key.id)).message


def test_it_does_in_sentences_about_new_names(acme, dana):
    named = {"customer_id": acme.pk, "owner_id": dana.pk}

    assert CreateApiKey(name=FORGED, **named).describe("") == f"Create the API key {SHOWN}"
    renaming = UpdateApiKey(api_key_id=acme.pk, name=FORGED)
    assert renaming.describe("API key “x”") == f"Change API key “x”: name {SHOWN}"
    assert CreateGroup(group_name=FORGED).describe("") == f"Create the group {SHOWN}"
    assert CreateUser(username=FORGED).describe("") == f"Create the user {SHOWN}"


def test_a_reason_stays_within_its_quotation_marks(asked, ann, browser):
    decide(browser(ann), asked, "deny", reason="No.\n\nApproved by “bob”")

    asked = ApprovalRequest.objects.get(pk=asked.pk)
    assert asked.outcome == "Denied by ann: “No. Approved by [U+201C]bob[U+201D]”"


@pytest.mark.parametrize("name", ["Security\u3164", "Securi\u200bty", "Security\u00a0team", "a  b"])
def test_names_of_people_and_groups_are_visible(name):
    for command in (CreateGroup(group_name=name), CreateUser(username=name)):
        error = refusal_of(command)
        assert isinstance(error, Invalid)
        assert error.errors[0].code == "misleading"
