"""Pick-up: the secret of what was approved, for whoever asked, once and within its time."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from apikeys.commands import PickUpSecret, RotateApiKey
from apikeys.models import ApiKeySecret, PickUp
from apikeys.models.refusals import NothingToPickUp
from approvals.models import ApprovalRequest, Policy
from approvals.policies.commands import CreatePolicy
from approvals.policies.handlers import check_policy
from audit.messages.exceptions import Invalid
from audit.models.records import CommandRecord
from audit.outside import outside_command
from audit.testing import recorded_events
from tests.books import assert_balanced
from tests.conftest import approved, create_key, member, policy
from tests.http import call
from tests.threads import Crowd

KEYS = "/api/v2/api-keys"
WHOAMI = "/api/v2/whoami"


@pytest.fixture
def creating_needs_two(security, ann, bob):
    """Two of Security approve before a key is created or rotated."""
    policy("apikeys.create", group=security, quorum=2)
    policy("apikeys.rotate", group=security, quorum=2)


@pytest.fixture
def waiting(client, first_key, creating_needs_two, ann, bob):
    """The id of a key whose creation was asked for with Dana's first key, and approved."""
    held = call(client, "POST", KEYS, {"name": "ci"}, key=first_key)
    assert held.status_code == 202
    request = approved(ApprovalRequest.objects.get(), ann, bob)
    assert request.state == "executed"
    return held.json()["resource"]["id"]


def pick_up(client, key_id, key=None, **headers):
    return call(client, "POST", f"{KEYS}/{key_id}/secret", key=key, **headers)


def test_a_key_that_was_approved_waits_without_a_secret(client, waiting, first_key):
    shown = call(client, "GET", f"{KEYS}/{waiting}", key=first_key).json()

    assert (shown["prefix"], shown["secrets"]) == ("", [])
    by = shown["pick_up"]["by"]
    assert (by["kind"], by["id"]) == ("api_key", str(first_key.id))
    left = PickUp.objects.get().until - timezone.now()
    assert timedelta(hours=71) < left <= timedelta(hours=72)


def test_the_requester_picks_the_secret_up_once(client, waiting, first_key):
    answer = pick_up(client, waiting, first_key)

    body = answer.json()
    assert (answer.status_code, answer["Cache-Control"]) == (201, "no-store")
    assert (body["id"], body["pick_up"], body["secret_note"]) == (waiting, None, None)
    assert call(client, "GET", WHOAMI, key=body["secret"]).json()["id"] == waiting
    again = pick_up(client, waiting, first_key)
    assert (again.status_code, again.json()["code"]) == (409, "nothing_to_pick_up")
    assert ApiKeySecret.objects.filter(api_key=waiting).count() == 1
    assert_balanced()


def test_of_pick_ups_at_once_one_gets_the_secret(waiting, first_key):
    with Crowd(4) as crowd:
        answers = crowd.at_once(*[lambda: pick_up(Client(), waiting, first_key)] * 4)

    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    assert ApiKeySecret.objects.filter(api_key=waiting).count() == 1


def test_the_history_tells_who_was_to_have_it_and_that_it_was_taken(client, waiting, first_key):
    pick_up(client, waiting, first_key)

    rows = PickUp.history.filter(api_key_id=waiting).order_by("history_id")
    assert [row.history_type for row in rows] == ["+", "-"]
    assert {row.actor_id for row in rows} == {str(first_key.id)}


def test_a_repeat_shows_no_secret_and_names_the_way_out(client, waiting, first_key):
    first = pick_up(client, waiting, first_key, Idempotency_Key="p-1")
    again = pick_up(client, waiting, first_key, Idempotency_Key="p-1")

    assert (again.status_code, again["Command-Id"]) == (201, first["Command-Id"])
    assert again.json()["secret"] is None
    assert f"POST {KEYS}/{waiting}/rotate" in again.json()["secret_note"]


def test_the_person_behind_the_key_may_pick_it_up_signed_in(waiting, dana, browser):
    assert pick_up(browser(dana), waiting).status_code == 201


@pytest.fixture
def second_key(dana, acme):
    """Another key of Dana's, made before creation needed approval."""
    return create_key(dana, acme, name="second")


