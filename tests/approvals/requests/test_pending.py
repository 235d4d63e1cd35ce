"""Where a held command stands: every reader says the same, whatever the log says besides."""

import pytest

from apikeys.models import ApiKey
from approvals.decisions.commands import Withdraw
from approvals.models import ApprovalRequest
from approvals.models.states import State
from audit.log import queries
from audit.models.records import Status
from tests.approvals.asking import KEYS
from tests.approvals.attacks import forge_record
from tests.conftest import approved, completed, create_key
from tests.http import call
from tests.probes import Broken
from tests.tampering import let_time_pass, tamper

COMMANDS = "/api/v2/commands"
FORGED = [
    {},
    {"status": "succeeded"},
    {"status": "refused", "error_code": "forbidden"},
    {"status": "cancelled", "error_code": "denied"},
    {"status": "failed", "error_code": "crashed"},
    {"status": "postponed"},
]


@pytest.fixture
def reader(dana, acme):
    return create_key(dana, acme, name="reader")


@pytest.fixture
def reach(waiting, ann, bob, dana, deny, context_of, owner):
    """A function that brings the request into a state, and returns the status of its command."""

    def executed():
        approved(waiting, ann, bob)
        return "succeeded"

    def denied():
        deny(waiting, ann)
        return "cancelled"

    def withdrawn():
        completed(Withdraw(approval_request_id=waiting.pk), context=context_of(dana))
        return "cancelled"

    def expired():
        let_time_pass(owner, waiting)
        return "cancelled"

    def refused():
        dana.user_permissions.clear()
        approved(waiting, ann, bob)
        return "refused"

    def too_late():
        approved(waiting, ann)
        let_time_pass(owner, waiting, column="execute_by")
        approved(waiting, bob)
        return "cancelled"

    def failed(monkeypatch):
        with monkeypatch.context() as patch:
            patch.setattr(ApiKey, "disable", _break)
            approved(waiting, ann, bob)
        return "failed"

    def altered():
        tamper(owner, waiting, state="executed")
        return "postponed"

    known = (executed, denied, withdrawn, expired, refused, too_late, failed, altered)
    return {each.__name__: each for each in known} | {"pending": lambda: "postponed"}


STATES = ["pending", "executed", "denied", "withdrawn", "expired", "refused", "too_late"]


# The request does not say which of two outcomes without an execution it had.
CASES = [
    pytest.param(state, forged, id=f"{state}-{forged.get('status', 'none')}")
    for state in STATES
    for forged in FORGED
    if (state, forged.get("status")) != ("too_late", "refused")
]


def _break(_):
    raise Broken


def status(client, key, request):
    return call(client, "GET", f"{COMMANDS}/{request.command_id}", key=key).json()["status"]


def listed_under(client, key, request):
    """Return the statuses by which the list finds the command."""
    return [
        each
        for each in Status.values
        if str(request.command_id)
        in (
            row["id"]
            for row in call(client, "GET", f"{COMMANDS}?status={each}", key=key).json()["results"]
        )
    ]


@pytest.mark.parametrize(("state", "forged"), CASES)
def test_a_command_is_listed_under_its_status_and_under_no_other(
    state, forged, reach, waiting, reader, client
):
    expected = reach[state]()
    if forged:
        forge_record(waiting, attempt=9, causation_id=waiting.pk, **forged)

    assert status(client, reader, waiting) == expected
    assert listed_under(client, reader, waiting) == [expected]
    assert queries.is_final(waiting.command_id) == Status(expected).is_final


def test_a_command_that_failed_is_listed_as_failed(reach, waiting, reader, client, monkeypatch):
    reach["failed"](monkeypatch)

    assert status(client, reader, waiting) == "failed"
    assert listed_under(client, reader, waiting) == ["failed"]


def test_a_command_of_an_altered_request_is_under_no_wrong_status(reach, waiting, reader, client):
    reach["altered"]()
    forge_record(waiting, status="succeeded", attempt=9, causation_id=waiting.pk)

    assert status(client, reader, waiting) == "postponed"
    assert "succeeded" not in listed_under(client, reader, waiting)


def test_an_expired_command_is_cancelled_before_that_is_recorded(reach, waiting, reader, client):
    reach["expired"]()

    answer = call(client, "GET", f"{COMMANDS}/{waiting.command_id}?wait=30", key=reader).json()

    assert (answer["status"], answer["error"]["code"]) == ("cancelled", "expired")
    assert answer["error"]["detail"].startswith("No decision was made by ")
    assert answer["approval"]["state"] == "expired"
    assert [each["status"] for each in answer["attempts"]] == ["postponed"]


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_repeat_of_an_expired_command_is_told_so(
    version, first_key, disabling_needs_two, client, owner
):
    path = f"{KEYS.replace('v2', version)}/{first_key.id}/disable"
    headers = {"Idempotency_Key": "once"}
    call(client, "POST", path, {}, key=first_key, **headers)
    let_time_pass(owner, ApprovalRequest.objects.get())

    repeated = call(client, "POST", path, {}, key=first_key, **headers)

    assert repeated.status_code == 409
    assert "No decision was made by" in repeated.content.decode()


@pytest.mark.parametrize("state", STATES)
def test_the_filter_by_state_agrees_with_the_state_of_each_request(
    state, reach, waiting, ann, browser
):
    reach[state]()
    (shown,) = {ApprovalRequest.objects.get().present_state}

    found = [
        each
        for each in State.values
        if browser(ann).get(f"/api/v2/approval-requests?state={each}").json()["results"]
    ]

    assert found == [shown]
