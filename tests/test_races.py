"""What happens when several do the same thing at the same moment."""

from collections import Counter
from functools import partial

import pytest
from django.test import Client

from apikeys.commands import CreateApiKey, DisableApiKey, EnableApiKey
from apikeys.models import ApiKey, ApiKeySecret
from approvals.decisions.commands import Approve, Deny
from approvals.models import ApprovalRequest, Policy, Rule, State
from approvals.models.refusals import AlreadyDecided, EffectChanged
from audit.actors.actors import SYSTEM, actor_for_user
from audit.bus.context import Context
from audit.bus.dispatch import dispatch
from audit.messages.exceptions import Crashed, PreconditionFailed
from audit.messages.outcomes import Completed, Postponed
from audit.models.records import CommandRecord, EventRecord, StreamHead
from audit.outside import outside_command
from tests.books import assert_balanced, attempts, numbers
from tests.conftest import AS_SYSTEM, create_key, new_approver, policy
from tests.probes import Probed, deed, to
from tests.severed import refusing
from tests.test_story import call
from tests.threads import ROUNDS, Crowd

CROWD = 8


@pytest.fixture
def crowd():
    """Eight who act at once."""
    with Crowd(CROWD) as crowd:
        yield crowd


@pytest.fixture
def approvers(acme, security):
    """As many people of Security, any of whom may vote."""
    people = [new_approver(f"approver {n}", acme, groups=[security]) for n in range(CROWD)]
    return [actor_for_user(person) for person in people]


def hold(command, actor) -> ApprovalRequest:
    """Have a command held, and return what is to be approved."""
    outcome = dispatch(command, context=Context(actor=actor))
    assert isinstance(outcome, Postponed)
    return ApprovalRequest.objects.get(command_id=outcome.command_id)


def vote(kind, request, actor, **seen):
    """A vote that is still to be cast, by somebody who has seen what the request asks for."""
    command = kind(approval_request_id=request.pk, digest=request.digest, **seen)
    return partial(dispatch, command, context=Context(actor=actor, reason="so it should be"))


def assert_nothing_is_logged_as_an_error(caplog) -> None:
    """Whoever came second has not failed."""
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def kinds(answers) -> Counter:
    """How many answers there are of each type."""
    return Counter(type(answer) for answer in answers)


def test_of_eight_approvals_at_once_two_count_and_the_command_runs_once(
    crowd, approvers, dana, acme, security
):
    policy("apikeys.disable", group=security, quorum=2)
    requester = actor_for_user(dana)
    for _ in range(ROUNDS):
        key = create_key(dana, acme, name="governed")
        request = hold(DisableApiKey(api_key_id=key.id), requester)

        answers = crowd.at_once(*[vote(Approve, request, each) for each in approvers])

        assert kinds(answers) == {Completed: 2, AlreadyDecided: 6}
        assert attempts(request.command_id) == [(1, "postponed", ""), (2, "succeeded", "")]
        assert not ApiKey.objects.get(pk=key.id).is_enabled
        request.refresh_from_db()
        assert request.state == State.EXECUTED
        assert request.votes.count() == 2
        turned_down = CommandRecord.objects.filter(
            subject_id=str(request.pk), status="refused", error_code="already_decided"
        )
        assert turned_down.count() == 6
    assert_balanced()


def test_of_eight_who_saw_one_more_needed_only_one_counts_and_nobody_executes(
    crowd, approvers, dana, acme, security
):
    policy("apikeys.disable", group=security, quorum=2)
    requester = actor_for_user(dana)
    for _ in range(ROUNDS):
        key = create_key(dana, acme, name="governed")
        request = hold(DisableApiKey(api_key_id=key.id), requester)
        seen = {"number": request.number, "expected_effect": "needs_1_more"}

        answers = crowd.at_once(*[vote(Approve, request, each, **seen) for each in approvers])

        assert kinds(answers) == {Completed: 1, EffectChanged: 7}
        assert request.votes.count() == 1
        assert attempts(request.command_id) == [(1, "postponed", "")]
        assert ApiKey.objects.get(pk=key.id).is_enabled

        voted = request.votes.get().voter_id
        others = [each for each in approvers if each.person_id != str(voted)]
        seen = {"number": 2, "expected_effect": "executes"}
        answers = crowd.at_once(*[vote(Approve, request, each, **seen) for each in others])

        assert kinds(answers) == {Completed: 1, AlreadyDecided: 6}
        assert attempts(request.command_id)[1:] == [(2, "succeeded", "")]
    assert_balanced()


