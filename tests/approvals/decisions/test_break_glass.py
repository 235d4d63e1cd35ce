"""Breaking the glass: at once, by somebody who answers for it, loudly, and reviewed afterwards."""

import re

import pytest
import structlog.testing
from django.contrib.auth.models import Permission, User

from apikeys.commands import DisableApiKey, UpdateApiKey
from apikeys.models import ApiKey
from approvals.decisions.break_glass import NotBroken, NotGranted, UnderTheFloor
from approvals.decisions.commands import BreakGlass
from approvals.models import ApprovalRequest, Policy
from approvals.models.refusals import AlreadyDecided, NotAPerson
from approvals.policies.commands import DisablePolicy, ReviewBreakGlass
from approvals.policies.evaluation import Unsatisfiable
from audit.actors.actors import SYSTEM, Actor
from audit.bus.context import Context
from audit.bus.dispatch import dispatch
from audit.messages.exceptions import Forbidden, Invalid, NotFound, TimedOut
from audit.models.records import CommandRecord, EventRecord
from audit.models.subscriptions import Setback
from tests import mails
from tests.approvals.asking import switch_off
from tests.books import assert_balanced, attempts
from tests.conftest import approved, completed, held, member, new_approver, policy
from tests.probes import Broken, outage, rename_unless_down, to
from tests.tampering import let_time_pass


@pytest.fixture
def fay(acme):
    """Fay may break the glass, and approves nothing."""
    permissions = ("break_glass", "view_approvalrequest")
    return member("fay", acme, permissions=permissions, is_staff=True)


@pytest.fixture
def waiting(first_key, disabling_needs_two, policy_owners, dana, context_of):
    """Dana's wish to disable her key, which waits for two of Security."""
    command = DisableApiKey(api_key_id=first_key.id)
    return held(command, context=context_of(dana, reason="Leaked"))


def breaking(request, *, ticket="INC-17"):
    return BreakGlass(approval_request_id=request.pk, ticket=ticket)


def refuses(command, context, kind):
    """Dispatch what must be turned down: the record says so and nothing else changes."""
    before = EventRecord.objects.count()
    with pytest.raises(kind) as refusal:
        dispatch(command, context=context)
    record = CommandRecord.objects.get(command_id=refusal.value.command_id)
    assert (record.status, record.error_code) == ("refused", kind.code)
    assert ApiKey.objects.get().is_enabled
    assert set(ApprovalRequest.objects.values_list("state", flat=True)) == {"pending"}
    assert EventRecord.objects.count() == before


def test_it_carries_the_held_command_out_at_once_under_its_own_id(waiting, fay, context_of):
    request = completed(breaking(waiting), context=context_of(fay, reason="Leak in progress"))

    assert not ApiKey.objects.get().is_enabled
    assert request.state == "executed"
    said = "Break-glass by fay, ticket INC-17: “Leak in progress”. Executed."
    assert request.outcome == said
    attempts = CommandRecord.objects.filter(command_id=waiting.command_id).order_by("attempt")
    assert [each.status for each in attempts] == ["postponed", "succeeded"]
    broken = CommandRecord.objects.get(message_type="approvals.break_glass")
    assert (broken.actor_label, broken.reason) == ("fay", "Leak in progress")
    event = EventRecord.objects.get(message_type="approvals.glass_broken")
    assert (event.data["ticket"], event.data["state"]) == ("INC-17", "executed")
    assert event.correlation_id == waiting.command_id


def test_it_opens_a_review_that_two_owners_decide(waiting, fay, policy_owners, context_of):
    completed(breaking(waiting), context=context_of(fay, reason="Leak in progress"))

    review = ApprovalRequest.objects.get(message_type="approvals.review_break_glass")
    assert (review.state, review.requester_label) == ("pending", "fay")
    assert [rule["group"] for rule in review.requirements["rules"]] == ["Policy owners"]
    assert "INC-17" in review.command().describe("")
    assert approved(review, *policy_owners[:2]).state == "executed"
    event = EventRecord.objects.get(message_type="approvals.break_glass_reviewed")
    assert event.subject_id == str(waiting.pk)


