"""Conditions: evaluation is bounded, errors are in our words, and a stored one can fail safely."""

import pytest
from django.core.checks import run_checks

from apikeys.commands import CreateApiKey, DisableApiKey
from apikeys.models import ApiKey
from approvals.policies import conditions, simulation
from approvals.policies.commands import CreatePolicy
from approvals.policies.conditions import ConditionFailed, check
from approvals.policies.handlers import check_policy
from audit.bus.dispatch import dispatch
from audit.messages.exceptions import Invalid
from audit.models.records import CommandRecord
from tests.conftest import create_key, policy

DOUBLING = '["x"]' + ".map(v, v + v)" * 3 + '.exists(v, v == "a")'
NESTED = "subject.scopes.exists(v, subject.scopes.exists(w, v == w))"
UNBOUNDED = [
    ('subject.name + "a" == "b"', "at 1:14: “\\+” only adds numbers and times"),
    ('["a"] + ["b"] == subject.scopes', "at 1:7: “\\+” only adds numbers and times"),
    ('b"a" + b"b" == b"ab"', "at 1:6: “\\+” only adds numbers and times"),
    ("subject.metadata.a + subject.metadata.b == 1", "at 1:20: “\\+” only adds numbers and times"),
    ('dyn("a") + dyn("b") == "ab"', "at 1:10: “\\+” only adds numbers and times"),
    ("subject.scopes.map(v, v) == []", "at 1:19: “map” would build a list"),
    ('subject.scopes.filter(v, v == "a") == []', "at 1:22: “filter” would build a list"),
    (DOUBLING, "at 1:10: “map” would build a list"),
    (NESTED, "at 1:47: it goes through a list inside of another"),
    ("[[1].exists(v, v == 1)].all(w, w)", "at 1:12: it goes through a list inside of another"),
    ('{"a": [1].exists(v, [2].all(w, w == v))}.a', "at 1:28: it goes through a list inside"),
    ("subject.scopes.exists(v, v in subject.allowed_networks)", "at 1:28: “in” would go through"),
    ("subject.scopes.all(v, subject.name.contains(v))", "at 1:44: “contains” would go through"),
    ("subject.scopes.exists(v, subject.name.matches(v))", "at 1:46: “matches” would go through"),
    ("subject.scopes.exists(v, size(subject.name) > 1)", "at 1:30: “size” would go through"),
    ("[1].all(v, 1 in [1, subject.owner_id])", "at 1:14: “in” would go through"),
    (" || ".join(["[1].exists(v, v == 2)"] * 11), "at 1:261: it goes through more than 10 lists"),
    ("!" * 5_000 + "true", "at 1:5001: it is longer than 5000 characters"),
    ("(" * 40 + "true" + ")" * 40, "at 1:1: it is nested too deeply"),
    ("true" + " == true" * 40, "at 1:1: it is nested too deeply"),
]
WRONG = [
    ("subject.name ==", "at 1:16: this is not valid CEL"),
    ("subject.name = 'a'", "at 1:14: “=” is not an operator: use “==”"),
    ('"a', "at 1:1: this is not valid CEL"),
    ("true\n  == 1", "at 2:3: “==” does not take true or false, and a whole number"),
    ("subject.typo", "at 1:8: “subject.typo” is unknown"),
    ("no_such(1)", "at 1:8: “no_such” is unknown"),
    ("true & false", "at 1:6: “&” is not an operator: use “&&”"),
    ("true | false", "at 1:6: “|” is not an operator: use “||”"),
    ("size(subject.owner_id) == 1", "at 1:5: “size” does not take a whole number or null"),
    ("subject.name.a", "at 1:13: a text or null has no members"),
    ("99999999999999999999 == 1", "at 1:1: this number is too large"),
    ("subject.scopes.exists(1, true)", "at 1:23: the first argument must be a new name"),
    ("actor.kind", "at 1:1: it returns a text, not true or false"),
    ("subject.metadata.a", "at 1:1: it returns a value of unknown type, not true or false"),
    ("\x00", "at 1:1: this is not valid CEL"),
    ("\ud800", "at 1:1: this is not valid CEL"),
]
PARSERS_WORDS = (
    "INVALID_ARGUMENT",
    "ERROR",
    "<input>",
    "overload",
    "undeclared",
    "EOF",
    "container",
)
FAILING = [
    ("1 / (subject.owner_id - subject.owner_id) == 1", "at 1:1: a division by zero"),
    ('actor.kind == "user" && subject.metadata.tier == "a"', "at 1:25: an entry is missing"),
    ("subject.scopes[99] == subject.name", "at 1:1: an entry is missing"),
    ('timestamp(subject.name) == timestamp("x")', "at 1:1: a text cannot be converted"),
    ('subject.name.matches("(")', "at 1:1: a pattern is invalid"),
    ("subject.metadata.number > subject.name", "at 1:1: a value has the wrong type"),
    ("subject.owner_id + 9223372036854775807 > 1", "at 1:1: a number is too large"),
]


