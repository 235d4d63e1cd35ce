"""Policies: checked conditions, effects that add up, and people who exist."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group

from apikeys.commands import CreateApiKey, DisableApiKey, EnableApiKey
from apikeys.models import ApiKey
from approvals.models import ApprovalRequest, Policy
from approvals.policies.commands import CreatePolicy
from approvals.policies.conditions import ConditionFailed
from approvals.policies.evaluation import ForbiddenByPolicy, Unsatisfiable, names_governing
from approvals.policies.handlers import check_policy
from audit.actors.credentials import live_actor
from audit.bus.context import Context
from audit.bus.dispatch import dispatch
from audit.messages.exceptions import Invalid
from audit.messages.outcomes import Completed, Postponed
from audit.models.records import CommandRecord
from audit.outside import outside_command
from tests.conftest import create_key, member, policy


@pytest.fixture
def other_key(dana, acme):
    return create_key(dana, acme, name="other")


@pytest.fixture
def as_key(first_key):
    """The context of a command that Dana's key sends."""
    return lambda **facts: Context(actor=live_actor("api_key", str(first_key.id)), **facts)


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ('subject.typo == "x"', r"at 1:8: “subject\.typo” is unknown"),
        ("subject.name == 1", "at 1:14: “==” does not take"),
        ("subject.is_enabled &&", "at 1:22: this is not valid CEL"),
        ("actor.kind", "not true or false"),
        ("command.no_such_field == 1", "is unknown"),
        ('context.channel == "v1" || subject.secret == "x"', "is unknown"),
    ],
)
def test_a_condition_that_does_not_fit_is_refused_with_its_place(condition, words):
    with pytest.raises(Invalid, match=words):
        check_policy(CreatePolicy(governs="apikeys.disable", effect="forbid", condition=condition))


def test_a_condition_has_to_fit_every_type_that_a_prefix_governs():
    condition = 'command.name == "ci"'

    check_policy(CreatePolicy(governs="apikeys.create", effect="forbid", condition=condition))
    with pytest.raises(Invalid, match=r"apikeys\.add_member"):
        check_policy(CreatePolicy(governs="apikeys.*", effect="forbid", condition=condition))


@pytest.mark.parametrize(
    ("condition", "is_held"),
    [
        ('actor.kind == "api_key"', True),
        ('actor.kind == "user"', False),
        ('subject.name == "other" && subject.is_enabled', True),
        ('subject.name.startsWith("oth")', True),
        ('subject.name == "first"', False),
        ('context.channel == "v2"', False),
        ("subject.created_at > timestamp('2020-01-01T00:00:00Z')", True),
    ],
)
def test_a_condition_decides_over_what_is_known(
    condition, is_held, as_key, other_key, security, ann, bob
):
    policy("apikeys.disable", group=security, quorum=2, condition=condition)

    outcome = dispatch(DisableApiKey(api_key_id=other_key.id), context=as_key(channel="v1"))

    assert isinstance(outcome, Postponed if is_held else Completed)


def test_a_condition_that_cannot_be_evaluated_refuses_and_is_on_record(
    as_key, other_key, security, ann, bob
):
    condition = "1 / (subject.owner_id - subject.owner_id) == 1"
    policy("apikeys.disable", group=security, quorum=2, condition=condition)

    with pytest.raises(ConditionFailed) as refusal:
        dispatch(DisableApiKey(api_key_id=other_key.id), context=as_key())

    record = CommandRecord.objects.get(command_id=refusal.value.command_id)
    assert (record.status, record.error_code) == ("refused", "condition_failed")
    assert ApiKey.objects.get(pk=other_key.id).is_enabled


def test_where_there_is_no_subject_yet_its_members_are_null(client, first_key, as_key, dana, acme):
    condition = "subject.name == null"
    policy_forbidding("apikeys.create", condition=condition, message="Not today.")

    with pytest.raises(ForbiddenByPolicy, match="Not today"):
        dispatch(CreateApiKey(customer_id=acme.pk, owner_id=dana.pk, name="x"), context=as_key())


def test_the_strictest_policy_wins(as_key, other_key, security, ann, bob):
    policy("apikeys.*", group=security, quorum=2)
    policy_forbidding("apikeys.disable", message="Freeze until Monday.")

    with pytest.raises(ForbiddenByPolicy, match="Freeze until Monday"):
        dispatch(DisableApiKey(api_key_id=other_key.id), context=as_key())