def test_an_approval_and_a_denial_at_once_are_never_both_counted(
    crowd, approvers, dana, acme, security
):
    policy("apikeys.disable", group=security, quorum=1)
    requester, (ann, bob, *_) = actor_for_user(dana), approvers
    for _ in range(ROUNDS):
        key = create_key(dana, acme, name="disputed")
        request = hold(DisableApiKey(api_key_id=key.id), requester)

        answers = crowd.at_once(vote(Approve, request, ann), vote(Deny, request, bob))

        assert kinds(answers) == {Completed: 1, AlreadyDecided: 1}
        request.refresh_from_db()
        decisions = list(request.votes.values_list("decision", flat=True))
        ending = attempts(request.command_id)[1:]
        is_enabled = ApiKey.objects.get(pk=key.id).is_enabled
        assert (request.state, decisions, ending, is_enabled) in (
            ("executed", ["approve"], [(2, "succeeded", "")], False),
            ("denied", ["deny"], [(2, "cancelled", "denied")], True),
        )
    assert_balanced()


def test_eight_creations_under_one_idempotency_key_make_one_api_key(crowd, first_key, caplog):
    for place in range(ROUNDS):
        before = ApiKey.objects.count()

        answers = crowd.at_once(
            *[
                lambda number=place: call(
                    Client(),
                    "POST",
                    "/api/v1/api-keys",
                    {"name": "ci"},
                    key=first_key,
                    **{"Idempotency-Key": f"create-{number}"},
                )
            ]
            * CROWD
        )

        assert {answer.status_code for answer in answers} == {201}
        assert len({answer["Command-Id"] for answer in answers}) == 1
        assert len({answer.json()["id"] for answer in answers}) == 1
        secrets = [secret for answer in answers if (secret := answer.json()["secret"])]
        assert len(secrets) == 1
        assert call(Client(), "GET", "/api/v2/whoami", key=secrets[0]).status_code == 200
        assert ApiKey.objects.count() == before + 1
        assert attempts(answers[0]["Command-Id"]) == [(1, "succeeded", "")]
    assert_nothing_is_logged_as_an_error(caplog)
    assert_balanced()


def test_eight_disablings_under_one_idempotency_key_are_all_told_that_it_worked(
    crowd, first_key, dana, acme, caplog
):
    for place in range(ROUNDS):
        key = create_key(dana, acme, name="to be disabled")

        answers = crowd.at_once(
            *[
                lambda key_id=key.id, number=place: call(
                    Client(),
                    "POST",
                    f"/api/v1/api-keys/{key_id}/disable",
                    key=first_key,
                    **{"Idempotency-Key": f"disable-{number}"},
                )
            ]
            * CROWD
        )

        assert {answer.status_code for answer in answers} == {200}
        assert len({answer["Command-Id"] for answer in answers}) == 1
        assert attempts(answers[0]["Command-Id"]) == [(1, "succeeded", "")]
        assert numbers(key.id) == [1, 2]
    assert_nothing_is_logged_as_an_error(caplog)
    assert_balanced()


def test_eight_repeats_after_a_failure_run_it_once_and_hand_out_one_secret(
    crowd, owner, dana, acme
):
    requester = actor_for_user(dana)
    for place in range(ROUNDS):

        def create(number=place):
            command = CreateApiKey(customer_id=acme.pk, owner_id=dana.pk, name="ci")
            context = Context(actor=requester, idempotency_key=f"again-{number}")
            return dispatch(command, context=context)

        with refusing(owner, "apikeys_apikey"), pytest.raises(Crashed) as failure:
            create()

        answers = crowd.at_once(*[create] * CROWD)

        assert kinds(answers) == {Completed: CROWD}, answers
        assert {answer.command_id for answer in answers} == {failure.value.command_id}
        assert len({answer.result.pk for answer in answers}) == 1
        assert len([answer.secret for answer in answers if answer.secret]) == 1
        assert ApiKeySecret.objects.filter(api_key=answers[0].result).count() == 1
        assert attempts(failure.value.command_id) == [
            (1, "failed", "crashed"),
            (2, "succeeded", ""),
        ]
    assert_balanced()


@deed
def reveal_a_secret(command, context):
    context.reveal(str(context.attempt))


def test_of_repeats_that_run_at_once_only_the_one_that_counts_hands_out_its_secret(
    crowd, owner, first_key
):
    for place in range(ROUNDS):

        def reveal(number=place):
            context = Context(actor=SYSTEM, idempotency_key=f"reveal-{number}")
            return dispatch(to(reveal_a_secret, first_key.id), context=context)

        with refusing(owner, "audit_eventrecord"), pytest.raises(Crashed) as failure:
            reveal()

        answers = crowd.at_once(*[reveal] * CROWD)

        assert kinds(answers) == {Completed: CROWD}, answers
        assert sorted(answer.secret or "" for answer in answers) == [""] * (CROWD - 1) + ["2"]
        assert attempts(failure.value.command_id) == [
            (1, "failed", "crashed"),
            (2, "succeeded", ""),
        ]