@pytest.mark.parametrize(("condition", "words"), UNBOUNDED + WRONG)
def test_a_condition_is_refused_when_proposed_in_our_words_with_its_place(condition, words):
    with pytest.raises(Invalid, match=words) as refusal:
        check(condition, [DisableApiKey])

    assert not any(each in str(refusal.value) for each in PARSERS_WORDS)


@pytest.mark.parametrize(
    "condition",
    [
        "subject.owner_id + 1 > 2 && 1.5 + 2.5 == 4.0",
        'timestamp("2026-01-01T00:00:00Z") + duration("1h") > timestamp(subject.name)',
        'subject.scopes.exists(v, v.startsWith("a")) && subject.scopes.all(v, v != "b + c")',
        'subject.name == "a.map(v, v)" // [1].exists(v, [1].exists(w, true))',
        "subject.scopes.exists(v, v == subject.name && size(v) > 2 || v in ['a', 'b'])",
        "[size(subject.name)].exists(v, v > 3) && subject.metadata.a.exists(v, v.b[0] == actor.id)",
        '!has(subject.metadata.a) || subject.metadata.a in ["x", "y"]',
    ],
)
def test_numbers_may_be_added_and_lists_searched(condition):
    check(condition, [DisableApiKey])


@pytest.mark.parametrize(("condition", "words"), [*UNBOUNDED, *WRONG[:-2]])
def test_a_stored_condition_that_breaks_a_limit_refuses_and_is_reported(
    condition, words, given, first_key, dana, security, ann, bob, context_of
):
    policy("apikeys.disable", group=security, quorum=1, condition=condition)

    scenario = given().when(DisableApiKey(api_key_id=first_key.id), context=context_of(dana))

    scenario.then_refused(ConditionFailed)
    assert ApiKey.objects.get().is_enabled
    (problem,) = run_checks(databases=["default"])
    assert problem.id == "approvals.E006"
    assert "the policy on apikeys.disable" in problem.msg


@pytest.mark.parametrize(("condition", "words"), FAILING)
def test_an_error_of_evaluation_refuses_in_our_words_with_its_place(
    condition, words, dana, acme, security, ann, bob, context_of
):
    key = create_key(dana, acme, name="ci", metadata={"number": 1})
    policy("apikeys.disable", group=security, quorum=1, condition=condition)

    with pytest.raises(ConditionFailed, match=words) as refusal:
        dispatch(DisableApiKey(api_key_id=key.id), context=context_of(dana))

    record = CommandRecord.objects.get(command_id=refusal.value.command_id)
    assert (record.status, record.error_code) == ("refused", "condition_failed")
    assert not any(each in str(refusal.value) for each in PARSERS_WORDS)


@pytest.mark.parametrize(
    "values",
    [
        {"command.metadata": {"a": "x" * 100_001}},
        {"command.metadata": {"a": ["x"] * 100_001}},
        {"command.metadata": {f"{n}": {} for n in range(50_001)}},
        {"command.metadata": 10**30},
        {"command.metadata": {"a": object()}},
        {"command.metadata": {"a": "\ud800"}},
        {"command.metadata": {"a": ["x"] * 20_000}},
        {"command.metadata": {"a": 10**30}},
    ],
    ids=lambda values: repr(values)[:40],
)
def test_values_that_are_too_large_or_of_no_type_of_cel_refuse(values):
    condition = 'command.metadata.a.exists(v, v == "y") || 1 / 0 == 1'

    with pytest.raises(ConditionFailed):
        conditions.evaluate(condition, values, CreateApiKey)


def test_only_the_values_that_a_condition_names_count():
    values = {"command.metadata": {"a": "x" * 200_000}, "command.name": "ci"}

    assert conditions.evaluate('command.name == "ci"', values, CreateApiKey)


def test_an_earlier_criterion_that_fails_does_not_hide_a_later_one_that_is_unmet(
    first_key, dana, context_of
):
    values = {"subject.metadata": {}, "subject.name": "ci"}
    condition = 'subject.metadata.tier == "a" && subject.name == "other"'

    unmet = conditions.first_unmet(condition, values, DisableApiKey)

    assert unmet == 'subject.name == "other"'


def test_a_simulation_says_how_much_it_evaluated_in_its_time(
    first_key, dana, security, ann, bob, context_of
):
    records = list(CommandRecord.objects.filter(attempt=1))
    draft = CreatePolicy(governs="apikeys.*", groups=(security.pk,), quorums=(1,))

    complete = simulation.simulate(draft, records, seconds=60)
    cut_short = simulation.simulate(draft, records, seconds=0)

    assert (complete.looked_at, complete.is_cut_short) == (len(records), False)
    assert (cut_short.looked_at, cut_short.is_cut_short) == (1, True)
    assert cut_short.given == len(records)


def test_the_limits_hold_for_every_type_that_a_policy_governs():
    with pytest.raises(Invalid, match="only adds"):
        check_policy(
            CreatePolicy(governs="apikeys.*", effect="forbid", condition="dyn(1) + dyn(1) == 2")
        )
