"""Conditions about what is a list or an object: scopes, networks and metadata of a key."""

import pytest

from apikeys.commands import CreateApiKey, DisableApiKey, UpdateApiKey
from approvals.policies import conditions
from approvals.policies.conditions import check
from audit.bus.dispatch import dispatch
from audit.messages.exceptions import Invalid
from audit.models.records import CommandRecord
from tests.conftest import create_key, policy


@pytest.mark.parametrize(
    ("condition", "command_class"),
    [
        ('"write" in subject.scopes', DisableApiKey),
        ("size(subject.allowed_networks) == 0", DisableApiKey),
        ('subject.metadata.tier == "gold"', DisableApiKey),
        ('"write" in command.scopes', CreateApiKey),
        ('"tier" in command.metadata && command.metadata["tier"] == "gold"', CreateApiKey),
        ('"expires_at" in command.cleared', UpdateApiKey),
    ],
)
def test_a_condition_on_a_list_or_an_object_can_be_stored(condition, command_class):
    check(condition, [command_class])


def test_a_member_that_there_is_not_is_still_found():
    with pytest.raises(Invalid, match=r"subject\.scope"):
        check('"write" in subject.scope', [DisableApiKey])


@pytest.mark.parametrize(
    ("condition", "held"),
    [
        ('"write" in subject.scopes', True),
        ('"keys:verify" in subject.scopes', False),
        ('subject.metadata.teams.exists(team, team == "shop")', True),
        ('subject.metadata.teams[1].name == "web"', True),
        ('subject.allowed_networks == ["192.0.2.0/24"]', True),
        ("size(subject.allowed_networks) > 1", False),
    ],
)
def test_the_values_of_a_key_decide_whether_it_is_held(
    given, dana, acme, security, ann, bob, context_of, condition, held
):
    key = create_key(
        dana,
        acme,
        name="ci",
        metadata={"teams": ["shop", {"name": "web"}]},
        allowed_networks=("192.0.2.0/24",),
    )
    policy("apikeys.disable", group=security, quorum=1, condition=condition)

    scenario = given().when(DisableApiKey(api_key_id=key.id), context=context_of(dana))

    if held:
        scenario.then_postponed()
    else:
        assert scenario.outcome.result.pk == key.id


def test_the_values_of_a_command_decide_as_well(given, dana, acme, security, ann, bob, context_of):
    condition = 'command.metadata.teams[0].name == "shop" && "write" in command.scopes'
    policy("apikeys.create", group=security, quorum=1, condition=condition)
    command = CreateApiKey(
        customer_id=acme.pk, owner_id=dana.pk, name="ci", metadata={"teams": [{"name": "shop"}]}
    )

    given().when(command, context=context_of(dana)).then_postponed()


def test_a_missing_field_refuses_because_the_condition_is_unknown(
    given, first_key, dana, security, ann, bob, context_of
):
    policy("apikeys.disable", group=security, quorum=1, condition='subject.metadata.tier == "a"')

    scenario = given().when(DisableApiKey(api_key_id=first_key.id), context=context_of(dana))

    scenario.then_refused(conditions.ConditionFailed)


def test_a_command_has_the_same_facts_when_sent_and_on_record(first_key, dana, context_of):
    context = context_of(dana, channel="v1", reason="Leaked")
    dispatch(DisableApiKey(api_key_id=first_key.id), context=context)
    record = CommandRecord.objects.latest("position")

    facts = conditions.facts_of(context)

    assert conditions.facts_of(record) == facts
    assert facts["actor.person_id"] == str(dana.pk)
    assert set(facts) <= set(conditions.names([DisableApiKey]))


@pytest.mark.parametrize(
    ("condition", "names", "needs_subject"),
    [
        ('subject.name == "a" && actor.kind == subject.name', ["subject.name", "actor.kind"], True),
        ('context.channel == "v1"', ["context.channel"], False),
        ("", [], False),
    ],
)
def test_the_names_in_a_condition_are_found(condition, names, needs_subject):
    assert conditions.members(condition) == names
    assert conditions.needs_subject(condition) == needs_subject
