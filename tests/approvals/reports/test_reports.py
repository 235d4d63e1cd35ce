"""The report of eligible approvers: answers about a time, periods, and what is not recorded."""

import time
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, User
from django.utils import timezone

from apikeys.commands import DisableApiKey
from approvals.delegations.commands import EndDelegation
from approvals.models import ApprovalRequest, Policy
from approvals.people import commands as people
from approvals.policies.commands import DisablePolicy, EditPolicy
from approvals.reports.answers import Question, answers, person_names
from approvals.reports.gaps import gaps, sentences
from approvals.reports.periods import periods
from approvals.requests.approvers import eligible_people
from audit.bus.context import Context
from audit.bus.dispatch import dispatch
from audit.messages.outcomes import Postponed
from tests.approvals.delegating import delegated
from tests.conftest import AS_SYSTEM, actor, approved, completed, new_approver, policy


@pytest.fixture
def owners(policy_owners):
    """A function that sends a command, and has two policy owners approve it if it is held."""

    def send(command):
        outcome = dispatch(command, context=AS_SYSTEM)
        if isinstance(outcome, Postponed):
            held = next(iter(_requests(outcome.command_id)))
            approved(held, *policy_owners[:2])

    return send


def _requests(command_id):
    return ApprovalRequest.objects.filter(command_id=command_id)


def moment():
    """Return a time after all that has happened, and before all that follows."""
    time.sleep(0.003)
    at = timezone.now()
    time.sleep(0.003)
    return at


def asked(customer, person=None):
    return Question(DisableApiKey, str(customer.pk), person.pk if person else None)


def able(question, at=None):
    """Return the people who could approve, of each rule."""
    return [
        {each.person_id for each in rule.approvers}
        for answer in answers(question, at=at)
        for rule in answer.rules
    ]


def test_it_is_what_decides_about_a_request_made_at_that_time(
    first_key, disabling_needs_two, acme, dana, ann, bob, owners, context_of
):
    third = new_approver("carol", acme, groups=[Group.objects.get(name="Security")])
    delegated(ann, User.objects.get(username="olga"), groups=[_security()])
    outcome = dispatch(DisableApiKey(api_key_id=first_key.id), context=context_of(dana))
    request = next(iter(_requests(outcome.command_id)))

    voters = eligible_people(request)
    at = moment()
    owners(people.RemoveFromGroup(user_id=third.pk, group_id=_security().pk))

    assert {ann.pk, bob.pk, third.pk} <= voters
    assert able(asked(acme), at) == [voters]
    assert able(asked(acme)) == [voters - {third.pk}] == [eligible_people(request)]


def _security():
    return Group.objects.get(name="Security")


def test_a_deleted_group_had_granted_its_permission(
    disabling_needs_two, acme, ann, owners, security
):
    owners(people.CreateGroup(group_name="Viewers"))
    viewers = Group.objects.get(name="Viewers")
    view = "approvals.view_approvalrequest"
    owners(people.AddToGroup(user_id=ann.pk, group_id=viewers.pk))
    owners(people.GrantGroupPermission(group_id=viewers.pk, permission=view))
    owners(people.RevokePermission(user_id=ann.pk, permission=view))
    before = moment()
    owners(people.DeleteGroup(group_id=viewers.pk))

    assert not Group.objects.filter(name="Viewers").exists()
    assert ann.pk in able(asked(acme), before)[0]
    assert ann.pk not in able(asked(acme))[0]


def test_a_deleted_person_is_named(disabling_needs_two, acme, owners, security):
    owners(people.CreateUser(username="zoe"))
    zoe = User.objects.get(username="zoe")
    owners(people.AddToGroup(user_id=zoe.pk, group_id=security.pk))
    before = moment()
    owners(people.DeleteUser(user_id=zoe.pk))

    assert not User.objects.filter(username="zoe").exists()
    assert person_names({zoe.pk}, at=before) == {zoe.pk: "zoe"}
    assert person_names({zoe.pk}, at=None) == {}


def test_a_renamed_person_is_the_same_person(disabling_needs_two, acme, ann):
    before = moment()
    User.objects.filter(pk=ann.pk).update(username="annie")

    assert ann.pk in able(asked(acme), before)[0]
    assert person_names({ann.pk}, at=before) == {ann.pk: "annie"}


def test_a_renamed_group_has_its_former_name_if_it_is_recorded(owners, acme):
    owners(people.CreateGroup(group_name="Blue"))
    blue = Group.objects.get(name="Blue")
    policy("apikeys.disable", group=blue, quorum=1)
    before = moment()
    owners(people.RenameGroup(group_id=blue.pk, group_name="Green"))

    (then,) = answers(asked(acme), at=before)
    (now,) = answers(asked(acme), at=None)

    assert [rule.rule["group"] for rule in (*then.rules, *now.rules)] == ["Blue", "Green"]


def test_a_disabled_policy_still_applies_to_the_past(disabling_needs_two, acme, ann, bob, owners):
    before = moment()
    owners(DisablePolicy(policy_id=Policy.objects.get(governs="apikeys.disable").pk))

    assert able(asked(acme), before) == [{ann.pk, bob.pk}]
    assert able(asked(acme)) == []


