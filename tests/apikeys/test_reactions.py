"""Processes of API keys: the log has the end of an overlap, and secrets not picked up in time."""

from datetime import timedelta

import pytest

from apikeys.commands import CreateApiKey, DeleteApiKey, EndOverlap, ExpirePickUp, RotateApiKey
from apikeys.models import ApiKeySecret, PickUp
from apikeys.models.refusals import PickUpWaiting, RotationUnderWay
from audit.bus.dispatch import dispatch
from audit.messages.exceptions import Forbidden
from audit.models.processes import ProcessInstance, ProcessTimer
from audit.models.records import CommandRecord, EventRecord
from audit.outside import outside_command
from audit.testing import react
from tests.conftest import AS_SYSTEM, approved, completed, held, policy
from tests.processes import let_timers_be_due


def rotate(key, context, *, seconds):
    return completed(
        RotateApiKey(api_key_id=key.id, overlap_seconds=seconds, replace_pick_up=True),
        context=context,
    )


def events(message_type):
    return EventRecord.objects.filter(message_type=message_type)


def test_the_end_of_an_overlap_is_logged_in_the_case_of_the_rotation(first_key, dana, context_of):
    rotate(first_key, context_of(dana), seconds=3600)
    react()
    timer = ProcessTimer.objects.get(step="end")
    assert timer.due_at == ApiKeySecret.objects.exclude(not_after=None).get().not_after
    assert not events("apikeys.overlap_ended").exists()

    with outside_command("The overlap has passed"):
        ApiKeySecret.objects.exclude(not_after=None).update(not_after="2020-01-01T00:00:00Z")
    let_timers_be_due()
    react()

    ended = events("apikeys.overlap_ended").get()
    rotated = events("apikeys.rotated").get()
    assert (ended.subject_id, ended.correlation_id) == (str(first_key.id), rotated.correlation_id)
    command = CommandRecord.objects.get(message_type="apikeys.end_overlap")
    assert (command.actor_label, command.status) == ("process:apikeys.rotation", "succeeded")
    assert command.tenant == rotated.tenant
    assert not ProcessInstance.objects.filter(key=str(first_key.id)).exists()


def test_a_deleted_key_has_no_overlap_to_end(first_key, dana, context_of):
    rotate(first_key, context_of(dana), seconds=3600)
    completed(DeleteApiKey(api_key_id=first_key.id), context=context_of(dana))

    react()

    assert not ProcessInstance.objects.filter(key=str(first_key.id)).exists()
    assert not CommandRecord.objects.filter(channel="process").exists()


def test_a_secret_that_is_not_picked_up_in_time_is_logged(
    acme, dana, security, ann, bob, context_of
):
    policy("apikeys.create", group=security, quorum=2)
    request = held(
        CreateApiKey(customer_id=acme.pk, owner_id=dana.pk, name="held"), context=context_of(dana)
    )
    approved(request, ann, bob)
    react()
    assert ProcessTimer.objects.get(step="expire", instance__key=request.subject_id).due_at == (
        PickUp.objects.get().until
    )

    with outside_command("The time to pick it up has passed"):
        PickUp.objects.update(until="2020-01-01T00:00:00Z")
    let_timers_be_due()
    react()

    expired = events("apikeys.pick_up_expired").get()
    assert (expired.subject_id, expired.tenant) == (request.subject_id, str(acme.pk))
    assert expired.correlation_id == request.command_id
    assert not ProcessInstance.objects.filter(key=request.subject_id).exists()


def test_neither_ends_early_nor_by_anyone_else(acme, first_key, dana, context_of):
    rotate(first_key, context_of(dana), seconds=3600)
    end, expire = (kind(api_key_id=first_key.id) for kind in (EndOverlap, ExpirePickUp))
    with outside_command("A claim to a secret"):
        first_key.row.await_pick_up(context_of(dana).actor, overlap=timedelta())

    for command, refusal in ((end, RotationUnderWay), (expire, PickUpWaiting)):
        with pytest.raises(refusal):
            dispatch(command, context=AS_SYSTEM)
        with pytest.raises(Forbidden):
            dispatch(command, context=context_of(dana))
