"""Declared staleness over HTTP: only what a command depends on makes its request stale."""

import pytest
from django.contrib.auth.models import Permission

from apikeys.models import ApiKey
from approvals.models import ApprovalRequest
from audit.bus.handling import command_classes
from audit.models.records import CommandRecord, EventRecord
from audit.outside import outside_command
from tests import mails
from tests.approvals.asking import KEYS, address, decide, switch_off
from tests.books import assert_balanced
from tests.conftest import KEY_PERMISSIONS, completed, create_key, member, policy
from tests.http import call
from tests.probes import to
from tests.threads import Crowd


@pytest.fixture
def other_key(dana, acme):
    """Another key of Dana's, in the hands of Acme."""
    return create_key(dana, acme, name="other")


@pytest.fixture
def disable(client, other_key, first_key, disabling_needs_two):
    """A function that asks with another key to disable the first one, and returns the response."""
    path = f"{KEYS}/{first_key.id}/disable"
    return lambda reason="Leaked", **headers: call(
        client, "POST", path, {"reason": reason}, key=other_key, **headers
    )


@pytest.fixture
def rotate(client, other_key, first_key, security, ann, bob):
    """A function that asks with another key to rotate the first one, and returns the response."""
    policy("apikeys.rotate", group=security, quorum=2)
    path = f"{KEYS}/{first_key.id}/rotate"
    return lambda reason="Leaked", **headers: call(
        client, "POST", path, {"reason": reason, "overlap_seconds": 0}, key=other_key, **headers
    )


@pytest.mark.parametrize(
    "command_class",
    [
        each
        for each in command_classes()
        if each.message_type.partition(".")[0] in ("apikeys", "approvals")
        and not each.finishes_approved
    ],
    ids=lambda each: each.message_type,
)
def test_every_command_that_can_be_held_declares_what_it_depends_on(command_class):
    assert command_class.depends_on is not None


def patch(client, key, *, by, **body):
    return call(client, "PATCH", f"{KEYS}/{key.id}", body, key=by)


def request_of(answer):
    return ApprovalRequest.objects.get(command_id=answer["Command-Id"])


@pytest.mark.parametrize(
    "body",
    [{"name": "x"}, {"description": "x"}, {"metadata": {"a": "b"}}, {"scopes": ["read"]}],
)
def test_an_edit_does_not_save_a_key_from_being_disabled(
    body, client, disable, first_key, other_key, ann, bob, browser
):
    request = request_of(disable())
    assert patch(client, first_key, by=other_key, **body).status_code == 200

    decide(browser(ann), request, "approve")
    answer = decide(browser(bob), request, "approve")

    assert (answer.json()["state"], answer.json()["warnings"]) == ("executed", [])
    assert not ApiKey.objects.get(pk=first_key.id).is_enabled
    assert_balanced()


def test_a_rotation_does_not_save_a_key_from_being_disabled(
    client, disable, first_key, other_key, ann, bob, browser
):
    request = request_of(disable())
    path = f"{KEYS}/{first_key.id}/rotate"
    rotated = call(client, "POST", path, {"overlap_seconds": 0}, key=other_key)
    assert rotated.status_code == 200

    decide(browser(ann), request, "approve")
    answer = decide(browser(bob), request, "approve")

    assert answer.json()["state"] == "executed"
    assert not ApiKey.objects.get(pk=first_key.id).is_enabled


def test_scopes_that_grew_make_a_request_to_enable_stale(
    client, first_key, other_key, security, ann, bob, browser
):
    call(client, "POST", f"{KEYS}/{first_key.id}/disable", key=other_key)
    policy("apikeys.enable", group=security, quorum=2)
    held = call(client, "POST", f"{KEYS}/{first_key.id}/enable", key=other_key)
    assert patch(client, first_key, by=other_key, name="y").status_code == 200
    assert browser(ann).get(address(request_of(held))).json()["warnings"] == []

    assert patch(client, first_key, by=other_key, scopes=["read"]).status_code == 200

    shown = browser(ann).get(address(request_of(held))).json()
    assert shown["warnings"] == ["Out of date: scopes has changed since the request."]


