"""Decisions of several people at once: each has the effect that its page displayed, or none."""

from collections import Counter
from functools import partial

import pytest

from apikeys.commands import DisableApiKey
from apikeys.models import ApiKey
from approvals.decisions.commands import Approve, Deny, Retry, TakeBack, Withdraw
from approvals.models import ApprovalRequest, Policy, Rule
from approvals.models.refusals import AlreadyDecided, EffectChanged, NotToBeRetried
from audit.actors.actors import actor_for_user
from audit.bus.context import Context
from audit.bus.dispatch import dispatch
from audit.messages.outcomes import Completed
from audit.outside import outside_command
from tests.approvals.admin_pages import SELECTED, selection
from tests.books import assert_balanced, attempts
from tests.conftest import create_key, new_approver, policy
from tests.probes import Broken, outage, rename_unless_down, to
from tests.threads import ROUNDS, Crowd

_CROWD = 8
_ROUNDS = max(ROUNDS // 4, 1)


@pytest.fixture
def crowd():
    with Crowd(_CROWD) as crowd:
        yield crowd


@pytest.fixture
def people(acme, security):
    """As many approvers as act at once."""
    return [new_approver(f"approver {n}", acme, groups=[security]) for n in range(_CROWD)]


@pytest.fixture
def approvers(people):
    return [actor_for_user(each) for each in people]


def asked(command, requester):
    """Hold a command, and return its request."""
    outcome = dispatch(command, context=Context(actor=actor_for_user(requester)))
    return ApprovalRequest.objects.get(command_id=outcome.command_id)


def decision(kind, request, actor, effect):
    """Return a decision of an actor whose page shows this effect now; it is not sent yet."""
    now = ApprovalRequest.objects.get(pk=request.pk)
    command = kind(
        approval_request_id=now.pk, digest=now.digest, number=now.number, expected_effect=effect
    )
    return partial(dispatch, command, context=Context(actor=actor, reason="As displayed"))


def kinds(answers):
    return Counter(type(answer) for answer in answers)


def is_enabled(request):
    return ApiKey.objects.get(pk=request.subject_id).is_enabled


def test_a_withdrawal_or_one_last_vote_ends_a_request(crowd, approvers, dana, acme, security):
    policy("apikeys.disable", group=security, quorum=1)
    for _ in range(_ROUNDS):
        request = asked(DisableApiKey(api_key_id=create_key(dana, acme, name="k").id), dana)

        withdrawal, *votes = crowd.at_once(
            decision(Withdraw, request, actor_for_user(dana), "ends_request"),
            decision(Deny, request, approvers[0], "ends_request"),
            *[decision(Approve, request, each, "executes") for each in approvers[1:7]],
        )

        assert kinds([withdrawal, *votes]) == {Completed: 1, AlreadyDecided: 7}
        request.refresh_from_db()
        ended_by = [withdrawal, *votes].index(
            next(each for each in [withdrawal, *votes] if isinstance(each, Completed))
        )
        expected = {0: "withdrawn", 1: "denied"}.get(ended_by, "executed")
        assert request.state == expected
        assert is_enabled(request) == (expected != "executed")
        assert len(attempts(request.command_id)) == 2
    assert_balanced()


def test_a_last_vote_that_relies_on_one_taken_back_decides_nothing(
    crowd, approvers, dana, acme, security
):
    policy("apikeys.disable", group=security, quorum=2)
    for _ in range(_ROUNDS):
        request = asked(DisableApiKey(api_key_id=create_key(dana, acme, name="k").id), dana)
        decision(Approve, request, approvers[0], "needs_1_more")()

        taken_back, *votes = crowd.at_once(
            decision(TakeBack, request, approvers[0], "takes_back_vote"),
            *[decision(Approve, request, each, "executes") for each in approvers[1:]],
        )

        request.refresh_from_db()
        if isinstance(taken_back, Completed):
            assert kinds(votes) == {EffectChanged: 7}
            assert (request.state, request.voters) == ("pending", [])
            assert is_enabled(request)
        else:
            assert kinds([taken_back, *votes]) == {Completed: 1, AlreadyDecided: 7}
            assert (request.state, is_enabled(request)) == ("executed", False)
    assert_balanced()


def test_of_eight_retries_at_once_one_executes(crowd, approvers, dana, acme, security):
    policy("tests.probe", group=security, quorum=1)
    for _ in range(_ROUNDS):
        key = create_key(dana, acme, name="k")
        request = asked(to(rename_unless_down, key.id), dana)
        with outage(Broken("down")):
            decision(Approve, request, approvers[0], "executes")()

        answers = crowd.at_once(
            decision(Retry, request, actor_for_user(dana), "executes"),
            *[decision(Retry, request, each, "executes") for each in approvers[1:]],
        )

        assert kinds(answers) == {Completed: 1, NotToBeRetried: 7}
        statuses = [status for _, status, _ in attempts(request.command_id)]
        assert statuses == ["postponed", "failed", "succeeded"]
    assert_balanced()


def test_a_last_vote_executes_before_a_stricter_policy_or_decides_nothing(
    crowd, approvers, dana, acme, security
):
    made = policy("apikeys.disable", group=security, quorum=1)

    def require(quorum):
        with outside_command("a change of the quorum"):
            Rule.objects.filter(policy=made).update(quorum=quorum)
            Policy.objects.get(pk=made.pk).edit()

    for _ in range(_ROUNDS):
        request = asked(DisableApiKey(api_key_id=create_key(dana, acme, name="k").id), dana)
        votes = [decision(Approve, request, each, "executes") for each in approvers[1:]]

        _, *answers = crowd.at_once(partial(require, 2), *votes)

        request.refresh_from_db()
        was_executed = Completed in kinds(answers)
        assert request.state == ("executed" if was_executed else "pending")
        assert request.votes.count() == int(was_executed)
        assert is_enabled(request) != was_executed
        assert kinds(answers)[Completed] <= 1
        assert kinds(answers).keys() <= {Completed, EffectChanged, AlreadyDecided}
        require(1)
    assert_balanced()


def test_a_last_vote_counts_no_voter_who_leaves_the_group_meanwhile(
    crowd, approvers, people, dana, acme, security
):
    policy("apikeys.disable", group=security, quorum=2)
    for leaving, voter in zip(people[:2], approvers[:2], strict=True):
        request = asked(DisableApiKey(api_key_id=create_key(dana, acme, name="k").id), dana)
        decision(Approve, request, voter, "needs_1_more")()

        left, *answers = crowd.at_once(
            partial(leaving.groups.remove, security),
            *[decision(Approve, request, each, "executes") for each in approvers[2:6]],
        )

        request.refresh_from_db()
        assert left is None
        assert kinds(answers).keys() <= {Completed, EffectChanged, AlreadyDecided}
        was_executed = Completed in kinds(answers)
        assert request.state == ("executed" if was_executed else "pending")
        assert is_enabled(request) != was_executed
    assert_balanced()


def test_bulk_decisions_have_the_displayed_effect_on_each_request(
    crowd, people, dana, acme, security, browser
):
    policy("apikeys.disable", group=security, quorum=2)
    requests = [
        asked(DisableApiKey(api_key_id=create_key(dana, acme, name=f"k {n}").id), dana)
        for n in range(3)
    ]
    clients = [browser(each) for each in people]
    forms = [selection(client, "approve", *requests) for client in clients]

    answers = crowd.at_once(
        *[
            partial(client.post, SELECTED, form | {"reason": "As displayed"})
            for client, form in zip(clients, forms, strict=True)
        ]
    )

    assert [answer.status_code for answer in answers] == [200] * _CROWD
    for request in requests:
        request.refresh_from_db()
        assert request.votes.count() == 1
        assert request.state == "pending"
        assert is_enabled(request)
    assert_balanced()
