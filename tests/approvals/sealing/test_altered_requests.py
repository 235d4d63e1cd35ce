"""Requests that the application's role changed or inserted by SQL: set aside, never executed."""

import json
import logging
from io import StringIO
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command

from apikeys.models import ApiKey
from approvals import checks
from approvals.decisions.commands import ExpireRequest
from approvals.models import ApprovalRequest, Vote
from audit.bus.dispatch import dispatch
from audit.installation.settings import countersign
from audit.messages.exceptions import Conflict
from audit.models.records import CommandRecord
from tests.approvals.asking import KEYS, REQUESTS, address, decide
from tests.approvals.attacks import attack
from tests.conftest import AS_SYSTEM, approved
from tests.http import call
from tests.processes import take_steps
from tests.tampering import let_time_pass

TABLE = "approvals_approvalrequest"
LIST = "/admin/approvals/approvalrequest/"
ENDS = {
    "executed": "state = 'executed', outcome = 'Approved and executed.', decided_at = now()",
    "denied": "state = 'denied', outcome = 'Denied by bob', decided_at = now()",
    "expired": "state = 'expired'",
    "failed": "state = 'failed', outcome_code = 'error', is_retriable = true",
    "outcome": "outcome = 'See https://evil.example'",
    "decided": "decided_at = now()",
    "another seal": "row_seal = 'k1:00'",
    "no seal": "row_seal = ''",
}
FORGED = {
    "a quorum of 9,999,999,999,999": {
        "policies": [],
        "rules": [{"id": "x", "group_id": 1, "group": "Security", "quorum": 9_999_999_999_999}],
        "options": {},
    },
    "an empty object": {},
    "a list": [],
    "a text": "x",
    "no rules": {"policies": [], "rules": None, "options": {}},
    "a rule without a group": {"policies": [], "rules": [{}], "options": {}},
    "options of other types": {
        "policies": {},
        "rules": [],
        "options": {"minimum_membership_s": "abc", "requester_may_vote": "x"},
    },
}


def forge(waiting, requirements):
    """Insert a copy of a request with other requirements, and the group of the approvers."""
    names = [field.column for field in ApprovalRequest._meta.concrete_fields]
    other = {"id": "gen_random_uuid()", "command_id": "%s", "requirements": "%s"}
    columns = ", ".join(other.get(name, name) for name in names)
    forged_id = uuid4()
    attack(
        (
            f"INSERT INTO {TABLE} ({', '.join(names)}) SELECT {columns} FROM {TABLE}",
            [forged_id, json.dumps(requirements)],
        )
    )
    return ApprovalRequest.objects.get(command_id=forged_id)


@pytest.fixture(params=ENDS.values(), ids=ENDS)
def altered(request, waiting):
    """The waiting request, after the application's role changed its state."""
    attack(f"UPDATE {TABLE} SET {request.param}")
    return ApprovalRequest.objects.get(pk=waiting.pk)


def test_it_is_shown_as_altered(altered, ann, browser):
    client = browser(ann)

    page = client.get(f"{LIST}{altered.pk}/change/").content.decode()
    detail = client.get(address(altered)).json()
    (listed,) = client.get(REQUESTS).json()["results"]

    assert '<span class="status status-altered">altered</span>' in page
    assert "A request that cannot be verified" in page
    assert "evil.example" not in page
    assert 'value="approve"' not in page
    assert 'value="deny"' not in page
    for told in (detail, listed):
        assert told["state"] == "altered"
        assert told["what"] is None
        assert told["problem"]
    assert detail["my_vote"]["may"] is False
    assert detail["outcome"] == ""


@pytest.mark.parametrize("verb", ["approve", "deny", "take-back", "withdraw", "retry"])
def test_no_decision_on_it_is_possible(verb, altered, dana, ann, browser, caplog):
    person = dana if verb in ("withdraw", "retry") else ann
    before = CommandRecord.objects.filter(command_id=altered.command_id).count()

    with caplog.at_level(logging.ERROR):
        answer = decide(browser(person), altered, verb, comment="Because")

    assert (answer.status_code, answer.json()["code"]) == (409, "request_altered")
    assert "approval request altered" in caplog.text
    assert not Vote.objects.exists()
    assert ApiKey.objects.get().is_enabled
    assert CommandRecord.objects.filter(command_id=altered.command_id).count() == before


def test_the_last_vote_does_not_execute_it(waiting, ann, bob, approve):
    approve(waiting, ann)
    attack(f"UPDATE {TABLE} SET outcome = 'x'")

    with pytest.raises(Conflict, match="altered"):
        approve(waiting, bob)

    assert ApiKey.objects.get().is_enabled


def test_its_command_still_waits_and_can_be_sent_again(
    altered, client, first_key, dana, browser, hold, context_of
):
    status = call(client, "GET", f"/api/v2/commands/{altered.command_id}", key=first_key).json()
    assert (status["status"], status["approval"]["state"]) == ("postponed", "altered")

    answer = call(client, "POST", f"{KEYS}/{first_key.id}/disable", {}, key=first_key)

    assert answer.status_code == 202
    assert answer["Command-Id"] != str(altered.command_id)


