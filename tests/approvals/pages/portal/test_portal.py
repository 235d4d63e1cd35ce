"""Requesters follow their requests, and act on them, without access to the admin."""

import dataclasses
import html
import re
from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import User

from apikeys.commands import CreateApiKey
from apikeys.models import PickUp
from approvals.decisions.commands import RequestChanges
from approvals.models import ApprovalRequest
from audit.models.records import CommandRecord, EventRecord
from tests import mails
from tests.approvals.admin_pages import displayed, said
from tests.approvals.asking import asks_for_many, queries
from tests.conftest import approved, completed, new_approver, policy
from tests.tampering import let_time_pass

PORTAL = "/requests/"


def path(request):
    return f"{PORTAL}{request.pk}/"


def text(answer):
    assert answer.status_code == 200
    return html.unescape(re.sub(r"<[^>]+>", " ", answer.content.decode()))


def act(client, request, verb, **fields):
    seen = displayed(client, request, verb)
    fields |= {"decision": verb, f"effect-{verb}": seen.pop("effect"), **seen}
    return client.post(path(request), fields)


@pytest.fixture
def page(dana, browser):
    """Dana's browser; she has no access to the admin."""
    assert not dana.is_staff
    return browser(dana)


def test_the_list_has_status_approvers_and_deadline(waiting, page):
    shown = text(page.get(PORTAL))

    assert "Disable API key" in shown
    assert re.search(r"waiting\s+ann\s*,\s+bob\s+\d\s+days\s+left", shown), shown


def test_the_list_names_some_of_many_approvers(waiting, acme, security, page):
    for number in range(12):
        new_approver(f"approver{number:02}", acme, groups=[security])

    shown = " ".join(text(page.get(PORTAL)).split())

    assert "ann , approver00" in shown
    assert "approver10 and 2 more" in shown


def test_people_see_their_own_requests_only(waiting, ann, iris, browser):
    for person in (ann, iris):
        assert "Disable API key" not in text(browser(person).get(PORTAL))
        assert browser(person).get(path(waiting)).status_code == 404
        assert browser(person).post(path(waiting), {"decision": "remind"}).status_code == 404


def test_strangers_sign_in_first(waiting, client):
    for address in (PORTAL, path(waiting)):
        assert client.get(address)["Location"] == f"/admin/login/?next={address}"


def test_an_executed_request_has_no_approvers_left(waiting, ann, bob, page):
    approved(waiting, ann, bob)

    shown = text(page.get(PORTAL))

    assert "executed" in shown
    assert "waiting" not in shown


def test_the_page_names_the_remaining_approvers(waiting, ann, page):
    approved(waiting, ann)

    shown = text(page.get(path(waiting)))

    assert re.search(r"1 of 2\s+ann\s+bob", shown)
    assert "Leaked" in shown


def test_a_reminder_is_sent_to_those_who_can_still_vote_once_a_day(waiting, ann, bob, page):
    for person in (ann, bob):
        User.objects.filter(pk=person.pk).update(email=f"{person.username}@example.com")
    approved(waiting, ann)
    mails.forget()

    answer = act(page, waiting, "remind")

    assert said(answer)[0].startswith("Approvers reminded: Disable API key")
    assert [each.to for each in mails.sent()] == [["bob@example.com"]]
    assert mails.sent()[0].subject.startswith("[Countersign] Reminder: approval needed")
    assert EventRecord.objects.filter(message_type="approvals.reminded").count() == 1
    assert "You can remind them again from" in text(page.get(path(waiting)))

    again = act(page, waiting, "remind")

    assert "The approvers can be reminded again from" in said(again)[0]
    shown = page.get(path(waiting)).content.decode()
    assert "The approvers can be reminded again from <time datetime=" in shown
    assert len(mails.sent()) == 1
    assert CommandRecord.objects.filter(error_code="already_reminded").count() == 1


def test_a_reminder_changes_no_effect(waiting, ann, bob, page, browser):
    seen = displayed(browser(ann), waiting, "approve")
    act(page, waiting, "remind")

    assert displayed(browser(ann), waiting, "approve") == seen | {"number": "2"}


