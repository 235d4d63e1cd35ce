"""Records that the application's role inserted for a held command: they decide nothing."""

import pytest

from apikeys.models import ApiKey
from approvals.models import ApprovalRequest
from audit.models.records import CommandRecord
from tests.approvals.asking import KEYS
from tests.approvals.attacks import forge_record
from tests.conftest import approved, create_key
from tests.http import call

FINAL = {
    "succeeded": {"status": "succeeded"},
    "refused": {"status": "refused", "error_code": "forbidden"},
    "cancelled": {"status": "cancelled", "error_code": "denied"},
}
FORGED = {
    **FINAL,
    "failed": {"status": "failed", "error_code": "crashed"},
    "the last attempt": {"status": "failed", "error_code": "crashed", "attempt": 32767},
}


def status(client, key, request):
    answer = call(client, "GET", f"/api/v2/commands/{request.command_id}", key=key)
    return answer.json()["status"]


@pytest.mark.parametrize("columns", FORGED.values(), ids=FORGED)
def test_a_forged_record_does_not_change_what_becomes_of_a_held_command(
    columns, waiting, first_key, ann, bob, client
):
    forge_record(waiting, **columns)
    assert status(client, first_key, waiting) == "postponed"
    (listed,) = [
        each
        for each in call(client, "GET", "/api/v2/commands", key=first_key).json()["results"]
        if each["id"] == str(waiting.command_id)
    ]
    assert listed["status"] == "postponed"

    assert approved(waiting, ann, bob).state == "executed"

    assert not ApiKey.objects.get().is_enabled
    assert CommandRecord.objects.filter(
        command_id=waiting.command_id, status="succeeded", causation_id__isnull=False
    ).exists()


@pytest.mark.parametrize("columns", FINAL.values(), ids=FINAL)
def test_nor_after_it_was_denied(columns, waiting, first_key, ann, client, deny):
    forge_record(waiting, **columns)

    deny(waiting, ann)

    assert ApprovalRequest.objects.get().state == "denied"
    assert status(client, first_key, waiting) == "cancelled"


def test_nor_one_after_the_execution(waiting, dana, acme, ann, bob, client):
    reader = create_key(dana, acme, name="reader")
    approved(waiting, ann, bob)

    forge_record(
        waiting, status="refused", error_code="forbidden", attempt=9, causation_id=waiting.pk
    )

    assert status(client, reader, waiting) == "succeeded"


def test_a_repeat_with_the_same_key_still_waits(client, first_key, disabling_needs_two):
    path, headers = f"{KEYS}/{first_key.id}/disable", {"Idempotency_Key": "once"}
    first = call(client, "POST", path, {}, key=first_key, **headers)
    forge_record(ApprovalRequest.objects.get(), status="succeeded", idempotency_key=None)

    repeated = call(client, "POST", path, {}, key=first_key, **headers)

    assert (first.status_code, repeated.status_code) == (202, 202)
    assert repeated["Command-Id"] == first["Command-Id"]


def test_a_forged_held_record_gives_nobody_elses_rights(waiting, dana, ann, bob, root):
    dana.user_permissions.clear()
    forge_record(
        waiting,
        status="postponed",
        actor_kind="user",
        actor_id=str(root.pk),
        actor_person=str(root.pk),
        actor_label="root",
    )

    request = approved(waiting, ann, bob)

    assert (request.state, request.outcome_code) == ("refused", "forbidden")
    assert ApiKey.objects.get().is_enabled
