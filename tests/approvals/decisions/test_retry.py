"""Retry: what failed in a way that may pass is tried again, by the same checks and votes."""

import logging
from contextlib import nullcontext

import pytest

from apikeys.models import ApiKey
from approvals.models import Vote
from approvals.models.refusals import (
    AlreadyDecided,
    NotAnApprover,
    NotEnoughApprovals,
    NotToBeRetried,
    TooLate,
)
from audit.bus.dispatch import dispatch
from audit.messages.exceptions import Conflict, Failed, NotFound, TimedOut
from tests.approvals.admin_pages import decide
from tests.approvals.asking import address
from tests.approvals.asking import decide as decide_by_api
from tests.books import assert_balanced, attempts
from tests.conftest import member, new_approver, policy
from tests.probes import Broken, deed, outage, rename_unless_down, to
from tests.tampering import let_time_pass, tamper


class Unrecoverable(Failed):
    """This can never work."""


@pytest.fixture(params=[Broken("down"), TimedOut()], ids=["crashed", "timeout"])
def failed(request, hold, first_key, dana, security, ann, bob, context_of, approve):
    """What was approved by two and failed when it was carried out; now it would succeed."""
    policy("tests.probe", group=security, quorum=2)
    command = to(rename_unless_down, first_key.id)
    asked = hold(command, context=context_of(dana, idempotency_key="once"))
    approve(asked, ann)
    with outage(request.param):
        failed = approve(asked, bob)
    assert (failed.state, failed.outcome_code, failed.is_retriable) == ("failed", "error", True)
    return failed


def test_it_has_the_displayed_effect_or_none(failed, dana, browser):
    client = browser(dana)
    shown = client.get(address(failed)).json()
    answers = []

    for circumstances, effect in (
        (outage(Conflict("The key is busy.")), shown["effects"]["retry"]),
        (nullcontext(), "refused_on_execution"),
        (nullcontext(), shown["effects"]["retry"]),
    ):
        seen = {"number": shown["number"], "expected_effect": effect}
        with circumstances:
            answers.append(decide_by_api(client, failed, "retry", **seen))

    assert [each.status_code for each in answers] == [412, 412, 200]
    assert "The execution would now be refused: The key is busy." in answers[0].json()["detail"]
    assert "Your retry would now execute it." in answers[1].json()["detail"]
    assert answers[2].json()["state"] == "executed"
    statuses = [status for _, status, _ in attempts(failed.command_id)]
    assert statuses == ["postponed", "failed", "failed", "failed", "succeeded"]
    assert_balanced()


def test_it_is_executed_without_new_votes(failed, dana, retry):
    request = retry(failed, dana)

    assert (request.state, request.is_retriable) == ("executed", False)
    assert ApiKey.objects.get().name == "renamed"
    statuses = [status for _, status, _ in attempts(failed.command_id)]
    assert statuses == ["postponed", "failed", "succeeded"]
    assert Vote.objects.count() == 2
    assert_balanced()


def test_a_repeat_of_the_request_does_not_reveal_the_cause(failed, first_key, dana, context_of):
    again = to(rename_unless_down, first_key.id)

    with pytest.raises(Failed) as repeated:
        dispatch(again, context=context_of(dana, idempotency_key="once"))

    assert repeated.value.is_repeat
    assert repeated.value.message == type(repeated.value)().message


def test_an_approver_may_try_again_as_well(failed, ann, retry):
    assert retry(failed, ann).state == "executed"


def test_nobody_else_may(failed, acme, retry):
    with pytest.raises(NotAnApprover):
        retry(failed, member("otto", acme, permissions=("view_approvalrequest",)))
    with pytest.raises(NotFound):
        retry(failed, member("carl", acme))


def test_it_may_fail_again_and_again(failed, dana, retry):
    with outage(Broken("still down")):
        assert retry(failed, dana).state == "failed"
        assert retry(failed, dana).state == "failed"

    assert retry(failed, dana).state == "executed"
    assert len(attempts(failed.command_id)) == 5
    assert_balanced()


def test_it_succeeds_once_only(failed, dana, retry):
    retry(failed, dana)

    with pytest.raises(NotToBeRetried):
        retry(failed, dana)


def test_the_votes_are_counted_again(failed, dana, ann, security, retry):
    ann.groups.remove(security)

    with pytest.raises(NotEnoughApprovals):
        retry(failed, dana)

    failed.refresh_from_db()
    assert (failed.state, failed.is_retriable) == ("failed", True)


def test_the_requester_is_checked_again(failed, dana, ann, retry):
    dana.is_active = False
    dana.save()

    request = retry(failed, ann)

    assert (request.state, request.outcome_code) == ("refused", "forbidden")
    assert ApiKey.objects.get().name == "first"


@deed
def rename_it_meanwhile(command, context):
    ApiKey.objects.filter(pk=command.api_key_id).update(name="another")


def test_the_subject_is_compared_again(failed, first_key, dana, ann, bob, hold, approve, retry):
    change = hold(to(rename_it_meanwhile, first_key.id))
    for person in (ann, bob):
        approve(change, person)

    request = retry(failed, dana)

    assert (request.state, request.outcome_code) == ("refused", "stale")


def test_after_the_time_to_execute_nothing_is_tried_again(failed, dana, retry, owner):
    let_time_pass(owner, failed, column="execute_by")

    with pytest.raises(TooLate):
        retry(failed, dana)


def test_a_failed_request_takes_no_votes(failed, approve, acme, security):
    with pytest.raises(AlreadyDecided):
        approve(failed, new_approver("carol", acme, groups=[security]))


def test_what_waits_is_not_tried_again(waiting, dana, retry):
    with pytest.raises(NotToBeRetried):
        retry(waiting, dana)


def test_a_request_altered_meanwhile_fails_permanently_with_an_alarm(
    failed, dana, retry, owner, caplog
):
    tamper(owner, failed, payload=b"\x80\x04N.")

    with caplog.at_level(logging.CRITICAL):
        request = retry(failed, dana)

    assert (request.state, request.outcome_code) == ("failed", "integrity")
    assert not request.is_retriable
    assert attempts(failed.command_id)[-1][1:] == ("cancelled", "unloadable")
    assert "held command cannot be loaded" in caplog.text
    assert ApiKey.objects.get().name == "first"
    assert_balanced()


def test_a_failure_that_does_not_pass_is_final(
    hold, first_key, dana, security, ann, context_of, approve, retry
):
    policy("tests.probe", group=security, quorum=1)
    command = to(rename_unless_down, first_key.id)

    with outage(Unrecoverable()):
        request = approve(hold(command, context=context_of(dana)), ann)

    assert (request.state, request.is_retriable) == ("failed", False)
    with pytest.raises(NotToBeRetried):
        retry(request, dana)


def test_the_page_offers_to_try_again(failed, ann, browser):
    client = browser(ann)
    page = f"/admin/approvals/approvalrequest/{failed.pk}"
    assert 'value="retry"' in client.get(f"{page}/change/").content.decode()

    decide(client, failed, "retry")

    failed.refresh_from_db()
    assert failed.state == "executed"
