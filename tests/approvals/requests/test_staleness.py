"""Stale: what changes after the asking is noticed, and shown before anybody votes."""

import json

import pytest

from apikeys.commands import CreateApiKey, DeleteApiKey, DisableApiKey
from apikeys.models import ApiKey
from approvals.requests.staleness import staleness
from approvals.sealing.payloads import Altered
from audit.actors.credentials import live_actor
from audit.bus.context import Context
from audit.models.records import CommandRecord
from tests.approvals.asking import switch_off, switch_on
from tests.books import assert_balanced, attempts
from tests.conftest import completed, create_key, policy
from tests.probes import deed, to
from tests.tampering import tamper

CHANGED = "Out of date: it is no longer enabled."


def test_nothing_is_stale_at_first(waiting):
    assert staleness(waiting) == ""


def test_a_change_is_named_before_the_first_vote(waiting, first_key, ann, browser):
    completed(to(switch_off, first_key.id))

    assert staleness(waiting) == CHANGED
    page = f"/admin/approvals/approvalrequest/{waiting.pk}/change/"
    assert CHANGED in browser(ann).get(page).content.decode()
    assert CHANGED in browser(ann).get("/admin/approvals/approvalrequest/").content.decode()


def test_a_deletion_is_named_alone(waiting, first_key):
    completed(DeleteApiKey(api_key_id=first_key.id))

    assert staleness(waiting) == "Out of date: it has been deleted since the request."


def test_a_stale_request_is_not_executed(waiting, first_key, ann, bob, approve):
    completed(to(switch_off, first_key.id))
    approve(waiting, ann)

    request = approve(waiting, bob)

    assert (request.state, request.outcome_code) == ("refused", "stale")
    assert attempts(waiting.command_id) == [
        (1, "postponed", ""),
        (2, "refused", "precondition_failed"),
    ]
    assert_balanced()


def test_the_timeline_says_why_it_was_not_executed_and_as_whom(
    waiting, first_key, ann, bob, approve, browser
):
    completed(to(switch_off, first_key.id))
    approve(waiting, ann)
    approve(waiting, bob)

    page = f"/admin/approvals/approvalrequest/{waiting.pk}/change/"
    content = browser(ann).get(page).content.decode()

    step = content.split("Refused on execution")[1].split("</li>")[0]
    assert '<span class="quiet">as <bdi>dana</bdi>' in step
    assert "The subject has changed since the request." in step
    assert "since you read it" not in content


def test_a_change_between_two_votes_prevents_execution(waiting, first_key, ann, bob, approve):
    approve(waiting, ann)
    completed(to(switch_off, first_key.id))

    assert approve(waiting, bob).outcome_code == "stale"


def test_a_reverted_change_does_not_prevent_execution(waiting, first_key, ann, bob, approve):
    completed(to(switch_off, first_key.id))
    completed(to(switch_on, first_key.id))
    approve(waiting, ann)

    assert staleness(waiting) == ""
    assert approve(waiting, bob).state == "executed"
    record = CommandRecord.objects.get(command_id=waiting.command_id, attempt=2)
    assert record.status == "succeeded"
    assert_balanced()


def test_what_is_not_there_yet_is_not_stale(hold, acme, dana, security, ann, context_of, approve):
    policy("apikeys.create", group=security, quorum=1)
    command = CreateApiKey(customer_id=acme.pk, owner_id=dana.pk, name="new")
    request = hold(command, context=context_of(dana))

    assert (request.subject_values, staleness(request)) == (None, "")
    assert approve(request, ann).state == "executed"
    assert ApiKey.objects.get().name == "new"


def test_no_secret_and_no_digest_of_one_is_kept_with_a_request(waiting, first_key):
    assert set(waiting.subject_values) == {
        "id",
        "customer_id",
        "owner_id",
        "name",
        "description",
        "environment",
        "prefix",
        "scopes",
        "allowed_networks",
        "not_before",
        "expires_at",
        "metadata",
        "is_enabled",
        "created_at",
        "deleted_at",
    }
    assert first_key.secret not in str(waiting.subject_values)


@pytest.mark.parametrize("value", [None, {"name": "another"}])
def test_the_values_at_asking_are_sealed(value, waiting, ann, approve, owner):
    tamper(owner, waiting, subject_values=None if value is None else json.dumps(value))

    with pytest.raises(Altered):
        approve(waiting, ann)


def test_the_list_says_whose_requester_is_no_longer_active(waiting, dana, ann, browser):
    dana.is_active = False
    dana.save()

    content = browser(ann).get("/admin/approvals/approvalrequest/").content.decode()
    assert "The requester&#x27;s account is deactivated." in content


def test_a_requester_who_lost_the_permission_is_flagged_before_the_first_vote(
    waiting, dana, ann, browser
):
    dana.user_permissions.clear()

    page = browser(ann).get(f"/admin/approvals/approvalrequest/{waiting.pk}/change/")
    assert "The requester may no longer do this." in page.content.decode()


def test_a_key_that_was_disabled_since_it_asked_is_flagged(
    hold, first_key, dana, acme, disabling_needs_two, ann, browser
):
    other = create_key(dana, acme, name="other")
    asker = Context(actor=live_actor("api_key", str(first_key.id)))
    request = hold(DisableApiKey(api_key_id=other.id), context=asker)

    @deed
    def disable_the_asker(command, context):
        ApiKey.objects.filter(pk=command.api_key_id).update(is_enabled=False)

    completed(to(disable_the_asker, first_key.id))

    page = browser(ann).get(f"/admin/approvals/approvalrequest/{request.pk}/change/")
    assert "The credential of the requester is no longer valid." in page.content.decode()