@deed
def lock_the_key(command, context):
    context.emit(Probed(api_key_id=command.api_key_id))
    return ApiKey.objects.select_for_update().get(pk=command.api_key_id)


@deed
def lock_nothing(command, context):
    context.emit(Probed(api_key_id=command.api_key_id))
    return ApiKey.objects.get(pk=command.api_key_id)


@pytest.mark.parametrize("what", [lock_the_key, lock_nothing])
def test_events_of_one_subject_are_numbered_without_gap_or_repeat(crowd, first_key, what):
    each = partial(dispatch, to(what, first_key.id), context=AS_SYSTEM)

    for place in range(1, ROUNDS + 1):
        answers = crowd.at_once(*[each] * CROWD)

        assert kinds(answers) == {Completed: CROWD}
        # Its creation, and two events of each command.
        assert numbers(first_key.id) == list(range(1, 2 + place * CROWD * 2))
    of_each = EventRecord.objects.filter(message_type="tests.probed").order_by("number")
    command_ids = list(of_each.values_list("command_id", flat=True))
    assert command_ids[::2] == command_ids[1::2]
    assert_balanced()


def test_of_eight_writers_with_one_if_match_one_wins(crowd, first_key, dana):
    writer = actor_for_user(dana)
    for place in range(ROUNDS):
        kind = (DisableApiKey, EnableApiKey)[place % 2]
        number = StreamHead.objects.get(subject_id=str(first_key.id)).number

        def write(kind=kind, number=number):
            context = Context(actor=writer, expected_number=number)
            return dispatch(kind(api_key_id=first_key.id), context=context)

        answers = crowd.at_once(*[write] * CROWD)

        assert kinds(answers) == {Completed: 1, PreconditionFailed: CROWD - 1}, answers
        assert numbers(first_key.id) == list(range(1, number + 2))
    assert_balanced()


def test_eight_writers_with_one_if_match_that_lock_nothing_do_not_pass_each_other(crowd, first_key):
    for _ in range(ROUNDS):
        number = StreamHead.objects.get(subject_id=str(first_key.id)).number

        def write(number=number):
            context = Context(actor=SYSTEM, expected_number=number)
            return dispatch(to(lock_nothing, first_key.id), context=context)

        answers = crowd.at_once(*[write] * CROWD)

        assert kinds(answers) == {Completed: 1, PreconditionFailed: CROWD - 1}, answers
        assert numbers(first_key.id) == list(range(1, number + 3))


def test_eight_who_ask_for_the_same_where_nothing_is_locked_make_one_request(
    crowd, approvers, dana, acme, security
):
    policy("tests.probe", group=security, quorum=1)
    requester = actor_for_user(dana)

    for _ in range(ROUNDS):
        key = create_key(dana, acme, name="asked about")

        def ask(key=key):
            return dispatch(to(lock_nothing, key.id), context=Context(actor=requester))

        answers = crowd.at_once(*[ask] * CROWD)

        assert kinds(answers) == {Postponed: CROWD}, answers
        assert ApprovalRequest.objects.filter(subject_id=str(key.id)).count() == 1


def test_a_policy_that_changes_meanwhile_holds_all_that_each_version_of_it_holds(
    crowd, approvers, dana, acme, security
):
    made = policy("apikeys.disable", group=security, quorum=1)
    requester = actor_for_user(dana)
    keys = [create_key(dana, acme, name="governed") for _ in range(CROWD - 1)]

    def quorum_of(version):
        return (version - 1) % 4 + 1

    def change():
        for _ in range(3):
            with outside_command("a change of the quorum"):
                present = Policy.objects.get(pk=made.pk)
                Rule.objects.filter(policy=made).update(quorum=quorum_of(present.version + 1))
                present.edit()

    def disable(key):
        return dispatch(DisableApiKey(api_key_id=key.id), context=Context(actor=requester))

    for place in range(ROUNDS):
        answers = crowd.at_once(change, *[partial(disable, key) for key in keys])

        assert kinds(answers) == {type(None): 1, Postponed: CROWD - 1}, (place, answers)
    assert all(ApiKey.objects.filter(owner=dana).values_list("is_enabled", flat=True))
    # Nobody saw the version of one change with the quorum of another one.
    for request in ApprovalRequest.objects.all():
        (seen,), (rule,) = request.requirements["policies"], request.requirements["rules"]
        assert quorum_of(seen["version"]) == rule["quorum"]
    assert_balanced()