def test_neither_another_key_of_that_person_nor_a_colleague_may(
    client, second_key, waiting, acme, browser, assert_recorded
):
    colleague = member("carl", acme, permissions=("view_apikey", "create_apikey"))

    answers = [pick_up(client, waiting, second_key), pick_up(browser(colleague), waiting)]

    assert [answer.status_code for answer in answers] == [403, 403]
    assert {answer.json()["code"] for answer in answers} == {"not_yours"}
    records = CommandRecord.objects.filter(message_type="apikeys.pick_up", status="refused")
    assert {record.error_code for record in records} == {"not_yours"}
    assert not ApiKeySecret.objects.filter(api_key=waiting).exists()
    assert PickUp.objects.filter(api_key=waiting).exists()


def test_another_customers_key_is_not_found(client, waiting, gus, globex, security):
    with outside_command("Ungoverned again"):
        security.rule_set.all().update(is_dropped=True)
        for rule in security.rule_set.all():
            rule.policy.disable()
    theirs = create_key(gus, globex, name="theirs")

    assert pick_up(client, waiting, theirs).status_code == 404


def test_whoever_asked_signed_in_is_not_replaced_by_a_key(
    client, first_key, creating_needs_two, dana, acme, ann, bob, browser
):
    signed_in = browser(dana)
    held = call(signed_in, "POST", KEYS, {"name": "ci"})
    approved(ApprovalRequest.objects.get(), ann, bob)
    key_id = held.json()["resource"]["id"]

    assert pick_up(client, key_id, first_key).status_code == 403
    assert pick_up(signed_in, key_id).status_code == 201


def test_it_is_too_late_after_the_time_that_the_settings_allow(
    client, waiting, first_key, assert_recorded
):
    with outside_command("Let time pass"):
        PickUp.objects.update(until=timezone.now())

    answer = pick_up(client, waiting, first_key)

    assert (answer.status_code, answer.json()["code"]) == (409, "pick_up_expired")
    assert "rotate" in answer.json()["detail"]
    assert_recorded(PickUpSecret, status="refused", error_code="pick_up_expired")
    assert not ApiKeySecret.objects.filter(api_key=waiting).exists()


def test_where_nothing_waits_nothing_is_picked_up(given, first_key, dana, context_of):
    command = PickUpSecret(api_key_id=first_key.id)

    given().when(command, context=context_of(dana)).then_refused(NothingToPickUp)


def test_a_rotation_that_was_held_breaks_nothing_until_it_is_picked_up(
    client, first_key, second_key, creating_needs_two, ann, bob
):
    path = f"{KEYS}/{second_key.id}/rotate"
    held = call(client, "POST", path, {"overlap_seconds": 3600}, key=first_key)
    approved(ApprovalRequest.objects.get(), ann, bob)

    assert held.status_code == 202
    assert call(client, "GET", WHOAMI, key=second_key).status_code == 200
    (secret,) = ApiKeySecret.objects.filter(api_key=second_key.id)
    assert secret.not_after is None

    picked = pick_up(client, second_key.id, first_key).json()

    assert call(client, "GET", WHOAMI, key=picked["secret"]).status_code == 200
    assert call(client, "GET", WHOAMI, key=second_key).status_code == 200
    secret.refresh_from_db()
    # The overlap begins with the new secret, not with the last approval.
    left = secret.not_after - timezone.now()
    assert timedelta(seconds=3590) < left <= timedelta(seconds=3600)
    record = CommandRecord.objects.get(message_type="apikeys.pick_up")
    (event,) = recorded_events(record)
    assert event.former_ends_at == secret.not_after


@pytest.fixture
def free_again(security):
    """A function that disables the policies on keys."""

    def disable():
        for rule in security.rule_set.all():
            with outside_command("Ungoverned again"):
                rule.policy.disable()

    return disable


def rotate(client, key_id, key, **body):
    return call(client, "POST", f"{KEYS}/{key_id}/rotate", {"overlap_seconds": 0, **body}, key=key)


def test_a_rotation_is_refused_while_a_secret_waits_to_be_picked_up(
    client, waiting, first_key, free_again
):
    free_again()

    refused = rotate(client, waiting, first_key)
    picked_up = pick_up(client, waiting, first_key)

    assert (refused.status_code, refused.json()["code"]) == (409, "pick_up_waiting")
    assert "replace_pick_up" in refused.json()["detail"]
    assert picked_up.status_code == 201


def test_a_confirmed_rotation_gives_up_what_waits(client, waiting, first_key, free_again):
    free_again()

    rotated = rotate(client, waiting, first_key, replace_pick_up=True)
    late = pick_up(client, waiting, first_key)

    assert rotated.status_code == 200
    assert rotated.json()["pick_up"] is None
    assert (late.status_code, late.json()["code"]) == (409, "nothing_to_pick_up")


