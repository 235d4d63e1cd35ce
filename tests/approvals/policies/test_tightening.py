"""Tighten: an open request can come to ask for more by a command of its own, never for less."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import IntegrityError

from apikeys.models import ApiKey
from approvals.decisions.commands import TightenRequest
from approvals.models import ApprovalRequest, Policy, Rule, Vote
from approvals.models.refusals import AlreadyDecided, NothingToTighten, TooLate
from approvals.people.commands import RemoveFromGroup
from approvals.policies.evaluation import ForbiddenByPolicy, Unsatisfiable, is_satisfied
from approvals.requests.staleness import staleness
from audit.bus.dispatch import dispatch
from audit.messages.exceptions import Forbidden
from audit.models.records import CommandRecord, EventRecord
from audit.outside import outside_command
from tests.approvals.asking import decide, in_json
from tests.books import assert_balanced, attempts
from tests.conftest import approved, completed, held, member, policy
from tests.probes import deed, to
from tests.tampering import let_time_pass


@pytest.fixture
def carol(acme, security):
    """The third of Security."""
    return member("carol", acme, groups=[security], is_staff=True)


@pytest.fixture
def legal(acme):
    """Another group that may be asked, with Lea in it."""
    group = Group.objects.create(name="Legal")
    member("lea", acme, groups=[group])
    return group


@pytest.fixture
def tighten(manager, context_of):
    """Have a request ask for more, as who manages the policies."""
    return lambda request: completed(
        TightenRequest(approval_request_id=request.pk), context=context_of(manager)
    )


def edit(*, quorum=None, **columns):
    """Change the one policy that there is, past the floor, as an approved edit would."""
    with outside_command("An edit of a policy for a test"):
        if quorum is not None:
            Rule.objects.update(quorum=quorum)
        Policy.objects.get().edit(**columns)


def asked_of(request):
    return [(rule["group"], rule["quorum"]) for rule in request.requirements["rules"]]


def refuses(tighten, request, kind):
    """Tightening is turned down and recorded as such, and the request stays what it was."""
    before = ApprovalRequest.objects.filter(pk=request.pk).values().get()

    with pytest.raises(kind) as refusal:
        tighten(request)

    record = CommandRecord.objects.get(command_id=refusal.value.command_id)
    assert (record.status, record.error_code) == ("refused", kind.code)
    assert ApprovalRequest.objects.values().get() == before
    assert not EventRecord.objects.filter(message_type="approvals.superseded").exists()


def test_what_asks_for_the_same_is_not_tightened(waiting, tighten):
    refuses(tighten, waiting, NothingToTighten)


def test_a_policy_that_asks_for_less_by_now_never_loosens(waiting, carol, tighten):
    edit(quorum=1, requester_may_vote=True)

    refuses(tighten, waiting, NothingToTighten)


def test_a_policy_that_is_disabled_by_now_never_loosens(waiting, tighten):
    edit(is_enabled=False)

    refuses(tighten, waiting, NothingToTighten)


def test_a_higher_quorum_supersedes_the_request(waiting, carol, tighten):
    edit(quorum=3)

    stricter = tighten(waiting)

    waiting.refresh_from_db()
    assert (waiting.state, stricter.state) == ("superseded", "pending")
    assert str(stricter.pk) in waiting.outcome
    assert asked_of(stricter) == [("Security", 3)]
    assert [each["version"] for each in stricter.requirements["policies"]] == [1, 2]
    assert stricter.command_id == waiting.command_id
    assert stricter.command() == waiting.command()
    assert attempts(waiting.command_id) == [(1, "postponed", "")]
    assert_balanced()


def test_both_requests_tell_of_it_in_the_case_of_the_command(waiting, carol, tighten):
    edit(quorum=3)

    stricter = tighten(waiting)

    superseded = EventRecord.objects.get(message_type="approvals.superseded")
    requested = EventRecord.objects.get(subject_id=str(stricter.pk))
    assert superseded.subject_id == str(waiting.pk)
    assert superseded.data == {
        "approval_request_id": str(waiting.pk),
        "successor_id": str(stricter.pk),
    }
    assert requested.message_type == "approvals.requested"
    assert {superseded.correlation_id, requested.correlation_id} == {waiting.command_id}


def test_no_earlier_requirement_is_dropped(waiting, legal, tighten):
    edit(quorum=1)
    policy("apikeys.*", group=legal, quorum=1, approver_reason_required=True)

    stricter = tighten(waiting)

    assert asked_of(stricter) == [("Security", 2), ("Legal", 1)]
    assert stricter.options["approver_reason_required"]
    assert not stricter.options["requester_may_vote"]


@pytest.mark.parametrize(
    ("columns", "option", "value"),
    [
        ({"approver_reason_required": True}, "approver_reason_required", True),
        ({"requester_reason_required": True}, "requester_reason_required", True),
        ({"minimum_membership": timedelta(days=1)}, "minimum_membership_s", 86400),
        ({"approve_within": timedelta(hours=1)}, "approve_within_s", 3600),
        ({"execute_within": timedelta(hours=1)}, "execute_within_s", 3600),
    ],
)
def test_a_stricter_option_supersedes_the_request(columns, option, value, waiting, tighten):
    edit(**columns)

    stricter = tighten(waiting)

    assert (stricter.options[option], asked_of(stricter)) == (value, [("Security", 2)])


def test_the_stricter_request_never_has_more_time(waiting, carol, tighten):
    edit(quorum=3, approve_within=timedelta(days=3000), execute_within=timedelta(hours=1))

    first = tighten(waiting)
    edit(approver_reason_required=True, execute_within=timedelta(days=3000))
    second = tighten(first)

    assert second.approve_by == first.approve_by == waiting.approve_by
    assert second.execute_by == first.execute_by


def test_old_votes_do_not_count_on_the_stricter_request(waiting, ann, bob, carol, approve, tighten):
    approve(waiting, ann)
    edit(quorum=3)
    stricter = tighten(waiting)

    now = approved(stricter, bob, carol)

    assert (now.state, is_satisfied(now), now.votes.count()) == ("pending", False, 2)
    assert ApiKey.objects.get().is_enabled


def test_what_is_superseded_takes_no_votes(waiting, ann, carol, approve, tighten):
    edit(quorum=3)
    tighten(waiting)

    with pytest.raises(AlreadyDecided):
        approve(waiting, ann)

    assert not Vote.objects.exists()


def test_what_is_superseded_is_not_tightened_again(waiting, carol, tighten):
    edit(quorum=3)
    tighten(waiting)

    with pytest.raises(AlreadyDecided):
        tighten(waiting)


def test_what_is_late_is_not_tightened(waiting, carol, tighten, owner):
    edit(quorum=3)
    let_time_pass(owner, waiting)

    refuses(tighten, waiting, TooLate)


def test_the_status_resource_shows_how_far_the_stricter_request_is(
    waiting, first_key, ann, carol, client, tighten, approve
):
    approve(waiting, ann)
    edit(quorum=3)
    stricter = tighten(waiting)

    path = f"/api/v2/commands/{waiting.command_id}"
    body = client.get(path, headers=first_key.headers).json()

    assert body["approval"] == {
        "request_id": str(stricter.pk),
        "state": "pending",
        "have": 0,
        "needed": 3,
        "approve_by": in_json(stricter.approve_by),
        "url": f"/api/v2/approval-requests/{stricter.pk}",
    }


def test_it_is_executed_once_under_the_original_id(waiting, ann, bob, carol, tighten):
    edit(quorum=3)
    stricter = approved(tighten(waiting), ann, bob, carol)

    assert stricter.state == "executed"
    assert attempts(waiting.command_id) == [(1, "postponed", ""), (2, "succeeded", "")]
    record = CommandRecord.objects.get(command_id=waiting.command_id, attempt=2)
    assert record.decision["requirements"] == stricter.requirements
    assert not ApiKey.objects.get().is_enabled
    assert_balanced()


@deed
def switch_off_before_the_tightening(command, context):
    ApiKey.objects.filter(pk=command.api_key_id).update(is_enabled=False)


def test_a_change_since_the_first_request_is_still_stale(
    waiting, first_key, ann, bob, carol, tighten
):
    completed(to(switch_off_before_the_tightening, first_key.id))
    edit(quorum=3)

    stricter = tighten(waiting)

    assert staleness(stricter) == "Changed since the request: is enabled."
    assert approved(stricter, ann, bob, carol).outcome_code == "stale"


def test_a_request_under_the_built_in_policy_can_be_tightened_and_executed(
    acme, manager, security, ann, bob, policy_owners, tighten, context_of
):
    olga, otto, _ = policy_owners
    group = Group.objects.create(name="Chess")
    chess_player = member("max", acme, groups=[group])
    policy("approvals.remove_from_group", group=security, quorum=1)
    command = RemoveFromGroup(user_id=chess_player.pk, group_id=group.pk)
    request = held(command, context=context_of(manager))
    policy("apikeys.create", group=group, quorum=1)

    stricter = tighten(request)

    assert asked_of(stricter) == [("Security", 1), ("Policy owners", 2)]
    assert approved(stricter, ann, olga, otto).state == "executed"
    assert not chess_player.groups.exists()


def test_what_too_few_people_could_approve_stays_as_it_is(waiting, tighten):
    edit(quorum=3)

    refuses(tighten, waiting, Unsatisfiable)


def test_a_policy_that_forbids_it_by_now_says_so(waiting, tighten):
    edit(effect="forbid")

    refuses(tighten, waiting, ForbiddenByPolicy)


def test_conditions_are_about_who_asked_and_not_about_who_tightens(waiting, legal, tighten):
    policy("apikeys.disable", group=legal, quorum=1, condition='actor.label == "mia"')
    refuses(tighten, waiting, NothingToTighten)

    policy(
        "apikeys.disable",
        group=legal,
        quorum=1,
        condition='actor.label == "dana" && context.channel == "v1"',
    )
    assert asked_of(tighten(waiting)) == [("Security", 2), ("Legal", 1)]


def test_only_who_manages_policies_tightens(waiting, carol, ann, context_of):
    edit(quorum=3)

    with pytest.raises(Forbidden):
        completed(TightenRequest(approval_request_id=waiting.pk), context=context_of(ann))

    waiting.refresh_from_db()
    assert waiting.state == "pending"


def test_a_command_has_one_request_that_is_not_superseded(waiting):
    waiting.pk = ApprovalRequest().pk

    with pytest.raises(IntegrityError, match="approvals_request_command_once"):
        insert(waiting)


def insert(request):
    with outside_command("A second request"):
        request.save(force_insert=True)


def test_asking_again_answers_with_the_stricter_request(
    waiting, first_key, carol, tighten, dana, context_of
):
    edit(quorum=3)
    tighten(waiting)

    again = dispatch(waiting.command(), context=context_of(dana))

    assert (again.is_repeat, again.command_id) == (True, waiting.command_id)


def test_the_page_offers_it_to_who_manages_policies(waiting, carol, manager, ann, browser):
    edit(quorum=3)
    manager.user_permissions.add(Permission.objects.get(codename="view_approvalrequest"))
    page = f"/admin/approvals/approvalrequest/{waiting.pk}"
    assert 'value="tighten"' not in browser(ann).get(f"{page}/change/").content.decode()
    client = browser(manager)
    assert 'value="tighten"' in client.get(f"{page}/change/").content.decode()

    answer = client.post(f"{page}/decide/", {"decision": "tighten"}, follow=True)

    stricter = ApprovalRequest.objects.get(state="pending")
    assert f"/admin/approvals/approvalrequest/{stricter.pk}/change/" in answer.content.decode()
    assert "The request that replaced it" in answer.content.decode()


def test_over_http_the_superseded_request_takes_no_votes(waiting, carol, ann, browser, tighten):
    edit(quorum=3)
    tighten(waiting)

    answer = decide(browser(ann), waiting, "approve")

    assert (answer.status_code, answer.json()["code"]) == (409, "already_decided")
