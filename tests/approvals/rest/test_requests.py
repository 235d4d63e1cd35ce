"""Approval requests over HTTP: what they tell, and what one decides about them."""

import json

import pytest
from django.contrib.auth.models import User
from django.test import Client

from apikeys.models import ApiKey
from approvals.models import Vote
from audit.models.records import CommandRecord
from audit.outside import outside_command
from tests.approvals.asking import (
    REQUESTS,
    address,
    decide,
    ids,
    in_json,
)
from tests.conftest import KEY_PERMISSIONS, PASSWORD, create_key, member
from tests.http import call
from tests.tampering import tamper


def test_a_held_command_answers_with_what_waits_and_with_no_resource(held, asked, first_key):
    body = held.json()

    assert held.status_code == 202
    assert held["Location"] == body["command"]["url"]
    assert body == {
        "status": "postponed",
        "command": {
            "id": held["Command-Id"],
            "url": f"/api/v2/commands/{held['Command-Id']}",
        },
        "approval_request": {
            "id": str(asked.pk),
            "url": address(asked),
            "approve_by": in_json(asked.approve_by),
            "page_url": f"http://127.0.0.1:8000/requests/{asked.pk}/",
            "requirements": [{"group": "Security", "needed": 2, "have": 0}],
        },
        "resource": {"type": "api-key", "id": str(first_key.id)},
    }


def test_a_request_shows_all_that_a_decision_needs(asked, first_key, dana, ann, bob, browser, acme):
    decide(browser(ann), asked, "approve", comment="Fine with me")

    answer = browser(bob).get(address(asked))

    body = answer.json()
    (vote,) = body.pop("votes")
    assert (answer.status_code, answer.json()["digest"]) == (200, asked.digest)
    assert answer["ETag"].startswith(f'"{answer.json()["number"]}-')
    assert vote.pop("cast_at")
    assert vote == {
        "voter": "ann",
        "decision": "approve",
        "comment": "Fine with me",
        "stands": True,
        "in_place_of": None,
    }
    assert (body.pop("requested_at"), body.pop("approve_by")) != (None, None)
    assert (body.pop("what"), body.pop("requester")) == (
        f"Disable {first_key.row} of “Acme”",
        {"kind": "api_key", "id": str(first_key.id), "label": asked.requester_label},
    )
    assert body == {
        "execute_after": None,
        "number": 2,
        "version": 2,
        "effects": {
            "approve": "executes",
            "deny": "ends_request",
            "request_changes": "ends_request",
            "take_back": None,
            "withdraw": None,
            "retry": None,
        },
        "id": str(asked.pk),
        "url": address(asked),
        "state": "pending",
        "status": "waiting",
        "problem": None,
        "warnings": [],
        "type": "apikeys.disable",
        "command": {
            "id": str(asked.command_id),
            "url": f"/api/v2/commands/{asked.command_id}",
        },
        "subject": {"type": "api-key", "id": str(first_key.id)},
        "tenant": str(acme.pk),
        "reason": "Leaked",
        "channel": "v2",
        "pick_up_by": None,
        "requirements": [
            {
                "rule": asked.requirements["rules"][0]["id"],
                "group": "Security",
                "needed": 2,
                "have": 1,
            }
        ],
        "digest": asked.digest,
        "my_vote": {"may": True, "why": "", "in_place_of": None},
        "outcome": "",
        "outcome_code": None,
        "comments": [],
        "page_url": f"http://127.0.0.1:8000/requests/{asked.pk}/",
        "supersedes": [],
        "superseded_by": None,
        "break_glass": None,
    }


def test_a_payload_that_does_not_verify_is_a_problem_and_no_sentence(asked, ann, browser, owner):
    tamper(owner, asked, payload=bytes(asked.payload)[:-1])

    detail = browser(ann).get(address(asked)).json()
    (listed,) = browser(ann).get(REQUESTS).json()["results"]

    for told in (detail, listed):
        assert told["what"] is None
        assert "altered" in told["problem"]


def test_it_warns_of_obstacles_before_the_first_vote(asked, ann, dana, browser):
    with outside_command("Dana has left"):
        User.objects.filter(pk=dana.pk).update(is_active=False)

    detail = browser(ann).get(address(asked)).json()
    (listed,) = browser(ann).get(REQUESTS).json()["results"]

    for told in (detail, listed):
        (warning,) = told["warnings"]
        assert warning == "The requester's account is deactivated."


def test_it_shows_why_the_caller_may_not_vote(asked, ann, otto, dana, browser, client, first_key):
    decide(browser(ann), asked, "approve")

    def why(sender, **options):
        mine = call(sender, "GET", address(asked), **options).json()["my_vote"]
        assert mine["may"] is False
        return mine["why"]

    assert "voted" in why(browser(ann))
    assert "do not belong to “Security”" in why(browser(otto))
    assert "You or a key of yours" in why(browser(dana))
    assert "signed in" in why(client, key=first_key)


