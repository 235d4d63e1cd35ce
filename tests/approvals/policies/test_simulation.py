"""Simulation: a draft against the log, and one command explained."""

from io import StringIO

import pytest
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command

from apikeys.commands import DisableApiKey, EnableApiKey
from approvals.policies.commands import CreatePolicy
from approvals.policies.conditions import criteria
from approvals.policies.simulation import simulate
from audit.actors.credentials import live_actor
from audit.bus.context import Context
from audit.bus.dispatch import dispatch
from audit.models.records import CommandRecord
from tests.conftest import create_key, policy


@pytest.fixture
def activity(first_key, dana, acme):
    """Dana's key disables and enables another one."""
    other = create_key(dana, acme, name="other")
    key = live_actor("api_key", str(first_key.id))
    for command_class in (DisableApiKey, EnableApiKey, DisableApiKey):
        dispatch(command_class(api_key_id=other.id), context=Context(actor=key, channel="v1"))
    return other


def run(*arguments):
    out = StringIO()
    call_command("approvals_simulate", *arguments, stdout=out)
    return out.getvalue()


def test_a_draft_shows_how_many_it_would_have_held_and_whose(activity, security, ann, bob):
    told = run("--governs", "apikeys.disable", "--rule", "Security:2")

    assert "2 would be held" in told
    assert "2  dana, with key “first”" in told


def test_conditions_see_what_the_subject_was_then(activity, security, ann, bob):
    forbidding = ("--governs", "apikeys.enable", "--effect", "forbid", "--condition")

    assert "1 would be forbidden" in run(*forbidding, "!subject.is_enabled")
    assert "0 would be forbidden" in run(*forbidding, "subject.is_enabled")


def test_commands_without_possible_approvers_are_shown(activity, security, ann, dana):
    dana.groups.add(security)
    records = CommandRecord.objects.filter(message_type="apikeys.disable")

    result = simulate(
        CreatePolicy(governs="apikeys.disable", groups=(security.pk,), quorums=(2,)),
        records,
        seconds=60,
    )

    assert len(result.unsatisfiable) == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--governs", "no.such"), "must be a command type"),
        (("--governs", "apikeys.disable", "--rule", "Nobody:1"), "GROUP:QUORUM"),
        (("--governs", "apikeys.enable", "--condition", "subject.typo"), "at 1:8"),
        ((), "--governs"),
    ],
)
def test_a_bad_draft_is_refused_in_words(arguments, words, activity):
    with pytest.raises(CommandError, match=words):
        run(*arguments)


def test_one_command_is_explained_with_the_first_criterion_that_was_not_met(
    activity, security, ann, bob, first_key
):
    policy("apikeys.create", group=security, quorum=1)
    condition = 'actor.kind == "api_key" && context.channel == "v2"'
    policy("apikeys.disable", group=security, quorum=1, condition=condition)
    policy("apikeys.enable", group=security, quorum=2)
    key = live_actor("api_key", str(first_key.id))
    held = dispatch(EnableApiKey(api_key_id=activity.id), context=Context(actor=key))
    record = CommandRecord.objects.filter(message_type="apikeys.disable").latest("position")

    told = run("--explain", str(record.command_id))
    told_of_held = run("--explain", str(held.command_id))

    assert "it governs apikeys.create, not apikeys.disable" in told
    assert 'policy on apikeys.disable  not: context.channel == "v2"' in told
    assert "decided   policy on apikeys.enable" in told_of_held


def test_criteria_are_split_outside_of_brackets_and_strings_only():
    assert criteria('a == "x && y" && (b && c) && d') == ['a == "x && y"', "(b && c)", "d"]
    assert criteria("a && b || c") == ["a && b || c"]


def test_a_command_is_explained_on_a_page(activity, security, ann, bob, iris, gus, browser):
    condition = 'context.channel == "v2"'
    policy("apikeys.disable", group=security, quorum=1, condition=condition)
    record = CommandRecord.objects.filter(message_type="apikeys.disable").latest("position")
    for person in (iris, gus):
        person.is_staff = True
        person.save()
        person.user_permissions.add(Permission.objects.get(codename="view_policy"))
    address, asked = "/admin/approvals/policy/explain/", {"command_id": str(record.command_id)}

    told = browser(iris).get(address, asked).content.decode()
    told_elsewhere = browser(gus).get(address, asked).content.decode()

    assert "not: context.channel ==" in told
    assert "do not have access" in told_elsewhere
    assert "apikeys.disable" not in told_elsewhere