def test_requirements_add_up(as_key, other_key, security, ann, bob, acme):
    owners = Group.objects.create(name="Owners")
    member("olga", acme, groups=[owners])
    policy("apikeys.*", group=security, quorum=2, approve_within=timedelta(hours=2))
    policy("apikeys.disable", group=owners, quorum=1, requester_reason_required=True)

    with pytest.raises(Invalid, match="reason"):
        dispatch(DisableApiKey(api_key_id=other_key.id), context=as_key())
    dispatch(DisableApiKey(api_key_id=other_key.id), context=as_key(reason="Leaked"))

    request = ApprovalRequest.objects.get()
    assert [rule["group"] for rule in request.requirements["rules"]] == ["Security", "Owners"]
    assert request.approve_by - request.requested_at == timedelta(hours=2)


def test_a_policy_of_one_tenant_governs_that_one_only(
    as_key, other_key, security, ann, bob, globex
):
    policy("apikeys.disable", group=security, quorum=2, tenant=str(globex.pk))

    assert isinstance(dispatch(DisableApiKey(api_key_id=other_key.id), context=as_key()), Completed)


def test_a_policy_of_a_tenant_governs_that_tenant(as_key, other_key, security, ann, bob, acme):
    policy("apikeys.disable", group=security, quorum=2, tenant=str(acme.pk))

    assert isinstance(dispatch(DisableApiKey(api_key_id=other_key.id), context=as_key()), Postponed)


def test_asking_again_for_what_is_pending_answers_with_the_same_request(
    as_key, other_key, disabling_needs_two
):
    command = DisableApiKey(api_key_id=other_key.id)
    first = dispatch(command, context=as_key())
    again = dispatch(command, context=as_key())

    assert isinstance(again, Postponed)
    assert again.command_id == first.command_id
    assert ApprovalRequest.objects.count() == 1
    held, same = CommandRecord.objects.filter(message_type="apikeys.disable").order_by("position")
    assert (held.status, same.status) == ("postponed", "refused")
    assert (same.error_code, same.decision["same_as"]) == ("same_as_earlier", str(first.command_id))


def test_asking_again_under_a_key_of_its_own_answers_the_same_every_time(
    as_key, other_key, disabling_needs_two
):
    command = DisableApiKey(api_key_id=other_key.id)
    first = dispatch(command, context=as_key())
    for _ in range(2):
        again = dispatch(command, context=as_key(idempotency_key="k-1"))

        assert isinstance(again, Postponed)
        assert again.command_id == first.command_id


def test_a_policy_that_people_cannot_meet_is_refused_with_names(security, ann, bob, acme):
    permission = "disable_apikey"
    with pytest.raises(Invalid, match="“Security” cannot give 3 approvals"):
        check_policy(CreatePolicy(governs="apikeys.disable", groups=(security.pk,), quorums=(3,)))

    check_policy(CreatePolicy(governs="apikeys.disable", groups=(security.pk,), quorums=(2,)))
    member("carl", acme, groups=[], permissions=(permission,))
    ann.user_permissions.add(
        *member("dora", acme, permissions=(permission,)).user_permissions.all()
    )
    with pytest.raises(Invalid, match="when ann is the requester"):
        check_policy(CreatePolicy(governs="apikeys.disable", groups=(security.pk,), quorums=(2,)))


def test_one_person_in_two_groups_does_not_meet_two_rules(acme):
    one, two = Group.objects.create(name="One"), Group.objects.create(name="Two")
    member("solo", acme, groups=[one, two])

    with pytest.raises(Invalid, match="cannot give 1 approvals"):
        check_policy(
            CreatePolicy(governs="apikeys.disable", groups=(one.pk, two.pk), quorums=(1, 1))
        )


def test_a_group_that_lost_its_members_refuses_and_says_so(as_key, other_key, security, ann, bob):
    policy("apikeys.disable", group=security, quorum=2)
    security.user_set.clear()

    with pytest.raises(Unsatisfiable, match="where only 0 may approve"):
        dispatch(DisableApiKey(api_key_id=other_key.id), context=as_key())


def test_a_policy_governs_by_type_alias_and_prefix():
    assert names_governing(EnableApiKey) == ["apikeys.enable", "apikeys.*", "*"]


def policy_forbidding(governs, **fields):
    with outside_command("A policy for a test"):
        made = Policy.objects.create(governs=governs, effect="forbid", **fields)
        made.seal()
    return made


@pytest.mark.parametrize("fields", [{"effect": "forbid"}, {"effect": "allow", "condition": "true"}])
@pytest.mark.parametrize("governs", ["*", "approvals.*", "approvals.disable_policy"])
def test_a_policy_that_could_not_be_undone_is_refused(governs, fields):
    with pytest.raises(Invalid, match="no one could undo"):
        check_policy(CreatePolicy(governs=governs, **fields))