def test_two_approvals_carry_it_out(asked, ann, bob, browser, first_key):
    first = decide(browser(ann), asked, "approve")
    second = decide(browser(bob), asked, "approve", comment="Agreed")

    assert (first.status_code, first.json()["state"]) == (200, "pending")
    assert first.json()["requirements"][0]["have"] == 1
    assert (second.status_code, second.json()["state"]) == (200, "executed")
    assert second.json()["my_vote"]["may"] is False
    assert ApiKey.objects.get(pk=first_key.id).is_enabled is False
    record = CommandRecord.objects.get(command_id=second["Command-Id"])
    assert (record.channel, record.actor_label, record.reason) == ("v2", "bob", "Agreed")


def test_one_denial_ends_it_and_needs_a_comment(asked, ann, bob, browser):
    silent = decide(browser(ann), asked, "deny")
    denied = decide(browser(ann), asked, "deny", comment="Still in use")
    late = decide(browser(bob), asked, "approve")

    assert (silent.status_code, silent.json()["errors"][0]["pointer"]) == (400, "/comment")
    assert (denied.status_code, denied.json()["state"]) == (200, "denied")
    assert "Still in use" in denied.json()["outcome"]
    assert (late.status_code, late.json()["code"]) == (409, "already_decided")


def test_a_withdrawal_of_something_else_than_was_seen_is_refused(asked, dana, browser):
    path = address(asked, "withdraw")

    stale = call(browser(dana), "POST", path, {"digest": "0" * 64})
    fresh = call(browser(dana), "POST", path, {"digest": asked.digest})

    assert (stale.status_code, fresh.status_code) == (412, 200)


def test_only_the_requester_withdraws_it(asked, dana, ann, browser):
    others = decide(browser(ann), asked, "withdraw")
    own = decide(browser(dana), asked, "withdraw", comment="Not needed any more")

    assert (others.status_code, others.json()["code"]) == (403, "not_the_requester")
    assert (own.status_code, own.json()["state"]) == (200, "withdrawn")


def test_a_vote_can_be_taken_back_and_cast_again(asked, ann, browser):
    decide(browser(ann), asked, "approve")

    taken_back = decide(browser(ann), asked, "take-back", comment="Too early")
    waiting = ids(browser(ann).get(f"{REQUESTS}?view=needs_my_vote"))
    again = decide(browser(ann), asked, "approve")

    assert (taken_back.status_code, taken_back.json()["my_vote"]["may"]) == (200, True)
    votes = [(each["decision"], each["stands"]) for each in taken_back.json()["votes"]]
    assert votes == [("approve", False), ("take_back", False)]
    assert taken_back.json()["requirements"][0]["have"] == 0
    assert waiting == [str(asked.pk)]
    assert (again.status_code, again.json()["requirements"][0]["have"]) == (200, 1)


@pytest.mark.parametrize("verb", ["approve", "deny"])
def test_a_decision_on_something_else_is_refused_and_on_record(asked, ann, browser, verb):
    answer = decide(browser(ann), asked, verb, digest="0" * 64, comment="Hm")

    assert (answer.status_code, answer.json()["code"]) == (412, "seen_another")
    record = CommandRecord.objects.get(command_id=answer["Command-Id"])
    assert (record.status, record.error_code) == ("refused", "seen_another")
    assert not Vote.objects.exists()


@pytest.mark.parametrize("body", [{}, {"digest": ""}, {"digest": 1, "verdict": "yes"}])
def test_a_decision_without_what_was_seen_is_refused_by_name(asked, ann, browser, body):
    answer = call(browser(ann), "POST", address(asked, "approve"), body)

    assert answer.status_code in (400, 412)
    assert not Vote.objects.exists()


def test_a_key_does_not_vote_and_the_record_says_so(asked, client, security, acme):
    dave = member(
        "dave", acme, groups=[security], permissions=(*KEY_PERMISSIONS, "view_approvalrequest")
    )
    daves_key = create_key(dave, acme, name="Dave's program")

    for verb in ("approve", "deny"):
        answer = decide(client, asked, verb, key=daves_key, comment="Beep")

        assert (answer.status_code, answer.json()["code"]) == (403, "not_a_person")
        assert "signed in" in answer.json()["detail"]
        record = CommandRecord.objects.get(command_id=answer["Command-Id"])
        assert (record.status, record.actor_kind) == ("refused", "api_key")
    assert not Vote.objects.exists()


def test_a_vote_needs_the_token_of_the_session(asked, ann):
    browser = Client(enforce_csrf_checks=True)
    browser.get("/admin/login/")
    token = browser.cookies["csrftoken"].value
    form = {"username": "ann", "password": PASSWORD, "csrfmiddlewaretoken": token}
    assert browser.post("/admin/login/", form).status_code == 302
    token = browser.cookies["csrftoken"].value
    content = json.dumps({"digest": asked.digest})

    forged = browser.post(address(asked, "approve"), content, "application/json")
    meant = browser.post(
        address(asked, "approve"), content, "application/json", headers={"X-CSRFToken": token}
    )

    assert (forged.status_code, meant.status_code) == (403, 200)


def test_a_repeat_of_a_vote_votes_once(asked, ann, browser):
    body = {"digest": asked.digest}
    first = call(browser(ann), "POST", address(asked, "approve"), body, Idempotency_Key="v-1")
    again = call(browser(ann), "POST", address(asked, "approve"), body, Idempotency_Key="v-1")

    assert (first.status_code, again.status_code) == (200, 200)
    assert again["Idempotency-Replayed"] == "true"
    assert again.json() == first.json()
    assert Vote.objects.count() == 1