def test_it_is_loud(waiting, fay, ann, policy_owners, context_of):
    User.objects.filter(pk=ann.pk).update(email="ann@example.com")
    User.objects.filter(username="olga").update(email="olga@example.com")
    User.objects.filter(username="petra").update(email="petra@example.com", is_active=False)

    with structlog.testing.capture_logs() as lines:
        completed(breaking(waiting), context=context_of(fay, reason="Leak in progress"))

    (line,) = [line for line in lines if line["event"] == "break-glass used"]
    assert (line["log_level"], line["by"]) == ("error", "fay")
    alarms = [mail for mail in mails.sent() if "Break-glass was used" in mail.subject]
    assert sorted(mail.to for mail in alarms) == [["ann@example.com"], ["olga@example.com"]]
    assert "Break-glass by fay, ticket INC-17: “Leak in progress”" in alarms[0].body


def test_an_alarm_that_cannot_be_sent_is_set_aside(
    waiting, fay, ann, policy_owners, context_of, send_mail_by
):
    User.objects.filter(pk=ann.pk).update(email="ann@example.com")
    send_mail_by(mails.NO_SERVER)

    completed(breaking(waiting), context=context_of(fay, reason="Leak in progress"))

    assert mails.sent() == []
    alarm = EventRecord.objects.get(message_type="approvals.glass_broken")
    assert Setback.objects.filter(event_id=alarm.id, name="approvals.mail").exists()


@pytest.mark.parametrize(("reason", "ticket"), [("", "INC-17"), ("Leak", " "), (" ", "")])
def test_it_takes_a_reason_and_a_ticket(reason, ticket, waiting, fay, context_of):
    refuses(breaking(waiting, ticket=ticket), context_of(fay, reason=reason), Invalid)


def test_being_superuser_is_not_enough(waiting, acme, context_of):
    root = member("root", acme)
    User.objects.filter(pk=root.pk).update(is_superuser=True)
    context = context_of(User.objects.get(pk=root.pk), reason="I may do anything")

    refuses(breaking(waiting), context, NotGranted)


def test_a_permission_that_comes_with_a_group_is_granted_by_name(
    waiting, security, acme, context_of
):
    security.permissions.add(Permission.objects.get(codename="break_glass"))
    sam = new_approver("sam", acme, groups=[security])

    completed(breaking(waiting), context=context_of(sam, reason="Leak"))

    assert not ApiKey.objects.get().is_enabled


def test_an_approver_without_the_permission_does_not_break_it(waiting, ann, context_of):
    refuses(breaking(waiting), context_of(ann, reason="Leak"), Forbidden)


def test_neither_a_key_nor_the_system_breaks_it(waiting, fay, first_key):
    key = Actor(
        kind="api_key",
        id=str(first_key.id),
        label="a key of fay's",
        person_id=str(fay.pk),
        tenants=None,
        permissions=frozenset({"approvals.break_glass"}),
    )

    refuses(breaking(waiting), Context(actor=key, reason="Leak"), NotAPerson)
    refuses(breaking(waiting), Context(actor=SYSTEM, reason="Leak"), NotAPerson)


def test_break_glass_does_not_apply_to_the_built_in_policy(
    disabling_needs_two, first_key, waiting, manager, fay, policy_owners, context_of
):
    weaken = held(
        DisablePolicy(policy_id=Policy.objects.get().pk),
        context=context_of(manager),
    )

    # Of no customer, so it is visible to those whom it asks.
    refuses(breaking(weaken), context_of(fay, reason="Hurry"), NotFound)
    fay.groups.add(*policy_owners[0].groups.all())
    refuses(breaking(weaken), context_of(fay, reason="Hurry"), UnderTheFloor)


def test_a_review_without_break_glass_is_refused(waiting, fay, policy_owners, context_of):
    review = held(ReviewBreakGlass(approval_request_id=waiting.pk), context=context_of(fay))

    assert approved(review, *policy_owners[:2]).state == "refused"
    assert NotBroken.__doc__ in ApprovalRequest.objects.get(pk=review.pk).outcome


def test_what_is_decided_is_not_broken(waiting, fay, ann, bob, context_of):
    approved(waiting, ann, bob)

    with pytest.raises(AlreadyDecided):
        dispatch(breaking(waiting), context=context_of(fay, reason="Leak"))


def test_without_owners_who_can_review_it_break_glass_is_refused(waiting, fay, context_of):
    User.objects.filter(username__in=("olga", "otto")).update(is_active=False)

    refuses(breaking(waiting), context_of(fay, reason="Leak"), Unsatisfiable)