def test_the_requester_comments(waiting, page):
    answer = page.post(path(waiting), {"decision": "comment", "reason": "Incident 7"})

    assert answer["Location"] == path(waiting)
    assert "Incident 7" in text(page.get(path(waiting)))
    record = CommandRecord.objects.get(message_type="approvals.comment")
    assert (record.channel, record.actor_label) == ("requests", "dana")


def test_the_requester_withdraws(waiting, page):
    answer = act(page, waiting, "withdraw", reason="No longer needed")

    assert said(answer)[0].startswith("Withdrawn: Disable API key")
    assert "withdrawn" in text(page.get(PORTAL))


def test_requested_changes_lead_to_a_prefilled_resubmission(
    waiting, bob, dana, browser, page, context_of
):
    seen = displayed(browser(bob), waiting, "request_changes")
    fields = {"decision": "request_changes", "effect-request_changes": seen.pop("effect"), **seen}
    browser(bob).post(
        f"/admin/approvals/approvalrequest/{waiting.pk}/decide/",
        fields | {"reason": "Name the incident"},
    )
    assert "changes requested" in text(page.get(PORTAL))
    content = page.get(path(waiting)).content.decode()
    assert "Changes requested by bob: “Name the incident”" in text(page.get(path(waiting)))
    assert ">Leaked</textarea>" in content

    answer = page.post(path(waiting), {"decision": "raise_again", "reason": "Incident 7"})

    new = ApprovalRequest.objects.order_by("pk").last()
    assert answer["Location"] == path(new)
    assert (new.reason, new.state) == ("Incident 7", "pending")


@pytest.fixture
def denied(dana, acme, security, ann, hold, context_of):
    """Dana's request for a key, after Ann has requested changes."""
    policy("apikeys.create", group=security, quorum=1)
    values = {"name": "ci", "scopes": ("read", "write"), "metadata": {"a": 1}}
    command = CreateApiKey(customer_id=acme.pk, owner_id=dana.pk, **values)
    request = hold(command, context=context_of(dana, reason="For the builds"))
    seen = RequestChanges(approval_request_id=request.pk, digest=request.digest)
    completed(seen, context=context_of(ann, reason="Let it end, and only read"))
    return request


def prefilled(content):
    """Return the values in the form of a resubmission."""
    form = content.partition('class="resubmission"')[2].partition("</form>")[0]
    found = dict(re.findall(r'name="(value-\w+)" value="([^"]*)"', form))
    found |= dict(re.findall(r'<textarea name="(value-\w+)"[^>]*>\s?([^<]*)</textarea>', form))
    chosen = re.search(r'name="(value-environment)".*?value="(\w+)" selected', form, re.DOTALL)
    return {name: html.unescape(value) for name, value in (found | dict([chosen.groups()])).items()}


def test_a_resubmission_is_prefilled_with_what_was_requested(denied, page):
    content = page.get(path(denied)).content.decode()

    assert prefilled(content) == {
        "value-name": "ci",
        "value-environment": "live",
        "value-scopes": "read\nwrite",
        "value-allowed_networks": "",
        "value-metadata": '{"a": 1}',
    }
    assert ">For the builds</textarea>" in content
    # The script replaces the zone, and sends the time in it.
    assert "Expires at (UTC)</label>" in content


def test_a_resubmission_sent_as_it_is_requests_the_same(denied, page):
    sent = prefilled(page.get(path(denied)).content.decode())

    page.post(path(denied), sent | {"decision": "raise_again", "values": "shown"})

    new = ApprovalRequest.objects.order_by("pk").last()
    assert new.pk != denied.pk
    same = {"api_key_id": new.command().api_key_id}
    assert new.command() == dataclasses.replace(denied.command(), **same)