def test_a_stale_request_is_superseded_by_asking_again(
    client, rotate, first_key, other_key, ann, browser
):
    first = rotate()
    old = request_of(first)
    decide(browser(ann), old, "approve")
    completed(to(switch_off, first_key.id))

    again = rotate("Still leaked")

    assert (again.status_code, again.get("Idempotency-Replayed")) == (202, None)
    new = request_of(again)
    old.refresh_from_db()
    assert (old.state, new.state, new.votes.count()) == ("superseded", "pending", 0)
    assert str(new.pk) in old.outcome
    superseded = EventRecord.objects.get(message_type="approvals.superseded")
    assert (superseded.subject_id, superseded.data["successor_id"]) == (str(old.pk), str(new.pk))
    requested = EventRecord.objects.get(message_type="approvals.requested", subject_id=str(new.pk))
    assert requested.data["supersedes"] == [str(old.pk)]
    status = call(client, "GET", f"/api/v2/commands/{old.command_id}", key=other_key).json()
    assert (status["status"], status["error"]["code"]) == ("cancelled", "superseded")
    assert str(new.pk) in status["error"]["detail"]
    assert_balanced()


def test_the_pages_of_both_requests_link_to_each_other(
    client, rotate, first_key, other_key, ann, browser
):
    old = request_of(rotate())
    completed(to(switch_off, first_key.id))
    new = request_of(rotate())
    page = "/admin/approvals/approvalrequest/{}/change/".format

    assert page(new.pk) in browser(ann).get(page(old.pk)).content.decode()
    assert page(old.pk) in browser(ann).get(page(new.pk)).content.decode()


def test_the_resources_of_both_requests_refer_to_each_other(
    client, rotate, first_key, other_key, ann, browser
):
    old = request_of(rotate())
    completed(to(switch_off, first_key.id))
    new = request_of(rotate())

    shown = {each.pk: browser(ann).get(address(each)).json() for each in (old, new)}

    references = {each.pk: {"id": str(each.pk), "url": address(each)} for each in (old, new)}
    assert shown[old.pk]["superseded_by"] == references[new.pk]
    assert shown[new.pk]["supersedes"] == [references[old.pk]]
    assert (shown[old.pk]["supersedes"], shown[new.pk]["superseded_by"]) == ([], None)
    assert shown[new.pk]["break_glass"] is None


def test_it_is_announced_to_voters_and_to_the_former_requester(
    client, rotate, first_key, other_key, dana, ann
):
    for person in (dana, ann):
        person.email = f"{person.username}@example.com"
        person.save()
    rotate()
    completed(to(switch_off, first_key.id))
    mails.forget()

    rotate()

    subjects = {mail.to[0]: mail.subject for mail in mails.sent()}
    assert "Superseded" in subjects["dana@example.com"]
    assert "Approval needed" in subjects["ann@example.com"]


def test_another_requester_supersedes_a_stale_request_too(
    client, rotate, first_key, other_key, browser, acme
):
    old = request_of(rotate())
    completed(to(switch_off, first_key.id))
    carl = member("carl", acme, permissions=KEY_PERMISSIONS)

    again = call(browser(carl), "POST", f"{KEYS}/{first_key.id}/rotate", {"overlap_seconds": 0})

    old.refresh_from_db()
    assert (again.status_code, old.state) == (202, "superseded")


def test_a_superseded_request_takes_no_votes(client, rotate, first_key, other_key, ann, browser):
    old = request_of(rotate())
    completed(to(switch_off, first_key.id))
    rotate()

    answer = decide(browser(ann), old, "approve")

    assert (answer.status_code, answer.json()["code"]) == (409, "already_decided")
    assert "Superseded by approval request" in answer.json()["detail"]


def test_a_request_that_is_not_stale_is_returned_again(client, disable, first_key, other_key):
    first = disable()
    patch(client, first_key, by=other_key, name="another")

    again = disable()

    assert again["Command-Id"] == first["Command-Id"]
    assert ApprovalRequest.objects.count() == 1


def test_where_several_may_be_open_the_same_stale_command_is_superseded(
    client, first_key, other_key, security, ann, bob
):
    policy("apikeys.update", group=security, quorum=2, one_open_request=False)
    first = patch(client, first_key, by=other_key, name="second")
    different = patch(client, first_key, by=other_key, description="elsewhere")
    with outside_command("Changed"):
        ApiKey.objects.filter(pk=first_key.id).update(metadata={"a": "b"})
    call(client, "POST", f"{KEYS}/{first_key.id}/rotate", {"overlap_seconds": 0}, key=other_key)

    again = patch(client, first_key, by=other_key, name="second")

    states = [request_of(each).state for each in (first, different, again)]
    assert states == ["superseded", "pending", "pending"]


