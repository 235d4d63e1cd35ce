"""Handlers of the commands on webhook endpoints."""

from datetime import timedelta

from django.utils import timezone

from audit.actors import scopes
from audit.actors.actors import Actor
from audit.bus.context import Context
from audit.bus.handling import handles, precondition
from audit.log.visibility import VIEW_LOG
from audit.messages.exceptions import FieldError, Invalid
from audit.webhooks import commands, events, resending
from audit.webhooks.models import Cause, WebhookEndpoint


@handles(commands.CreateWebhookEndpoint)
def create_webhook_endpoint(
    command: commands.CreateWebhookEndpoint, context: Context
) -> WebhookEndpoint:
    check_creation(command, context)
    content = command.content()
    columns = content | {"event_types": list(command.event_types)}
    endpoint = WebhookEndpoint(pk=command.endpoint_id, tenant=command.tenant, **columns)
    # When a held creation is replayed, its caller is gone: only the last approver would see the
    # secret. The endpoint waits without one until its requester picks it up.
    secret = None if context.is_replay else endpoint.give_secret()
    endpoint.save(force_insert=True)
    if secret:
        context.reveal(secret)
    else:
        endpoint.await_pick_up(context.actor, overlap=timedelta())
    context.emit(
        events.WebhookEndpointCreated(
            endpoint_id=endpoint.pk,
            tenant=endpoint.tenant,
            has_secret=secret is not None,
            **content,
        )
    )
    return endpoint


@precondition(commands.CreateWebhookEndpoint)
def check_creation(command: commands.CreateWebhookEndpoint, context: Context) -> None:
    """Check that the actor may read what the endpoint will get."""
    _check_reads_log(context.actor)


def _check_reads_log(actor: Actor) -> None:
    """Check that the actor may read the events that it has sent to an endpoint.

    :raises InsufficientScope: if its credential may not read the log.
    """
    actor.require_any_scope(scopes.needed_for(VIEW_LOG))


@handles(commands.UpdateWebhookEndpoint, locks=WebhookEndpoint)
def update_webhook_endpoint(
    command: commands.UpdateWebhookEndpoint, context: Context
) -> WebhookEndpoint:
    endpoint = WebhookEndpoint.objects.locked(pk=command.endpoint_id)
    _check_reads_log(context.actor)
    changed = endpoint.change(command.changes())
    if changed:
        values = command.as_json()
        changes = {name: values[name] for name in changed}
        context.emit(events.WebhookEndpointUpdated(endpoint_id=endpoint.pk, changes=changes))
    return endpoint


@precondition(commands.UpdateWebhookEndpoint)
def check_update(command: commands.UpdateWebhookEndpoint, context: Context) -> bool:
    """Refuse early what would be refused on execution; return False if nothing would change."""
    endpoint = WebhookEndpoint.objects.found(pk=command.endpoint_id)
    endpoint.check_not_deleted()
    _check_reads_log(context.actor)
    return bool(endpoint.differing(command.changes()))


@handles(commands.RotateWebhookSecret, locks=WebhookEndpoint)
def rotate_webhook_secret(
    command: commands.RotateWebhookSecret, context: Context
) -> WebhookEndpoint:
    endpoint = WebhookEndpoint.objects.locked(pk=command.endpoint_id)
    overlap = timedelta(seconds=command.overlap_seconds)
    endpoint.check_rotation(overlap)
    if context.is_replay:
        # As at creation. The current secret signs alone until there is a new one.
        endpoint.await_pick_up(context.actor, overlap=overlap)
    else:
        context.reveal(endpoint.rotate(overlap=overlap))
    context.emit(
        events.WebhookSecretRotated(
            endpoint_id=endpoint.pk,
            overlap_seconds=command.overlap_seconds,
            has_secret=not context.is_replay,
        )
    )
    return endpoint


@precondition(commands.RotateWebhookSecret)
def check_rotation(command: commands.RotateWebhookSecret, context: Context) -> None:
    """Refuse early what would be refused on execution."""
    endpoint = WebhookEndpoint.objects.found(pk=command.endpoint_id)
    endpoint.check_rotation(timedelta(seconds=command.overlap_seconds))


@handles(commands.PickUpWebhookSecret, locks=WebhookEndpoint)
def pick_up_webhook_secret(
    command: commands.PickUpWebhookSecret, context: Context
) -> WebhookEndpoint:
    endpoint = WebhookEndpoint.objects.locked(pk=command.endpoint_id)
    endpoint.check_pick_up(context.actor)
    context.reveal(endpoint.rotate(overlap=endpoint.pick_up_overlap))
    context.emit(events.WebhookSecretPickedUp(endpoint_id=endpoint.pk))
    return endpoint


@handles(commands.EnableWebhookEndpoint, locks=WebhookEndpoint)
def enable_webhook_endpoint(
    command: commands.EnableWebhookEndpoint, context: Context
) -> WebhookEndpoint:
    endpoint = WebhookEndpoint.objects.locked(pk=command.endpoint_id)
    if endpoint.enable():
        context.emit(events.WebhookEndpointEnabled(endpoint_id=endpoint.pk))
    return endpoint