def test_what_can_no_longer_be_picked_up_does_not_stop_a_rotation(
    client, waiting, first_key, free_again
):
    free_again()
    with outside_command("Let time pass"):
        PickUp.objects.update(until=timezone.now())

    assert rotate(client, waiting, first_key).status_code == 200


def test_a_held_rotation_does_not_give_up_what_waits_by_then(
    client, second_key, first_key, creating_needs_two, ann, bob
):
    policies = {each.governs: each for each in Policy.objects.all()}
    with outside_command("Several at once"):
        policies["apikeys.rotate"].edit(one_open_request=False)
    first, second, confirmed = [
        call(client, "POST", f"{KEYS}/{second_key.id}/rotate", body, key=first_key)
        for body in (
            {"overlap_seconds": 0},
            {"overlap_seconds": 1},
            {"overlap_seconds": 0, "replace_pick_up": True},
        )
    ]
    requests = {each.command_id: each for each in ApprovalRequest.objects.all()}
    by_command = {str(command_id): each for command_id, each in requests.items()}

    states = [
        approved(by_command[answer["Command-Id"]], ann, bob).state
        for answer in (first, second, confirmed)
    ]

    assert states == ["executed", "refused", "executed"]
    outcome = ApprovalRequest.objects.get(command_id=second["Command-Id"]).outcome
    assert "can pick up a secret" in outcome
    assert PickUp.objects.count() == 1


def test_a_confirmed_rotation_says_so_to_approvers(second_key):
    command = RotateApiKey(api_key_id=second_key.id, overlap_seconds=0, replace_pick_up=True)

    assert "waiting to be picked up is given up" in command.describe("the key")


@pytest.fixture
def created(client, first_key, creating_needs_two, ann, bob):
    """A function that sends the same approved creation again, and returns its note."""

    def send():
        answer = call(client, "POST", KEYS, {"name": "ci"}, key=first_key, Idempotency_Key="c-1")
        return answer.json()

    send()
    approved(ApprovalRequest.objects.get(), ann, bob)
    return send


def test_a_note_says_that_the_secret_is_waiting(client, created, first_key):
    body = created()

    assert body["secret"] is None
    assert "never shown. It is waiting to be picked up" in body["secret_note"]
    assert f"POST {body['url']}/secret" in body["secret_note"]
    assert "rotate" not in body["secret_note"]


def test_a_note_says_that_the_secret_was_picked_up(client, created, first_key):
    pick_up(client, created()["id"], first_key)

    assert "shown once, when it was picked up" in created()["secret_note"]


@pytest.mark.parametrize("how", ["too late", "given up", "deleted"])
def test_a_note_says_that_the_secret_was_never_shown(how, client, created, first_key, free_again):
    key_id = created()["id"]
    free_again()
    if how == "too late":
        with outside_command("Let time pass"):
            PickUp.objects.update(until=timezone.now())
    elif how == "given up":
        rotate(client, key_id, first_key, replace_pick_up=True)
    else:
        call(client, "DELETE", f"{KEYS}/{key_id}", key=first_key)

    note = created()["secret_note"]

    assert "never shown, and it can no longer be picked up" in note


@pytest.mark.parametrize("governs", ["apikeys.*", "*"])
def test_what_was_approved_is_not_held_once_more(client, waiting, first_key, security, governs):
    policy(governs, group=security, quorum=2)

    answer = pick_up(client, waiting, first_key)

    assert answer.status_code == 201


def test_what_was_approved_can_still_be_forbidden(client, waiting, first_key, security):
    policy("apikeys.*", group=security, quorum=1, effect="forbid", message="Not this week.")

    answer = pick_up(client, waiting, first_key)

    assert (answer.status_code, answer.json()["detail"]) == (403, "Not this week.")
    assert not ApiKeySecret.objects.filter(api_key=waiting).exists()


def test_a_policy_that_would_hold_nothing_but_the_last_step_is_refused(security, ann, bob):
    named = {"groups": (security.pk,), "quorums": (1,)}

    with pytest.raises(Invalid, match="the last step of an earlier approval"):
        check_policy(CreatePolicy(governs="apikeys.pick_up", **named))

    check_policy(CreatePolicy(governs="apikeys.*", **named))
    check_policy(CreatePolicy(governs="apikeys.pick_up", effect="forbid"))
