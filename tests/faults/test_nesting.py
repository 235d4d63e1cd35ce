"""What is on record of commands inside commands, when some of them fail."""

from contextlib import suppress

import pytest

from apikeys.commands import CreateApiKey, DisableApiKey, EnableApiKey, PickUpSecret
from apikeys.models import ApiKey
from apikeys.models.refusals import NothingToPickUp
from audit.actors.actors import SYSTEM, actor_for_user
from audit.bus.context import Context
from audit.bus.dispatch import dispatch, dispatch_all
from audit.messages.exceptions import ApprovalRequired, Crashed
from audit.messages.outcomes import Completed
from audit.models.records import CommandRecord
from tests.books import all_but_records, assert_balanced, attempts, numbers
from tests.conftest import AS_SYSTEM, completed, create_key
from tests.probes import Broken, deed, disable_and_break, to
from tests.severed import refusing


@deed
def shrug_off_a_refusal(command, context):
    with suppress(NothingToPickUp):
        dispatch(PickUpSecret(api_key_id=command.api_key_id))


@deed
def shrug_off_a_failure(command, context):
    with suppress(Crashed):
        dispatch(to(disable_and_break, command.api_key_id))


@deed
def dispatch_and_break(command, context):
    dispatch(DisableApiKey(api_key_id=command.api_key_id))
    raise Broken("outside")


@deed
def shrug_off_what_had_succeeded(command, context):
    with suppress(Crashed):
        dispatch(to(dispatch_and_break, command.api_key_id))


def story() -> list[tuple[str, str, str]]:
    """What was tried since the key was made: type, status and error code, in order of record."""
    records = CommandRecord.objects.order_by("position")
    said = list(records.values_list("message_type", "status", "error_code"))
    return said[said.index(("apikeys.create", "succeeded", "")) + 1 :]


@pytest.mark.parametrize(
    ("what", "inner"),
    [
        (shrug_off_a_refusal, ("apikeys.pick_up", "refused", "nothing_to_pick_up")),
        (shrug_off_a_failure, ("tests.probe", "failed", "crashed")),
    ],
)
def test_an_outer_command_may_go_on_after_an_inner_one_that_is_on_record(first_key, what, inner):
    completed(to(what, first_key.id))

    assert story() == [inner, ("tests.probe", "succeeded", "")]
    assert ApiKey.objects.get().is_enabled
    assert numbers(first_key.id) == [1, 2]
    assert_balanced()


def test_an_inner_command_that_succeeded_is_on_record_after_the_outer_one_was_rolled_back(
    first_key,
):
    before = all_but_records()

    with pytest.raises(Crashed) as failure:
        dispatch(to(dispatch_and_break, first_key.id), context=AS_SYSTEM)

    assert story() == [
        ("tests.probe", "failed", "crashed"),
        ("apikeys.disable", "failed", "rolled_back"),
    ]
    assert all_but_records() == before
    inner = CommandRecord.objects.get(message_type="apikeys.disable")
    assert inner.causation_id == inner.correlation_id == failure.value.command_id


def test_an_innermost_command_is_on_record_after_the_one_around_it_was_rolled_back(first_key):
    completed(to(shrug_off_what_had_succeeded, first_key.id))

    assert story() == [
        ("tests.probe", "failed", "crashed"),
        ("apikeys.disable", "failed", "rolled_back"),
        ("tests.probe", "succeeded", ""),
    ]
    assert ApiKey.objects.get().is_enabled
    assert numbers(first_key.id) == [1, 2]
    assert_balanced()


def test_a_batch_is_carried_out_whole(first_key):
    command_ids = {
        outcome.command_id
        for outcome in dispatch_all(
            [DisableApiKey(api_key_id=first_key.id), EnableApiKey(api_key_id=first_key.id)],
            context=Context(actor=SYSTEM),
        )
    }

    assert story() == [("apikeys.disable", "succeeded", ""), ("apikeys.enable", "succeeded", "")]
    records = CommandRecord.objects.filter(command_id__in=command_ids)
    assert len(set(records.values_list("correlation_id", flat=True))) == 1
    assert_balanced()


def test_a_batch_of_which_one_is_refused_is_not_carried_out_at_all(first_key):
    before, disable = all_but_records(), DisableApiKey(api_key_id=first_key.id)
    enable, pick_up = (each(api_key_id=first_key.id) for each in (EnableApiKey, PickUpSecret))

    with pytest.raises(NothingToPickUp):
        dispatch_all([disable, pick_up, enable], context=Context(actor=SYSTEM))

    # The third one was not tried.
    assert story() == [
        ("apikeys.disable", "failed", "rolled_back"),
        ("apikeys.pick_up", "refused", "nothing_to_pick_up"),
    ]
    assert all_but_records() == before


def test_a_batch_of_which_one_would_be_held_is_not_carried_out_at_all(
    first_key, disabling_needs_two, dana, acme
):
    key = create_key(dana, acme, name="second")
    before, known = all_but_records(), len(story())

    with pytest.raises(ApprovalRequired):
        dispatch_all(
            [
                CreateApiKey(customer_id=acme.pk, owner_id=dana.pk, name="third"),
                DisableApiKey(api_key_id=key.id),
            ],
            context=Context(actor=actor_for_user(dana)),
        )

    assert story()[known:] == [
        ("apikeys.create", "failed", "rolled_back"),
        ("apikeys.disable", "refused", "approval_required"),
    ]
    assert all_but_records() == before


def test_a_repeat_after_a_failure_runs_again_under_the_same_ids(owner, dana, acme):
    def create():
        command = CreateApiKey(customer_id=acme.pk, owner_id=dana.pk, name="ci")
        context = Context(actor=actor_for_user(dana), idempotency_key="once")
        return dispatch(command, context=context)

    with refusing(owner, "apikeys_apikey"), pytest.raises(Crashed) as failure:
        create()
    second, third = create(), create()

    assert isinstance(second, Completed)
    assert second.command_id == third.command_id == failure.value.command_id
    assert attempts(second.command_id) == [(1, "failed", "crashed"), (2, "succeeded", "")]
    first_record = CommandRecord.objects.get(command_id=second.command_id, attempt=1)
    assert first_record.data["api_key_id"] == str(second.result.pk)
    assert ApiKey.objects.get() == second.result == third.result
    assert (bool(second.secret), third.secret) == (True, None)
    assert (second.is_repeat, third.is_repeat) == (False, True)
    assert_balanced()


def test_a_command_that_is_held_inside_another_one_does_not_hold_that(
    first_key, disabling_needs_two
):
    @deed
    def ask_to_disable(command, context):
        dispatch(DisableApiKey(api_key_id=command.api_key_id))

    completed(to(ask_to_disable, first_key.id))

    assert story()[-2:] == [("apikeys.disable", "postponed", ""), ("tests.probe", "succeeded", "")]
    assert ApiKey.objects.get().is_enabled