def test_a_resubmission_has_the_changed_values(denied, page):
    sent = prefilled(page.get(path(denied)).content.decode())
    changed = {"value-scopes": "read\r\n", "value-expires_at": "2030-01-01T12:00"}

    answer = page.post(
        path(denied), sent | changed | {"decision": "raise_again", "values": "shown"}
    )

    new = ApprovalRequest.objects.order_by("pk").last()
    assert answer["Location"] == path(new)
    command = new.command()
    assert command.scopes == ("read",)
    assert command.expires_at == datetime(2030, 1, 1, 12, tzinfo=UTC)
    assert (command.name, command.metadata) == ("ci", {"a": 1})


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"value-expires_at": "tomorrow"}, "Enter a date"),
        ({"value-environment": "prod"}, "not one of the available choices"),
        ({"value-metadata": "{"}, "Enter a JSON object."),
        ({"value-metadata": "[1]"}, "metadata: must be an object"),
        ({"value-name": "a\x00b"}, "Null characters are not allowed"),
        ({"value-name": ""}, "name: "),
    ],
)
def test_an_invalid_resubmission_keeps_what_was_typed(denied, page, wrong, told):
    sent = prefilled(page.get(path(denied)).content.decode()) | {"value-description": "Typed"}

    answer = page.post(
        path(denied),
        sent | wrong | {"decision": "raise_again", "values": "shown", "reason": "Now it ends"},
    )

    assert told in text(answer)
    content = answer.content.decode()
    assert 'value="Typed"' in content
    assert ">Now it ends</textarea>" in content
    assert ApprovalRequest.objects.count() == 1


def test_a_secret_is_picked_up_once(dana, ann, acme, security, hold, context_of, page):
    policy("apikeys.create", group=security, quorum=1)
    command = CreateApiKey(customer_id=acme.pk, owner_id=dana.pk, name="ci")
    request = hold(command, context=context_of(dana))
    approved(request, ann)
    until = f'datetime="{PickUp.objects.get().until.replace(tzinfo=None).isoformat()}Z"'
    assert "secret to pick up" in text(page.get(PORTAL))
    assert "pick up the secret: 2 days left" in " ".join(text(page.get(PORTAL)).split())
    assert page.get(path(request)).content.decode().count(until) == 1
    assert "Pick up the secret" in page.get(path(request)).content.decode()

    answer = page.post(path(request), {"decision": "pick_up"})

    shown = answer.content.decode()
    (secret,) = re.findall(r"<code>(cs_live_\w+)</code>", shown)
    assert "no-store" in answer["Cache-Control"]
    assert secret not in page.get(path(request)).content.decode()
    assert "Pick up the secret" not in page.get(path(request)).content.decode()
    again = page.post(path(request), {"decision": "pick_up"})
    assert "There is no secret to pick up" in said(again)[0]
    assert CommandRecord.objects.filter(message_type="apikeys.pick_up").count() == 1


def test_an_unknown_action_is_explained(waiting, page):
    answer = page.post(path(waiting), {"decision": "approve"})

    assert "The form names no action" in said(answer)[0]


def test_the_list_costs_as_much_with_many_requests(waiting, dana, acme, page, context_of):
    page.get(PORTAL)
    few = queries(page, PORTAL)

    asks_for_many(dana, acme, context_of, count=4)

    assert queries(page, PORTAL) == few <= 20


def test_the_list_continues_on_the_next_page(waiting, dana, acme, page, context_of, monkeypatch):
    monkeypatch.setattr("approvals.pages.portal.page.ROWS", 2)
    asks_for_many(dana, acme, context_of, count=3)

    first = page.get(PORTAL)
    second = page.get(f"{PORTAL}{first.context['next_url']}")

    found = [each.presented.request for each in (*first.context["rows"], *second.context["rows"])]
    assert found == sorted(ApprovalRequest.objects.all(), key=lambda each: each.pk, reverse=True)
    assert second.context["next_url"] == ""
    assert page.get(f"{PORTAL}?after=nonsense").status_code == 200


def test_an_expired_request_says_so(waiting, page, owner):
    let_time_pass(owner, waiting)

    shown = text(page.get(PORTAL))
    assert "expired" in shown
    assert "waiting" not in shown
