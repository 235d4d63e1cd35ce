"""One command over HTTP: what it says of itself, and when it is sent again."""

from datetime import UTC, datetime

from django.conf import settings
from django.test import Client

from apikeys.commands import DisableApiKey
from approvals.decisions.commands import Approve, Deny
from approvals.models import ApprovalRequest
from audit.bus.context import Context
from audit.models.records import CommandRecord
from tests.conftest import actor, completed, held
from tests.http import call

COMMANDS = "/api/v2/commands"


def test_a_succeeded_command_links_to_what_it_made(client, first_key):
    created = call(client, "POST", "/api/v2/api-keys", {"name": "ci"}, key=first_key)

    shown = call(client, "GET", f"{COMMANDS}/{created['Command-Id']}", key=first_key).json()

    path = f"/api/v2/api-keys/{created.json()['id']}"
    assert shown["result"] == {"type": "api-key", "id": created.json()["id"], "url": path}
    assert call(client, "GET", path, key=first_key).status_code == 200
    (attempt,) = shown["attempts"]
    assert shown["settled_at"] == attempt["settled_at"] > shown["received_at"]
    assert shown["duration_us"] == attempt["duration_us"]
    assert [event["type"] for event in shown["events"]] == ["apikeys.created"]


def test_a_cancelled_command_was_settled_when_it_was_called_off(
    client, first_key, dana, disabling_needs_two, bob
):
    request = held(DisableApiKey(api_key_id=first_key.id), context=Context(actor=actor(dana)))
    moment = datetime.now(UTC)
    completed(
        Deny(approval_request_id=request.pk, digest=request.digest),
        context=Context(actor=actor(bob), reason="No"),
    )

    shown = call(client, "GET", f"{COMMANDS}/{request.command_id}", key=first_key).json()

    assert shown["received_at"] < moment.isoformat().replace("+00:00", "Z") < shown["settled_at"]
    assert shown["error"]["type"] == f"{settings.BASE_URL}/docs/errors/denied"


def test_the_etag_changes_with_what_there_is_to_see(
    client, first_key, dana, disabling_needs_two, ann
):
    request = held(DisableApiKey(api_key_id=first_key.id), context=Context(actor=actor(dana)))
    path = f"{COMMANDS}/{request.command_id}"

    first = call(client, "GET", path, key=first_key)
    same = call(client, "GET", path, key=first_key, If_None_Match=first["ETag"])
    weak = call(client, "GET", path, key=first_key, If_None_Match=f'"x", W/{first["ETag"]}')
    vote = Approve(approval_request_id=request.pk, digest=request.digest)
    completed(vote, context=Context(actor=actor(ann)))
    changed = call(client, "GET", path, key=first_key, If_None_Match=first["ETag"])

    assert (first.status_code, same.status_code, weak.status_code) == (200, 304, 304)
    assert (same.content, same["ETag"]) == (b"", first["ETag"])
    assert (changed.status_code, changed.json()["approval"]["have"]) == (200, 1)
    assert changed["ETag"] != first["ETag"]
    assert changed.json()["approval"]["url"] == f"/api/v2/approval-requests/{request.pk}"


def test_a_head_request_is_answered_without_a_body(client, first_key):
    for path in (COMMANDS, f"{COMMANDS}/{CommandRecord.objects.last().command_id}"):
        answer = call(Client(), "HEAD", path, key=first_key)

        assert (answer.status_code, answer.content) == (200, b"")


def test_the_requests_of_a_held_command_are_told_while_it_waits(
    client, first_key, dana, disabling_needs_two
):
    held(DisableApiKey(api_key_id=first_key.id), context=Context(actor=actor(dana)))
    (row,) = call(client, "GET", f"{COMMANDS}?status=postponed", key=first_key).json()["results"]

    request = ApprovalRequest.objects.get()
    shown = call(client, "GET", row["url"], key=first_key).json()
    assert shown["approval"]["request_id"] == str(request.pk)