def test_the_same_idempotency_key_says_that_it_was_superseded(client, rotate, first_key, other_key):
    rotate(Idempotency_Key="d-1")
    completed(to(switch_off, first_key.id))
    rotate()

    repeated = rotate(Idempotency_Key="d-1")

    assert (repeated.status_code, repeated.json()["code"]) == (409, "superseded")


def test_resubmitting_a_stale_request_supersedes_it(
    client, rotate, first_key, other_key, dana, browser
):
    old = request_of(rotate())
    dana.user_permissions.add(Permission.objects.get(codename="view_approvalrequest"))
    refused = decide(browser(dana), old, "raise-again", comment="Too early")
    completed(to(switch_off, first_key.id))

    answer = decide(browser(dana), old, "raise-again", comment="Again")

    old.refresh_from_db()
    assert (refused.status_code, refused.json()["code"]) == (409, "not_to_be_raised_again")
    assert (answer.status_code, old.state) == (202, "superseded")


def test_votes_and_repeats_at_once_end_in_one_open_request(
    client, rotate, first_key, other_key, ann, bob, browser
):
    old = request_of(rotate())
    completed(to(switch_off, first_key.id))
    voters = [browser(ann), browser(bob)]

    with Crowd(4) as crowd:
        answers = crowd.at_once(
            rotate,
            rotate,
            *(lambda voter=voter: decide(voter, old, "approve") for voter in voters),
        )

    assert all(answer.status_code < 500 for answer in answers)
    assert ApprovalRequest.objects.filter(state="pending").count() <= 1
    final = CommandRecord.objects.filter(
        command_id=old.command_id, status__in=("refused", "cancelled", "succeeded")
    )
    assert final.count() <= 1
    assert_balanced()


@pytest.fixture(params=["disable", "delete"])
def revocation(request, client, first_key, other_key, security, ann, bob):
    """A request to disable or delete the first key, which waits."""
    policy(f"apikeys.{request.param}", group=security, quorum=2)
    held = (
        call(client, "POST", f"{KEYS}/{first_key.id}/disable", key=other_key)
        if request.param == "disable"
        else call(client, "DELETE", f"{KEYS}/{first_key.id}", key=other_key)
    )
    assert held.status_code == 202
    return ApprovalRequest.objects.get()


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "", {"description": "Mine"}),
        ("POST", "/rotate", {"overlap_seconds": 0}),
        ("POST", "/enable", {}),
    ],
)
def test_a_key_cannot_change_itself_while_its_revocation_waits(
    method, path, body, client, revocation, first_key, other_key, assert_recorded
):
    url = f"{KEYS}/{first_key.id}{path}"

    answer = call(client, method, url, body, key=first_key)

    assert (answer.status_code, answer.json()["code"]) == (409, "revocation_waiting")
    assert str(revocation.pk) not in answer.json()["detail"]
    record = CommandRecord.objects.get(command_id=answer["Command-Id"])
    assert (record.status, record.error_code) == ("refused", "revocation_waiting")
    by_another = call(client, method, url, body, key=other_key)
    assert by_another.json().get("code") != "revocation_waiting"


def test_version_1_refuses_it_as_well(client, revocation, first_key):
    answer = call(client, "PATCH", f"/api/v1/api-keys/{first_key.id}", {"name": "x"}, key=first_key)

    assert answer.status_code == 409
    assert str(revocation.pk) not in answer.content.decode()


def test_a_key_may_change_itself_again_once_the_request_is_denied(
    client, revocation, first_key, ann, browser
):
    decide(browser(ann), revocation, "deny", comment="Not needed")

    assert patch(client, first_key, by=first_key, description="Mine").status_code == 200


def test_a_held_change_of_the_key_by_itself_is_refused_on_execution(
    client, first_key, other_key, security, ann, bob, browser
):
    policy("apikeys.update", group=security, quorum=1)
    held = patch(client, first_key, by=first_key, description="Mine")
    policy("apikeys.disable", group=security, quorum=2)
    call(client, "POST", f"{KEYS}/{first_key.id}/disable", key=other_key)

    answer = decide(browser(ann), request_of(held), "approve")

    assert answer.json()["state"] == "refused"
    assert "to disable this key is waiting" in answer.json()["outcome"]


def test_a_key_may_still_ask_to_be_disabled_itself(client, disable, first_key):
    waiting = request_of(disable())

    answer = call(
        client, "POST", f"{KEYS}/{first_key.id}/disable", {"reason": "Leaked"}, key=first_key
    )

    assert (answer.status_code, answer["Command-Id"]) == (202, str(waiting.command_id))