@precondition(commands.EnableWebhookEndpoint)
def check_enabling(command: commands.EnableWebhookEndpoint, context: Context) -> bool:
    """Refuse early to enable a deleted endpoint; return False if it is enabled."""
    endpoint = WebhookEndpoint.objects.found(pk=command.endpoint_id)
    endpoint.check_not_deleted()
    return not endpoint.is_enabled


@handles(commands.DisableWebhookEndpoint, locks=WebhookEndpoint)
def disable_webhook_endpoint(
    command: commands.DisableWebhookEndpoint, context: Context
) -> WebhookEndpoint:
    return _disable(command, context, cause=Cause.REQUESTED)


@handles(commands.DisableFailingWebhookEndpoint, locks=WebhookEndpoint)
def disable_failing_webhook_endpoint(
    command: commands.DisableFailingWebhookEndpoint, context: Context
) -> WebhookEndpoint:
    return _disable(command, context, cause=Cause(command.cause))


def _disable(
    command: commands.DisableWebhookEndpoint | commands.DisableFailingWebhookEndpoint,
    context: Context,
    *,
    cause: Cause,
) -> WebhookEndpoint:
    endpoint = WebhookEndpoint.objects.locked(pk=command.endpoint_id)
    if endpoint.disable(cause):
        event = events.WebhookEndpointDisabled
        context.emit(event(endpoint_id=endpoint.pk, disabled_because=cause.value))
    return endpoint


@precondition(commands.DisableWebhookEndpoint, commands.DisableFailingWebhookEndpoint)
def check_disabling(
    command: commands.DisableWebhookEndpoint | commands.DisableFailingWebhookEndpoint,
    context: Context,
) -> bool:
    """Refuse early to disable a deleted endpoint; return False if it is disabled."""
    endpoint = WebhookEndpoint.objects.found(pk=command.endpoint_id)
    endpoint.check_not_deleted()
    return endpoint.is_enabled


@handles(commands.DeleteWebhookEndpoint, locks=WebhookEndpoint)
def delete_webhook_endpoint(
    command: commands.DeleteWebhookEndpoint, context: Context
) -> WebhookEndpoint:
    endpoint = WebhookEndpoint.objects.locked(pk=command.endpoint_id)
    if endpoint.mark_deleted():
        context.emit(events.WebhookEndpointDeleted(endpoint_id=endpoint.pk))
    return endpoint


@precondition(commands.DeleteWebhookEndpoint)
def check_deletion(command: commands.DeleteWebhookEndpoint, context: Context) -> bool:
    """Return False if the endpoint is deleted already."""
    return WebhookEndpoint.objects.found(pk=command.endpoint_id).deleted_at is None


@handles(commands.SendTestEvent, locks=WebhookEndpoint)
def send_test_event(command: commands.SendTestEvent, context: Context) -> WebhookEndpoint:
    endpoint = WebhookEndpoint.objects.locked(pk=command.endpoint_id)
    endpoint.check_can_send()
    context.emit(events.TestEventSent(endpoint_id=endpoint.pk))
    return endpoint


@handles(commands.ResendDelivery, locks=WebhookEndpoint)
def resend_delivery(command: commands.ResendDelivery, context: Context) -> WebhookEndpoint:
    endpoint = WebhookEndpoint.objects.locked(pk=command.endpoint_id)
    endpoint.check_can_send()
    resending.resend(endpoint, command.event_id)
    context.emit(events.DeliveryResent(endpoint_id=endpoint.pk, event_id=command.event_id))
    return endpoint


@handles(commands.ResendSince, locks=WebhookEndpoint)
def resend_since(command: commands.ResendSince, context: Context) -> WebhookEndpoint:
    endpoint = WebhookEndpoint.objects.locked(pk=command.endpoint_id)
    endpoint.check_can_send()
    _check_since(command)
    number = resending.resend_since(endpoint, command.since)
    context.emit(
        events.DeliveriesResentSince(
            endpoint_id=endpoint.pk, since=command.since, deliveries=number
        )
    )
    return endpoint


@precondition(commands.SendTestEvent, commands.ResendDelivery, commands.ResendSince)
def check_resending(
    command: commands.SendTestEvent | commands.ResendDelivery | commands.ResendSince,
    context: Context,
) -> None:
    """Refuse early what would be refused on execution."""
    endpoint = WebhookEndpoint.objects.found(pk=command.endpoint_id)
    endpoint.check_can_send()
    if isinstance(command, commands.ResendDelivery):
        resending.delivery_of(endpoint, command.event_id)
    elif isinstance(command, commands.ResendSince):
        _check_since(command)


def _check_since(command: commands.ResendSince) -> None:
    """Check the time.

    :raises Invalid: if it is in the future or too long ago.
    """
    now = timezone.now()
    if not now - resending.LONGEST <= command.since <= now:
        message = f"must be in the last {resending.LONGEST.days} days"
        raise Invalid(errors=[FieldError("since", "out_of_range", message)])
