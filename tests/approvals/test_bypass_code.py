"""The bypass matrix for what does not come over HTTP: commands of manage.py, code, the ORM."""

import pytest
from django.core.management import CommandError as NotRun
from django.core.management import call_command
from django.db import Error, transaction

from apikeys.commands import DisableApiKey, EnableApiKey
from apikeys.models import ApiKey
from approvals.models import ApprovalRequest, Policy, Rule
from approvals.people.commands import AddToGroup, SetSuperuserStatus
from approvals.policies.commands import DisablePolicy
from audit.actors.actors import SYSTEM
from audit.bus import dispatch as bus
from audit.bus.context import Context
from audit.bus.dispatch import dispatch, dispatch_all
from audit.messages.exceptions import ApprovalRequired, CommandError
from audit.messages.outcomes import Postponed
from audit.models.records import CommandRecord
from tests.approvals.test_bypass import snapshot
from tests.conftest import approved, completed, create_key, held, policy
from tests.http import call
from tests.probes import deed, to

KEYS = "/api/v2/api-keys"
# What the probes send.
_inner = []


@pytest.fixture
def gate(first_key, policy_owners, security, ann, bob):
    """The policy on every command about keys and customers: two of Security."""
    return policy("apikeys.*", group=security, quorum=2)


@pytest.fixture
def gated(gate, first_key, dana, security):
    """One command of each kind that is gated, by the policy and by the floor."""
    _inner[:] = [
        DisableApiKey(api_key_id=first_key.id),
        DisablePolicy(policy_id=gate.pk),
        AddToGroup(user_id=dana.pk, group_id=security.pk),
        SetSuperuserStatus(user_id=dana.pk, is_superuser=True),
    ]
    return list(_inner)


@deed
def send_what_is_gated(command, context):
    """Send it, as code of ours that is not gated itself."""
    return [dispatch(each) for each in _inner]


@deed
def send_it_with_a_forged_context(command, context):
    for each in _inner:
        forged = Context(actor=SYSTEM, channel="forged")
        forged.is_replay, forged.decision = True, {"effect": "allow"}
        dispatch(each, context=forged)


@deed
def send_it_on_in_the_same_context(command, context):
    context.is_replay = True
    context.facts["is_governed"] = False
    return [dispatch(each, context=context) for each in _inner]


@pytest.mark.parametrize(
    ("name", "arguments", "refused"),
    [
        ("approvals_bootstrap", ["--owner=ann", "--owner=bob", "--owner=dana"], True),
        ("approvals_bootstrap", ["--owner=dana", "--policy=apikeys.disable:Security:1"], True),
        ("begin_epoch", ["--reason=Restored"], False),
        ("approvals_check", [], False),
        ("demo", [], True),
    ],
)
def test_no_command_of_manage_py_does_what_is_gated(
    name, arguments, refused, gated, settings, tmp_path
):
    settings.DATA_DIR = tmp_path
    before = snapshot()

    if refused:
        with pytest.raises((NotRun, CommandError)):
            call_command(name, *arguments)
    else:
        call_command(name, *arguments)

    assert snapshot() == before


@pytest.mark.parametrize(
    "write",
    [
        lambda key: ApiKey.objects.bulk_update([key], ["is_enabled"]),
        lambda _: ApiKey.objects.update(is_enabled=False),
        lambda key: ApiKey.objects.bulk_create([ApiKey(customer=key.customer, owner=key.owner)]),
        lambda key: key.disable(),
        lambda _: Policy.objects.get().disable(),
        lambda _: Policy.objects.update(is_enabled=False),
        lambda _: Rule.objects.update(quorum=1),
        lambda _: Rule.objects.get().drop(),
        lambda _: Rule.objects.all().delete(),
    ],
)
def test_no_write_through_the_orm_does_it(write, gated):
    before = snapshot()
    key = ApiKey.objects.get()

    with pytest.raises(Error), transaction.atomic():
        write(key)

    assert snapshot() == before


@pytest.mark.parametrize("facts", [{"is_replay": True}, {"facts": {"is_governed": False}}])
def test_a_forged_context_takes_nothing_past_the_gate(facts, gated):
    before = snapshot()

    for command in gated:
        context = Context(actor=SYSTEM, channel="forged")
        for name, value in facts.items():
            setattr(context, name, value)
        assert isinstance(dispatch(command, context=context), Postponed)

    assert snapshot() == before


@pytest.mark.parametrize(
    "what",
    [send_what_is_gated, send_it_with_a_forged_context, send_it_on_in_the_same_context],
)
def test_what_another_command_sends_is_held_as_well(what, gated, first_key):
    before = snapshot()

    completed(to(what, first_key.id))

    assert snapshot() == before
    assert ApprovalRequest.objects.filter(state="pending").count() == len(gated)


def test_what_an_approved_command_sends_needs_its_own_approvals(gated, first_key, security, ann):
    policy("tests.probe", group=security, quorum=1)
    before = snapshot()

    done = approved(held(to(send_what_is_gated, first_key.id)), ann)

    assert done.state == "executed"
    assert snapshot() == before
    assert ApprovalRequest.objects.filter(state="pending").count() == len(gated)


@pytest.mark.parametrize("place", range(4))
def test_a_batch_takes_nothing_past_the_gate(place, gated, first_key):
    before = snapshot()

    with pytest.raises(ApprovalRequired):
        dispatch_all([gated[place]], context=Context(actor=SYSTEM))

    assert snapshot() == before
    assert not ApprovalRequest.objects.exists()


def test_nothing_is_replayed_but_inside_the_command_that_releases_it(gated):
    before = snapshot()
    request = held(gated[0])

    with pytest.raises(RuntimeError):
        bus.replay(request.command(), held=request.held_record, expected_number=1)

    assert snapshot() == before


def test_a_repeat_of_a_held_command_is_held_and_of_an_old_one_does_nothing(
    client, first_key, dana, acme, gate
):
    path = f"{KEYS}/{first_key.id}/disable"
    answers = [
        call(client, "POST", path, {}, key=first_key, Idempotency_Key=name)
        for name in ("one", "one", "two", "one")
    ]

    assert [answer.status_code for answer in answers] == [202] * 4
    assert len({answer["Command-Id"] for answer in answers if answer["Command-Id"]}) == 1
    assert ApiKey.objects.get().is_enabled


def test_a_key_that_was_good_for_a_command_before_the_gate_does_not_carry_it_out_again(
    client, dana, acme, security, ann, bob
):
    asking = create_key(dana, acme, name="asking")
    target = create_key(dana, acme, name="target")
    path = f"{KEYS}/{target.id}/disable"
    first = call(client, "POST", path, {}, key=asking, Idempotency_Key="one")
    completed(EnableApiKey(api_key_id=target.id))
    policy("apikeys.*", group=security, quorum=2)

    again = call(client, "POST", path, {}, key=asking, Idempotency_Key="one")

    assert (first.status_code, again.status_code) == (200, 200)
    assert again["Idempotency-Replayed"] == "true"
    assert ApiKey.objects.get(pk=target.id).is_enabled
    done = CommandRecord.objects.filter(message_type="apikeys.disable", status="succeeded")
    assert done.count() == 1
