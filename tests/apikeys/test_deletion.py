"""Deletion: final for everybody, but on record for ever."""

import pytest
from django.db import IntegrityError
from django.utils import timezone

from apikeys.commands import DeleteApiKey
from apikeys.models import ApiKey, ApiKeySecret, PickUp
from approvals.models import ApprovalRequest
from audit.models.records import EventRecord
from audit.outside import outside_command
from tests.books import assert_balanced
from tests.conftest import approved, create_key, policy
from tests.http import call

V1, V2 = "/api/v1/api-keys", "/api/v2/api-keys"
OLD_KEY = ["id", "name", "enabled", "prefix", "created_at"]


@pytest.fixture
def robot(dana, acme):
    """The key that is deleted."""
    return create_key(dana, acme, name="robot")


@pytest.fixture
def gone(robot, given):
    """A key that was deleted."""
    given(DeleteApiKey(api_key_id=robot.id))
    return robot


def test_a_deleted_key_is_answered_as_it_then_is(client, robot, first_key):
    answer = call(client, "DELETE", f"{V2}/{robot.id}", {"reason": "Unused"}, key=first_key)

    shown = answer.json()
    assert (answer.status_code, shown["state"], shown["enabled"]) == (200, "deleted", False)
    assert shown["secrets"] == []
    assert call(client, "GET", "/api/v2/whoami", key=robot).status_code == 401
    row = ApiKey.history.filter(id=robot.id).latest()
    assert (row.history_type, row.history_change_reason) == ("~", "Unused")
    assert row.deleted_at == ApiKey.objects.get(pk=robot.id).deleted_at
    assert_balanced()


def test_all_of_its_secrets_end(client, robot, first_key):
    call(client, "POST", f"{V2}/{robot.id}/rotate", {"overlap_seconds": 3600}, key=first_key)

    call(client, "DELETE", f"{V2}/{robot.id}", key=first_key)

    now = timezone.now()
    ends = ApiKeySecret.objects.filter(api_key=robot.id).values_list("not_after", flat=True)
    assert [end <= now for end in ends] == [True, True]


def test_v2_still_shows_it_by_its_id(client, gone, first_key):
    shown = call(client, "GET", f"{V2}/{gone.id}", key=first_key)

    assert (shown.status_code, shown.json()["state"]) == (200, "deleted")


COMMANDS = [
    ("PATCH", "", {"name": "again"}),
    ("POST", "/enable", None),
    ("POST", "/disable", None),
    ("POST", "/rotate", {"overlap_seconds": 0}),
    ("POST", "/secret", None),
]


@pytest.mark.parametrize("is_governed", [False, True])
@pytest.mark.parametrize(("method", "action", "body"), COMMANDS)
def test_it_takes_no_command_and_none_is_held(
    client, gone, first_key, security, ann, bob, method, action, body, is_governed
):
    if is_governed:
        policy("apikeys.*", group=security, quorum=2)

    answer = call(client, method, f"{V2}/{gone.id}{action}", body, key=first_key)

    assert (answer.status_code, answer.json()["code"]) == (409, "already_deleted")
    assert not ApprovalRequest.objects.exists()


@pytest.mark.parametrize("is_governed", [False, True])
def test_deleting_it_again_changes_nothing(client, gone, first_key, security, is_governed):
    if is_governed:
        policy("apikeys.*", group=security, quorum=2)

    answer = call(client, "DELETE", f"{V2}/{gone.id}", key=first_key)

    assert (answer.status_code, answer.json()["state"]) == (200, "deleted")
    assert not EventRecord.objects.filter(command_id=answer["Command-Id"]).exists()
    assert not ApprovalRequest.objects.exists()


def test_v1_answers_with_the_key_and_knows_it_no_more(client, robot, first_key):
    answer = call(client, "DELETE", f"{V1}/{robot.id}", key=first_key)

    assert (answer.status_code, list(answer.json())) == (200, OLD_KEY)
    assert answer.json()["id"] == str(robot.id)
    listed = call(client, "GET", V1, key=first_key).json()
    assert [each["name"] for each in listed] == ["first"]


@pytest.mark.parametrize(
    ("method", "action", "body"), [("GET", "", None), ("DELETE", "", None), *COMMANDS[:3]]
)
def test_to_v1_it_is_like_a_key_that_never_was(client, gone, first_key, method, action, body):
    nowhere = "018f2f6e-5c2a-7bb1-9b0e-0f4d5a6c7d8e"

    answer = call(client, method, f"{V1}/{gone.id}{action}", body, key=first_key)
    other = call(client, method, f"{V1}/{nowhere}{action}", body, key=first_key)

    assert (answer.status_code, other.status_code) == (404, 404)
    assert answer.content.decode().replace(str(gone.id), nowhere) == other.content.decode()


def test_a_repeat_of_a_deletion_is_told_that_it_worked(client, robot, first_key):
    path = f"{V1}/{robot.id}"

    first = call(client, "DELETE", path, key=first_key, Idempotency_Key="d-1")
    again = call(client, "DELETE", path, key=first_key, Idempotency_Key="d-1")

    assert (again.status_code, again.json()) == (200, first.json())


def test_what_waits_to_be_picked_up_goes_with_it(client, first_key, security, ann, bob):
    policy("apikeys.create", group=security, quorum=2)
    held = call(client, "POST", V2, {"name": "ci"}, key=first_key)
    approved(ApprovalRequest.objects.get(), ann, bob)
    assert PickUp.objects.exists()

    answer = call(client, "DELETE", f"{V2}/{held.json()['resource']['id']}", key=first_key)

    assert answer.json()["pick_up"] is None
    assert not PickUp.objects.exists()


def test_deleting_takes_a_permission_of_its_own(client, robot, first_key, dana):
    dana.user_permissions.remove(dana.user_permissions.get(codename="delete_apikey"))

    answer = call(client, "DELETE", f"{V2}/{robot.id}", key=first_key)

    assert answer.status_code == 403
    assert ApiKey.objects.get(pk=robot.id).is_enabled


def test_no_deleted_key_can_be_enabled_whatever_the_code_does(gone):
    with pytest.raises(IntegrityError, match="deleted_is_disabled"), outside_command("Past it"):
        ApiKey.objects.filter(pk=gone.id).update(is_enabled=True)
