"""The rest of the acceptance list: what happens to requests. test_acceptance.py has the table."""

import logging
from functools import partial

import psycopg
import pytest
from django.db import DatabaseError, connection

from apikeys.commands import CreateApiKey, DisableApiKey
from apikeys.models import ApiKey, ApiKeySecret
from apikeys.models.tokens import PATTERN
from approvals.models import ApprovalRequest, Vote
from approvals.sealing.payloads import digest, seal
from audit.bus.context import Context
from audit.bus.dispatch import dispatch
from audit.messages.exceptions import CommandError
from audit.messages.outcomes import Postponed
from audit.models.records import CommandRecord, EventRecord
from tests import mails
from tests.approvals.admin_pages import LIST, results, select
from tests.approvals.asking import KEYS, REQUESTS, address, asks_for_many, decide
from tests.books import all_but_records, assert_balanced
from tests.conftest import actor, create_key, held, policy
from tests.http import call
from tests.severed import refusing
from tests.tampering import tamper
from tests.threads import ROUNDS, Crowd

CROWD = 8


@pytest.fixture
def crowd():
    """Eight who act at once."""
    with Crowd(CROWD) as crowd:
        yield crowd


@pytest.fixture
def creating_needs_one(security, ann):
    """The policy by which one of Security approves before a key is created."""
    policy("apikeys.create", group=security, quorum=1)


def test_a_payload_copied_from_another_request_is_refused_and_raises_the_alarm(
    dana, acme, ann, disabling_needs_two, context_of, browser, owner, caplog
):
    harmless, wanted = asks_for_many(dana, acme, context_of, count=2)
    stolen = {"payload": bytes(wanted.payload), "seal": wanted.seal, "digest": wanted.digest}
    tamper(owner, harmless, **stolen)

    with caplog.at_level(logging.CRITICAL):
        answer = decide(browser(ann), harmless, "approve")

    assert (answer.status_code, answer.json()["code"]) == (409, "altered")
    assert "held command cannot be loaded" in caplog.text
    assert not Vote.objects.exists()
    assert all(ApiKey.objects.values_list("is_enabled", flat=True))
    record = CommandRecord.objects.get(command_id=answer["Command-Id"])
    assert (record.status, record.error_code) == ("refused", "altered")


def test_what_was_seen_of_one_request_does_not_approve_the_one_that_took_its_place(
    dana, ann, acme, disabling_needs_two, context_of, browser
):
    seen, changed = asks_for_many(dana, acme, context_of, count=2)
    decide(browser(dana), seen, "withdraw")

    answer = decide(browser(ann), changed, "approve", digest=seen.digest)

    assert (answer.status_code, answer.json()["code"]) == (412, "seen_another")
    assert not Vote.objects.exists()
    late = decide(browser(ann), seen, "approve")
    assert (late.status_code, late.json()["code"]) == (409, "already_decided")


def test_what_no_code_reads_any_more_is_shown_and_can_only_be_ended(
    waiting, ann, dana, browser, owner, monkeypatch
):
    command = waiting.command()
    monkeypatch.setattr(DisableApiKey, "message_type", "apikeys.forgotten")
    sealed = seal(command, waiting.binding)
    forgotten = digest(command)
    monkeypatch.undo()
    tamper(owner, waiting, payload=sealed.payload, seal=sealed.seal, digest=forgotten)

    shown = browser(ann).get(f"{LIST}{waiting.pk}/change/").content.decode()
    answer = decide(browser(ann), waiting, "approve")
    ended = decide(browser(ann), waiting, "deny", comment="Ask again")

    assert 'value="approve"' not in shown
    assert 'value="deny"' in shown
    assert (answer.status_code, answer.json()["code"]) == (409, "unknown_command")
    assert (ended.status_code, ended.json()["state"]) == (200, "denied")
    assert ApiKey.objects.get().is_enabled


def test_after_a_202_the_request_is_there(client, first_key, disabling_needs_two):
    answer = call(client, "POST", f"{KEYS}/{first_key.id}/disable", {}, key=first_key)

    assert answer.status_code == 202
    request = ApprovalRequest.objects.get(command_id=answer["Command-Id"])
    assert answer["Location"].endswith(str(request.command_id))
    assert answer.json()["approval_request"]["id"] == str(request.pk)
    record = CommandRecord.objects.get(command_id=request.command_id)
    assert (record.status, request.state) == ("postponed", "pending")
    assert_balanced()


def test_a_vote_that_is_undone_sends_nothing(waiting, ann, bob, dana, approve, owner):
    for person in (dana, ann, bob):
        type(person).objects.filter(pk=person.pk).update(email=f"{person}@example.com")
    approve(waiting, ann)
    mails.forget()
    before = all_but_records()

    with refusing(owner, "approvals_vote", at_commit=True), pytest.raises(CommandError):
        approve(waiting, bob)

    assert mails.sent() == []
    assert all_but_records() == before
    assert approve(waiting, bob).state == "executed"
    assert [message.to for message in mails.sent()] == [["dana@example.com"]]