def test_a_policy_that_became_stricter_does_not_apply_before(
    disabling_needs_two, acme, ann, bob, owners, security
):
    before = moment()
    held = Policy.objects.get(governs="apikeys.disable")
    owners(
        EditPolicy(
            policy_id=held.pk,
            governs="apikeys.disable",
            groups=(security.pk,),
            quorums=(1,),
            minimum_membership=timedelta(days=3),
        )
    )

    assert able(asked(acme), before) == [{ann.pk, bob.pk}]
    assert able(asked(acme)) == [set()]


def test_a_member_can_approve_once_the_minimum_has_passed(acme, owners, security, ann):
    policy("apikeys.disable", group=security, quorum=1, minimum_membership=timedelta(days=3))
    new = new_approver("nina", acme, groups=[])
    owners(people.AddToGroup(user_id=new.pk, group_id=security.pk))
    joined = moment()
    days = [timedelta(days=number) for number in range(6)]

    found = [able(asked(acme), joined + each) for each in days]
    (period,) = periods(
        asked(acme, new), since=joined, until=joined + timedelta(days=9), most=50
    ).periods

    assert found == [[set()]] * 3 + [[{new.pk}]] * 3
    assert joined + timedelta(days=2, hours=23) < period.since < joined + timedelta(days=3)
    assert period.until is None


def test_a_delegation_that_ended_early_is_a_period(
    disabling_needs_two, acme, ann, bob, owners, security
):
    deputy = new_approver("eve", acme, groups=[])
    start = moment()
    delegation = delegated(ann, deputy, groups=[security])
    during = moment()
    context = Context(actor=actor(ann))
    completed(EndDelegation(delegation_id=delegation.pk), context=context)
    end = moment()

    (period,) = periods(asked(acme, deputy), since=start, until=end, most=50).periods

    assert able(asked(acme, deputy), during) == [{deputy.pk}]
    assert able(asked(acme, deputy), end) == []
    assert start < period.since < during < period.until < end
    assert not period.began_before
    assert period.approver.delegator_id == ann.pk


def test_periods_are_those_between_changes_and_go_on_page_by_page(
    disabling_needs_two, acme, ann, owners, security
):
    start = moment()
    for is_active in (False, True, False, True):
        owners(people.SetAccountStatus(user_id=ann.pk, is_active=is_active))
    end = moment()

    whole = periods(asked(acme, ann), since=start, until=end, most=50)
    first = periods(asked(acme, ann), since=start, until=end, most=2)
    rest = periods(asked(acme, ann), since=first.resumes_at, until=end, most=50)

    assert [each.began_before for each in whole.periods] == [True, False, False]
    assert [each.until is None for each in whole.periods] == [False, False, True]
    assert whole.resumes_at is None
    assert first.resumes_at is not None
    assert len({each.since for each in (*first.periods, *rest.periods)}) >= 3


def test_a_person_of_another_customer_could_not_approve(
    disabling_needs_two, acme, globex, ann, security
):
    other = new_approver("gwen", globex, groups=[security])

    assert other.pk not in able(asked(acme))[0]
    assert able(asked(globex)) == [{other.pk}]


def test_a_condition_is_a_scenario_of_its_own(disabling_needs_two, acme, ann, bob, owners):
    owners(people.CreateGroup(group_name="Legal"))
    legal = Group.objects.get(name="Legal")
    policy("apikeys.disable", group=legal, quorum=1, condition='actor.kind == "api_key"')

    always, conditional = answers(asked(acme), at=None)

    assert [always.scenario.condition, conditional.scenario.condition] == [
        "",
        'actor.kind == "api_key"',
    ]
    assert [len(each.rules) for each in (always, conditional)] == [1, 2]


def test_what_is_not_recorded_is_said(disabling_needs_two, acme, ann, bob, security, owners):
    """The fixtures add Ann and Bob to the group without a command."""
    early = timezone.now() - timedelta(days=1)
    owners(people.RemoveFromGroup(user_id=bob.pk, group_id=security.pk))
    security.user_set.add(bob)

    found = gaps({security.pk}, at=early)
    names = {ann.pk: "ann", bob.pk: "bob"}
    said = " ".join(sentences(found, names=names, groups={security.pk: "Security"}))

    assert found.is_before_log
    assert "Changes are recorded since" in said
    assert "No command is recorded that added “ann” to “Security”" in said
    assert "“bob” was added to “Security” outside commands" in said
    assert found.tables == []


def test_events_that_no_command_wrote_break_nothing(disabling_needs_two, acme, owner, ann, bob):
    with owner.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_eventrecord DISABLE TRIGGER USER")
        cursor.execute(
            "INSERT INTO audit_eventrecord (epoch, command_id, attempt, correlation_id,"
            " occurred_at, number, id, subject_type, subject_id, message_type, schema_version,"
            " tenant, data) SELECT epoch, command_id, attempt, correlation_id, occurred_at, 1,"
            " gen_random_uuid(), 'group', 'x', 'approvals.member_joined', 1, '',"
            """ '{"group_id": "1x", "user_id": 99999999999}' FROM audit_eventrecord LIMIT 1"""
        )
        cursor.execute("ALTER TABLE audit_eventrecord ENABLE TRIGGER USER")

    assert able(asked(acme), moment()) == [{ann.pk, bob.pk}]