def test_it_is_no_pending_approval_of_its_key(altered, client, first_key):
    key = call(client, "GET", f"{KEYS}/{first_key.id}", key=first_key).json()

    assert key["pending_approvals"] == []


def test_it_is_not_expired(waiting, owner):
    let_time_pass(owner, waiting)
    attack(f"UPDATE {TABLE} SET outcome = 'x'")

    take_steps()

    assert not CommandRecord.objects.filter(message_type="approvals.expire").exists()
    with pytest.raises(Conflict):
        dispatch(ExpireRequest(approval_request_id=waiting.pk), context=AS_SYSTEM)


@pytest.mark.sweep
@pytest.mark.parametrize("requirements", FORGED.values(), ids=FORGED)
def test_a_forged_request_breaks_no_reader(
    requirements, waiting, first_key, ann, bob, iris, browser, client, without_constraints
):
    """Constraints refuse most of these requests now, but not those from before."""
    forged = forge(waiting, requirements)
    pages = [
        *(f"{LIST}?tab={tab}" for tab in ("needs", "mine", "watching", "done")),
        f"{LIST}{forged.pk}/change/",
        f"{LIST}{waiting.pk}/change/",
        f"{LIST}{forged.pk}/history/",
        REQUESTS,
        f"{REQUESTS}?view=needs_my_vote",
        f"{REQUESTS}?state=pending",
        address(forged),
        address(waiting),
        f"/api/v2/commands/{forged.command_id}",
    ]

    for person in (ann, iris):
        sender = browser(person)
        statuses = {path: sender.get(path).status_code for path in pages}
        assert all(status in (200, 404) for status in statuses.values()), statuses
    assert browser(ann).get(address(forged)).json()["state"] == "altered"
    take_steps()
    checks.check_stored_types(databases=["default"])
    with pytest.raises(CommandError):
        call_command("approvals_check", stdout=StringIO(), stderr=StringIO())
    key = call(client, "GET", f"{KEYS}/{first_key.id}", key=first_key).json()
    assert [each["request_id"] for each in key["pending_approvals"]] == [str(waiting.pk)]
    assert approved(waiting, ann, bob).state == "executed"


def test_a_forged_request_stops_nobody_from_asking(
    waiting, first_key, dana, ann, deny, hold, context_of
):
    forge(waiting, waiting.requirements)
    deny(waiting, ann)

    again = hold(waiting.command(), context=context_of(dana))

    assert again.state == "pending"


def test_both_checks_report_it(altered):
    (error,) = checks.check_seals(databases=["default"])
    errors = StringIO()

    with pytest.raises(CommandError):
        call_command("approvals_check", stdout=StringIO(), stderr=errors)

    assert error.id == "approvals.E005"
    assert str(altered.pk) in error.msg
    assert f"approval request {altered.pk}" in errors.getvalue()


def strip(owner):
    """Remove the seals of rows, as an earlier version left them."""
    with owner.transaction():
        owner.execute(f"ALTER TABLE {TABLE} DISABLE TRIGGER USER")
        owner.execute(f"UPDATE {TABLE} SET row_seal = ''")
        owner.execute(f"ALTER TABLE {TABLE} ENABLE TRIGGER USER")


def test_requests_of_an_earlier_version_are_sealed_by_an_operator(
    waiting, first_key, dana, acme, ann, bob, owner, hold, context_of, approve
):
    approve(waiting, ann)
    strip(owner)
    assert ApprovalRequest.objects.get().state == "altered"

    call_command("approvals_seal", reason="Upgrade", stdout=StringIO())

    assert checks.check_seals(databases=["default"]) == []
    assert approved(waiting, bob).state == "executed"
    strip(owner)
    call_command("approvals_seal", reason="Upgrade", stdout=StringIO())
    assert ApprovalRequest.objects.get().state == "executed"


@pytest.mark.parametrize("state", ["executed", "denied", "expired", "withdrawn"])
def test_what_the_log_does_not_confirm_is_not_sealed(state, waiting, owner):
    attack(f"UPDATE {TABLE} SET state = '{state}'")
    strip(owner)

    with pytest.raises(CommandError):
        call_command("approvals_seal", reason="Upgrade", stdout=StringIO(), stderr=StringIO())

    assert ApprovalRequest.objects.get().state == "altered"


def test_a_sealed_row_is_not_sealed_again(waiting):
    attack(f"UPDATE {TABLE} SET outcome = 'x'")

    with pytest.raises(CommandError):
        call_command("approvals_seal", reason="By mistake", stdout=StringIO(), stderr=StringIO())

    assert ApprovalRequest.objects.get().state == "altered"


def test_a_seal_under_an_earlier_key_is_still_genuine(waiting, configure):
    configure(PAYLOAD_KEYS={"k9": b"new" * 11, **countersign().payload_keys})
    assert ApprovalRequest.objects.get().state == "pending"

    configure(PAYLOAD_KEYS={"k9": b"new" * 11})
    assert ApprovalRequest.objects.get().state == "altered"


def test_a_decided_request_keeps_its_seal(waiting, ann, bob):
    approved(waiting, ann, bob)

    with pytest.raises(Exception, match="executed already"):
        attack(f"UPDATE {TABLE} SET row_seal = 'k1:00'")