@pytest.mark.parametrize("verb", ["approve", "deny"])
def test_of_three_selected_the_stale_one_is_reported_and_the_others_are_decided(
    verb, dana, acme, ann, bob, disabling_needs_two, context_of, browser
):
    requests = asks_for_many(dana, acme, context_of, count=3)
    decide(browser(bob), requests[1], "deny", comment="Still in use")

    told = results(select(browser(ann), verb, *requests, reason="So it should be"))

    assert len(told) == 3
    assert sum("already denied" in each for each in told) == 1
    votes = Vote.objects.filter(voter=ann)
    assert {vote.request_id for vote in votes} == {requests[0].pk, requests[2].pk}
    statuses = CommandRecord.objects.filter(
        message_type=f"approvals.{verb}", actor_label="ann"
    ).values_list("status", flat=True)
    assert sorted(statuses) == ["refused", "succeeded", "succeeded"]


def test_what_is_created_after_approval_hands_no_secret_to_approvers(
    client, first_key, ann, creating_needs_one, browser, caplog
):
    answer = call(client, "POST", KEYS, {"name": "ci"}, key=first_key)
    request = ApprovalRequest.objects.get(command_id=answer["Command-Id"])

    done = decide(browser(ann), request, "approve")

    assert done.json()["state"] == "executed"
    made = ApiKey.objects.get(name="ci")
    assert not ApiKeySecret.objects.filter(api_key=made).exists()
    said = [done.content.decode(), answer.content.decode(), caplog.text]
    said += map(repr, CommandRecord.objects.values_list())
    said += map(repr, EventRecord.objects.values_list())
    assert PATTERN.search(first_key.secret)
    assert not [text for text in said if PATTERN.search(text)]


def test_eight_who_ask_at_once_for_the_same_make_one_request(
    crowd, dana, acme, disabling_needs_two
):
    asking = Context(actor=actor(dana))
    for place in range(ROUNDS):
        key = create_key(dana, acme, name=f"key {place}")
        command = DisableApiKey(api_key_id=key.id)

        answers = crowd.at_once(*[partial(dispatch, command, context=asking)] * CROWD)

        assert all(isinstance(each, Postponed) for each in answers), (place, answers)
        assert len({each.command_id for each in answers}) == 1, place
        request = ApprovalRequest.objects.get(subject_id=str(key.id))
        assert {each.command_id for each in answers} == {request.command_id}
    assert_balanced()


def test_a_key_used_again_for_a_held_command_answers_the_same_and_another_body_does_not(
    client, first_key, creating_needs_one
):
    def ask(name):
        return call(client, "POST", KEYS, {"name": name}, key=first_key, Idempotency_Key="k")

    first, again, other = ask("ci"), ask("ci"), ask("cd")

    assert (first.status_code, again.status_code, other.status_code) == (202, 202, 422)
    assert first.json()["approval_request"]["id"] == again.json()["approval_request"]["id"]
    assert ApprovalRequest.objects.count() == 1


@pytest.mark.parametrize("verb", ["", "approve", "deny", "take-back", "withdraw"])
def test_no_address_deletes_a_request(verb, asked, root, ann, dana, browser):
    for person in (root, ann, dana):
        assert call(browser(person), "DELETE", address(asked, verb)).status_code == 405
        assert call(browser(person), "DELETE", REQUESTS).status_code == 405

    page = browser(root).post(f"{LIST}{asked.pk}/delete/", {"post": "yes"})

    assert page.status_code in (403, 404, 405)
    assert ApprovalRequest.objects.filter(pk=asked.pk).exists()


@pytest.mark.parametrize("table", ["approvals_vote", "approvals_approvalrequest"])
def test_no_statement_deletes_evidence(table, waiting, ann, approve, owner):
    approve(waiting, ann)
    with pytest.raises(DatabaseError), connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {table}")
    # Nor does who owns the tables, even inside a command.
    inside = "SELECT set_config('audit.command_id', gen_random_uuid()::text, true)"
    with pytest.raises(psycopg.Error, match=r"cannot|append"):
        owner.execute(f"BEGIN; {inside}; DELETE FROM {table}; COMMIT")
    owner.execute("ROLLBACK")

    assert (Vote.objects.count(), ApprovalRequest.objects.count()) == (1, 1)


def test_what_an_unmet_request_holds_is_not_there(dana, acme, ann, creating_needs_one):
    command = CreateApiKey(customer_id=acme.pk, owner_id=dana.pk, name="ci")

    request = held(command, context=Context(actor=actor(dana)))

    assert request.subject_id == str(command.api_key_id)
    assert not ApiKey.objects.filter(name="ci").exists()
