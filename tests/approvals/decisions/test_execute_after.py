"""Commands that are executed at a later time: approved as usual, and executed by the process."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apikeys.models import ApiKey
from approvals.decisions import evidence
from approvals.decisions.commands import Approve, BreakGlass, ReleaseRequest, Withdraw
from approvals.models import ApprovalRequest, Policy
from approvals.models.refusals import EffectChanged, TooEarly
from approvals.models.states import RequestStatus
from approvals.requests.statuses import statuses_of
from approvals.sealing.evidence_files import digest_of
from audit.bus.dispatch import dispatch
from audit.models.records import CommandRecord
from audit.outside import outside_command
from tests import mails
from tests.approvals.admin_pages import LIST, page, text
from tests.approvals.asking import KEYS, address, decide
from tests.conftest import AS_SYSTEM, approved, completed, member, policy
from tests.http import call
from tests.processes import take_steps

HOUR = timedelta(hours=1)


@pytest.fixture
def later():
    return (timezone.now() + HOUR).replace(microsecond=0)


@pytest.fixture
def send(client, first_key):
    """A function that sends the command to disable the key, with this time."""

    def disable(time, *, query="", **headers):
        headers["Execute-After"] = time if isinstance(time, str) else time.isoformat()
        body = {"reason": "Leaked"}
        return call(
            client, "POST", f"{KEYS}/{first_key.id}/disable{query}", body, key=first_key, **headers
        )

    return disable


@pytest.fixture
def scheduled(send, disabling_needs_two, later):
    """A request to disable the key in an hour, which waits for two of Security."""
    answer = send(later)
    assert answer.status_code == 202, answer.content
    return ApprovalRequest.objects.get(command_id=answer["Command-Id"])


@pytest.fixture
def let_hours_pass(monkeypatch):
    """A function that sets the clock of this process forward."""
    now = timezone.now

    def advance(hours):
        monkeypatch.setattr(timezone, "now", lambda: now() + hours * HOUR)

    return advance


def status_of(request):
    request = ApprovalRequest.objects.get(pk=request.pk)
    return statuses_of([request])[request.pk]


def refusal(answer):
    """Return the code and the place of the only error in a response."""
    assert answer.status_code == 400, answer.content
    (error,) = answer.json()["errors"]
    return error["code"], error["header"]


def test_an_approved_command_is_executed_at_its_time(
    scheduled, send, ann, bob, later, client, first_key, let_hours_pass
):
    status = call(client, "GET", f"/api/v2/commands/{scheduled.command_id}", key=first_key)
    assert status.json()["approval"]["execute_after"] == later.isoformat().replace("+00:00", "Z")

    request = approved(scheduled, ann, bob)
    take_steps()

    assert (request.state, status_of(request)) == ("pending", RequestStatus.SCHEDULED)
    assert ApiKey.objects.get().is_enabled
    with pytest.raises(TooEarly):
        dispatch(ReleaseRequest(approval_request_id=request.pk), context=AS_SYSTEM)

    let_hours_pass(1.1)
    assert status_of(request) is RequestStatus.APPROVED
    take_steps()

    request = ApprovalRequest.objects.get(pk=request.pk)
    assert (request.state, request.outcome) == ("executed", "Approved and executed.")
    assert not ApiKey.objects.get().is_enabled
    executed = CommandRecord.objects.get(command_id=request.command_id, status="succeeded")
    assert executed.actor_id == str(first_key.id)
    gathered = evidence.gather(request)
    assert evidence.problems_of(request, gathered) == []
    assert gathered["command"]["execute_after"] == later.isoformat()
    assert digest_of(gathered["command"]) == request.digest
    del gathered["command"]["execute_after"]
    assert digest_of(gathered["command"]) != request.digest


def test_lists_show_the_time_until_it_has_come(
    scheduled, ann, dana, later, browser, let_hours_pass
):
    lists = (browser(ann), LIST), (browser(dana), "/requests/")
    shown = f"not executed before {later:%Y-%m-%d %H:%M} UTC"
    for client, path in lists:
        assert shown in text(client.get(path).content.decode())

    let_hours_pass(1.1)
    for client, path in lists:
        assert str(scheduled.pk) in client.get(path).content.decode()
        assert shown not in text(client.get(path).content.decode())


def test_an_approval_after_that_time_executes_at_once(scheduled, ann, bob, let_hours_pass):
    approved(scheduled, ann)
    let_hours_pass(1.1)

    assert approved(scheduled, bob).state == "executed"


def test_the_effect_of_the_last_vote_is_displayed(scheduled, ann, bob, browser, context_of):
    approved(scheduled, ann)
    assert "Approve: last vote, executes at the requested time" in page(browser(bob), scheduled)
    assert browser(bob).get(address(scheduled)).json()["effects"]["approve"] == (
        "schedules_execution"
    )

    seen = {"digest": scheduled.digest, "number": 2}
    vote = Approve(approval_request_id=scheduled.pk, expected_effect="executes", **seen)
    with pytest.raises(EffectChanged, match="executed later, at the requested time"):
        dispatch(vote, context=context_of(bob))
    answer = decide(
        browser(bob), scheduled, "approve", number=2, expected_effect="schedules_execution"
    )
    assert (answer.status_code, answer.json()["status"]) == (200, "scheduled")


def test_everyone_reads_the_time(scheduled, later, ann, dana, browser):
    type(ann).objects.filter(pk=ann.pk).update(email="ann@example.com")

    (message,) = mails.sent()
    assert f"Not to be executed before {later:%Y-%m-%d %H:%M} UTC." in message.body
    shown = text(page(browser(ann), scheduled))
    assert "not before" in shown
    assert "executed as soon as it is approved" not in shown
    own = browser(dana).get(f"/requests/{scheduled.pk}/").content.decode()
    assert "not executed before" in own


@pytest.mark.parametrize(
    ("time", "code"),
    [
        (-HOUR, "past"),
        (7 * 24 * HOUR, "after_deadline"),
        ("2027-03-01T00:00:00", "invalid"),
        ("tomorrow", "invalid"),
        ("9999-12-31T23:59:59-01:00", "invalid"),
    ],
)
def test_an_unsuitable_time_is_refused(time, code, send, disabling_needs_two):
    given = time if isinstance(time, str) else timezone.now() + time
    assert refusal(send(given)) == (code, "Execute-After")
    assert not ApprovalRequest.objects.exists()


def test_the_end_of_the_time_for_execution_is_a_deadline_too(send, disabling_needs_two, later):
    with outside_command("An edit of a policy for a test"):
        Policy.objects.get().edit(execute_within=HOUR)

    assert refusal(send(later)) == ("after_deadline", "Execute-After")


def test_a_command_that_needs_no_approval_is_refused_with_a_time(send, later):
    assert refusal(send(later)) == ("not_held", "Execute-After")
    assert send(later, query="?dry_run=true").json()["outcome"] == "would_be_refused"
    assert ApiKey.objects.get().is_enabled


def test_the_time_is_part_of_what_an_idempotency_key_stands_for(send, disabling_needs_two, later):
    assert send(later, query="?dry_run=true").json()["outcome"] == "would_be_held"
    first = send(later, Idempotency_Key="one")
    again = send(later, Idempotency_Key="one")
    other = send(later + HOUR, Idempotency_Key="one")

    assert (first.status_code, again.status_code, other.status_code) == (202, 202, 422)
    assert again["Command-Id"] == first["Command-Id"]
    assert again["Idempotency-Replayed"] == "true"
    assert ApprovalRequest.objects.count() == 1


def test_until_then_it_can_be_withdrawn(scheduled, ann, bob, dana, context_of, let_hours_pass):
    approved(scheduled, ann, bob)
    completed(Withdraw(approval_request_id=scheduled.pk), context=context_of(dana))
    let_hours_pass(1.1)
    take_steps()

    assert ApprovalRequest.objects.get().state == "withdrawn"
    assert ApiKey.objects.get().is_enabled


def test_permissions_and_policies_are_those_of_the_time_of_execution(
    scheduled, ann, bob, security, let_hours_pass
):
    approved(scheduled, ann, bob)
    barrier = policy("apikeys.*", group=security, quorum=1, effect="forbid")
    let_hours_pass(1.1)
    take_steps()
    assert status_of(scheduled) is RequestStatus.UNSATISFIABLE

    with outside_command("The end of a policy for a test"):
        barrier.disable()
    type(ann).objects.filter(username="dana").update(is_active=False)
    take_steps()

    request = ApprovalRequest.objects.get()
    assert (request.state, request.outcome_code) == ("refused", "forbidden")
    assert ApiKey.objects.get().is_enabled


def test_break_glass_does_not_bring_the_time_forward(scheduled, acme, policy_owners, context_of):
    fay = member("fay", acme, permissions=("break_glass", "view_approvalrequest"))
    command = BreakGlass(approval_request_id=scheduled.pk, ticket="INC-17")

    with pytest.raises(TooEarly):
        dispatch(command, context=context_of(fay, reason="Hurry"))


def test_a_resubmission_keeps_the_time(scheduled, ann, dana, later, browser):
    decide(browser(ann), scheduled, "deny", comment="Not today")

    answer = decide(browser(dana), scheduled, "raise-again")

    assert answer.status_code == 202, answer.content
    again = ApprovalRequest.objects.get(command_id=answer["Command-Id"])
    assert again.execute_after == later
