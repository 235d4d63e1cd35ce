"""Requests to the approvals API."""

from django.db import connection
from django.test.utils import CaptureQueriesContext

from apikeys.commands import DisableApiKey
from apikeys.events import ApiKeyDisabled, ApiKeyEnabled
from apikeys.models import ApiKey
from approvals.models import ApprovalRequest
from audit.bus.dispatch import dispatch
from tests.conftest import create_key
from tests.http import call
from tests.probes import deed


@deed
def switch_off(command, context):
    """Disable a key past its policies, so that a request to disable it is stale."""
    ApiKey.objects.locked(pk=command.api_key_id).disable()
    context.emit(ApiKeyDisabled(api_key_id=command.api_key_id))


@deed
def switch_on(command, context):
    ApiKey.objects.locked(pk=command.api_key_id).enable()
    context.emit(ApiKeyEnabled(api_key_id=command.api_key_id))


REQUESTS = "/api/v2/approval-requests"
KEYS = "/api/v2/api-keys"


def address(request, verb=""):
    return f"{REQUESTS}/{request.pk}" + (f"/{verb}" if verb else "")


def decide(browser, request, verb, *, key=None, **body):
    if verb not in ("withdraw", "retry", "raise-again"):
        body.setdefault("digest", request.digest)
    return call(browser, "POST", address(request, verb), body, key=key)


def ids(answer):
    assert answer.status_code == 200, answer.content
    return [each["id"] for each in answer.json()["results"]]


def asks_for_many(user, customer, context_of, *, count):
    """Send commands to disable one new key after another as the user; return the requests."""
    asked = []
    for number in range(count):
        key = create_key(user, customer, name=f"key {number}")
        outcome = dispatch(DisableApiKey(api_key_id=key.id), context=context_of(user))
        asked.append(ApprovalRequest.objects.get(command_id=outcome.command_id))
    return asked


def queries(client, path):
    with CaptureQueriesContext(connection) as captured:
        assert client.get(path).status_code == 200
    return len(captured)


def in_json(moment):
    return moment.isoformat().replace("+00:00", "Z")