def test_it_is_broken_from_the_page_of_the_request(waiting, fay, ann, browser):
    page = f"/admin/approvals/approvalrequest/{waiting.pk}/"
    form = {"decision": "break_glass", "reason": "Leak in progress", "ticket": "INC-17"}

    shown = browser(fay).get(f"{page}change/").content.decode().split("Emergency")[1]
    assert "Use break-glass" in shown
    assert re.findall(r'name="(\w+)"[^>]* required>', shown.split("</form>")[0]) == [
        "reason",
        "ticket",
    ]
    assert "Use break-glass" not in browser(ann).get(f"{page}change/").content.decode()
    answer = browser(fay).post(f"{page}decide/", form, follow=True)

    assert not ApiKey.objects.get().is_enabled
    (told,) = map(str, answer.context["messages"])
    assert told == "Break-glass by fay, ticket INC-17: “Leak in progress”. Executed."
    assert "Use break-glass" not in browser(fay).get(f"{page}change/").content.decode()


def test_the_page_shows_a_superuser_why_not(waiting, acme, browser):
    root = member("root", acme, is_staff=True)
    User.objects.filter(pk=root.pk).update(is_superuser=True)
    page = f"/admin/approvals/approvalrequest/{waiting.pk}/decide/"
    form = {"decision": "break_glass", "reason": "I may do anything", "ticket": "INC-17"}

    answer = browser(User.objects.get(pk=root.pk)).post(page, form, follow=True)

    assert NotGranted.__doc__ in str(next(iter(answer.context["messages"])))
    assert ApiKey.objects.get().is_enabled


def test_a_subject_that_was_changed_and_changed_back_is_no_obstacle(
    waiting, first_key, dana, fay, context_of
):
    for name in ("other", "first"):
        completed(UpdateApiKey(api_key_id=first_key.id, name=name), context=context_of(dana))

    request = completed(breaking(waiting), context=context_of(fay, reason="Leak in progress"))

    assert (request.state, request.outcome_code) == ("executed", "")
    assert not ApiKey.objects.get().is_enabled
    assert_balanced()


def test_a_subject_that_has_changed_is_refused_as_stale(waiting, first_key, fay, context_of):
    completed(to(switch_off, first_key.id))

    request = completed(breaking(waiting), context=context_of(fay, reason="Leak in progress"))

    assert (request.state, request.outcome_code) == ("refused", "stale")
    assert request.outcome.startswith(
        "Break-glass by fay, ticket INC-17: “Leak in progress”. Not executed: "
    )
    settled = EventRecord.objects.get(message_type="approvals.settled", subject_id=str(waiting.pk))
    assert settled.data["outcome_code"] == "stale"


def test_the_time_limit_for_execution_applies_as_well(waiting, fay, owner, context_of):
    let_time_pass(owner, waiting, column="execute_by")

    request = completed(breaking(waiting), context=context_of(fay, reason="Leak in progress"))

    assert (request.state, request.outcome_code) == ("refused", "conflict")
    assert [code for _, _, code in attempts(waiting.command_id)] == ["", "too_late"]
    assert ApiKey.objects.get().is_enabled


def test_the_executed_attempt_records_the_requirements_of_the_request(waiting, fay, context_of):
    completed(breaking(waiting), context=context_of(fay, reason="Leak in progress"))

    executed = CommandRecord.objects.get(command_id=waiting.command_id, attempt=2)
    assert executed.decision["requirements"] == waiting.requirements


@pytest.mark.parametrize("error", [Broken("down"), TimedOut()], ids=["crashed", "timeout"])
def test_after_a_temporary_failure_it_is_broken_again(
    error, first_key, dana, security, ann, fay, policy_owners, context_of
):
    policy("tests.probe", group=security, quorum=1)
    command = to(rename_unless_down, first_key.id)
    waiting = held(command, context=context_of(dana))

    with outage(error):
        failed = completed(breaking(waiting), context=context_of(fay, reason="Leak"))
    executed = completed(breaking(waiting), context=context_of(fay, reason="Leak"))

    assert (failed.state, failed.outcome_code, failed.is_retriable) == ("failed", "error", True)
    assert executed.state == "executed"
    statuses = [status for _, status, _ in attempts(waiting.command_id)]
    assert statuses == ["postponed", "failed", "succeeded"]
    assert ApiKey.objects.get().name == "renamed"
    assert_balanced()
