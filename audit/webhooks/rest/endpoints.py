"""The webhook endpoints, and the deliveries to each."""

from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from audit.actors.actors import Actor
from audit.log.orders import Key, Order
from audit.messages.classes import Subject
from audit.messages.exceptions import NotFound
from audit.messages.outcomes import Completed
from audit.rest.listing import ListQuery, body, page
from audit.rest.openapi.operations import documented
from audit.rest.viewsets.actors import ActorViewSet
from audit.rest.viewsets.commands import CommandViewSet
from audit.subjects.types import visible
from audit.webhooks import commands, refusals
from audit.webhooks.deliveries import DeliveryState, WebhookDelivery
from audit.webhooks.models import EVERY_TENANT, WebhookEndpoint
from audit.webhooks.resending import delivery_of
from audit.webhooks.rest import inputs, resources

_VIEW = "audit.view_webhookendpoint"
_REVEALING = ("create", "rotate", "pick_up")
_SHOWN_ONCE = (
    "The secret was shown once, in the first response to this request. If it is lost, "
    "POST {url}/rotate issues another one."
)
_TO_PICK_UP = "The secret is waiting: POST {url}/secret shows it once to its requester."

_command = partial(documented, gives=resources.EndpointResource, is_command=True)
_revealing = partial(documented, gives=resources.EndpointWithSecret, is_command=True)
_sending = partial(
    _command,
    raises=(refusals.EndpointDeleted, refusals.EndpointDisabled, refusals.NoSecretToSign),
)


class EndpointListQuery(ListQuery):
    """The query parameters of the list of webhook endpoints."""

    resource_fields = tuple(resources.EndpointResource.__annotations__)
    orders = (Order("-created_at", Key("created_at", datetime), Key("pk", UUID)),)


class DeliveryListQuery(ListQuery):
    """The query parameters of the list of deliveries."""

    resource_fields = tuple(resources.DeliveryResource.__annotations__)
    orders = (Order("newest", Key("pk", int)),)

    state = serializers.ChoiceField(choices=DeliveryState.values, required=False)


def endpoints_of(actor: Actor) -> QuerySet[WebhookEndpoint]:
    """Return the endpoints that the caller may see.

    :raises Forbidden: if the caller may not see endpoints at all.
    """
    actor.require(_VIEW)
    return actor.confine(WebhookEndpoint.objects.all())


def endpoint_of(actor: Actor, endpoint_id: UUID) -> WebhookEndpoint:
    """Return an endpoint, including deleted ones.

    :raises NotFound: if it does not exist, or belongs to another customer.
    """
    return visible(endpoints_of(actor), Subject("webhook-endpoint", str(endpoint_id)))


class EndpointViewSet(CommandViewSet):
    """Webhook endpoints: the whole life of each."""

    tag = "webhooks"

    @documented("list_webhook_endpoints", lists=resources.EndpointResource, query=EndpointListQuery)
    def list(self, request: Request) -> Response:
        """List webhook endpoints that are not deleted, newest first."""
        query = EndpointListQuery.of(request)
        found = page(endpoints_of(self.actor).filter(deleted_at=None), query)
        shown = resources.endpoints(found.rows)
        return Response(body(request, query, shown, cursor=found.cursor))

    @documented("retrieve_webhook_endpoint", gives=resources.EndpointResource)
    def retrieve(self, request: Request, endpoint_id: UUID) -> Response:
        """Return one webhook endpoint."""
        (shown,) = resources.endpoints([endpoint_of(self.actor, endpoint_id)])
        return Response(shown)

    @_revealing(
        "create_webhook_endpoint",
        takes=inputs.CreateEndpointInput,
        succeeds_with=status.HTTP_201_CREATED,
        raises=(NotFound,),
    )
    def create(self, request: Request) -> Response:
        """Create a webhook endpoint and return its secret, once."""
        tenant = self.actor.home_tenant() if self.actor.is_confined else EVERY_TENANT
        return self.send(commands.CreateWebhookEndpoint, tenant=tenant)

    @_command(
        "update_webhook_endpoint",
        takes=inputs.UpdateEndpointInput,
        raises=(refusals.EndpointDeleted,),
    )
    def partial_update(self, request: Request, endpoint_id: UUID) -> Response:
        """Change the destination, description, event types or payload."""
        return self.send(commands.UpdateWebhookEndpoint, endpoint_id=endpoint_id)

    @_revealing(
        "rotate_webhook_secret",
        takes=inputs.RotateSecretInput,
        raises=(refusals.EndpointDeleted, refusals.SecretRotationUnderWay),
    )
    def rotate(self, request: Request, endpoint_id: UUID) -> Response:
        """Issue a new secret and return it, once; the old one also signs until the overlap ends."""
        return self.send(commands.RotateWebhookSecret, endpoint_id=endpoint_id)

    @_revealing(
        "pick_up_webhook_secret",
        succeeds_with=status.HTTP_201_CREATED,
        raises=(
            refusals.EndpointDeleted,
            refusals.NoSecretWaiting,
            refusals.NotRequesterOfSecret,
            refusals.SecretRotationUnderWay,
        ),
    )
    def pick_up(self, request: Request, endpoint_id: UUID) -> Response:
        """Issue the secret of an approved endpoint to its requester, once."""
        return self.send(commands.PickUpWebhookSecret, endpoint_id=endpoint_id)

    @_command("enable_webhook_endpoint", raises=(refusals.EndpointDeleted,))
    def enable(self, request: Request, endpoint_id: UUID) -> Response:
        """Enable a webhook endpoint: what waits for it is sent."""
        return self.send(commands.EnableWebhookEndpoint, endpoint_id=endpoint_id)

    @_command("disable_webhook_endpoint", raises=(refusals.EndpointDeleted,))
    def disable(self, request: Request, endpoint_id: UUID) -> Response:
        """Disable a webhook endpoint: nothing is sent until it is enabled."""
        return self.send(commands.DisableWebhookEndpoint, endpoint_id=endpoint_id)

    @_command("delete_webhook_endpoint")
    def destroy(self, request: Request, endpoint_id: UUID) -> Response:
        """Delete a webhook endpoint permanently, with its secrets."""
        return self.send(commands.DeleteWebhookEndpoint, endpoint_id=endpoint_id)

    @_sending("send_test_event")
    def test(self, request: Request, endpoint_id: UUID) -> Response:
        """Send a test event to a webhook endpoint."""
        return self.send(commands.SendTestEvent, endpoint_id=endpoint_id)

    @_sending("resend_delivery", raises=(*_sending.keywords["raises"], NotFound))
    def resend(self, request: Request, endpoint_id: UUID, event_id: UUID) -> Response:
        """Send an event again, with the same `webhook-id`."""
        return self.send(commands.ResendDelivery, endpoint_id=endpoint_id, event_id=event_id)

    @_sending(
        "resend_since",
        takes=inputs.ResendSinceInput,
        raises=(*_sending.keywords["raises"], refusals.TooManyDeliveries),
    )
    def resend_since(self, request: Request, endpoint_id: UUID) -> Response:
        """Send the events since a time that the endpoint has not accepted."""
        return self.send(commands.ResendSince, endpoint_id=endpoint_id)

    def represent(self, completed: Completed) -> resources.EndpointResource:
        """Return the endpoint."""
        (shown,) = resources.endpoints([completed.result])
        return shown

    def with_secret(self, shown: resources.EndpointResource, completed: Completed) -> Any:
        """Return the endpoint; if a secret was made, with the secret, which is null on a repeat."""
        if self.action not in _REVEALING:
            return shown
        note = _TO_PICK_UP if shown["pick_up_by"] else _SHOWN_ONCE
        text = None if completed.secret else note.format(url=shown["url"])
        return {**shown, "secret": completed.secret, "secret_note": text}


class DeliveryViewSet(ActorViewSet):
    """The deliveries to a webhook endpoint, with their attempts."""

    tag = "webhooks"

    @documented(
        "list_webhook_deliveries", lists=resources.DeliveryResource, query=DeliveryListQuery
    )
    def list(self, request: Request, endpoint_id: UUID) -> Response:
        """List the deliveries to a webhook endpoint, newest first."""
        query = DeliveryListQuery.of(request)
        endpoint = endpoint_of(self.actor, endpoint_id)
        rows = WebhookDelivery.objects.filter(endpoint=endpoint).prefetch_related("attempts")
        if "state" in query:
            rows = rows.filter(state=query["state"])
        found = page(rows, query)
        shown = resources.deliveries(found.rows)
        return Response(body(request, query, shown, cursor=found.cursor))

    @documented("retrieve_webhook_delivery", gives=resources.DeliveryResource)
    def retrieve(self, request: Request, endpoint_id: UUID, event_id: UUID) -> Response:
        """Return one delivery, with its attempts and the time of the next one."""
        row = delivery_of(endpoint_of(self.actor, endpoint_id), event_id)
        (shown,) = resources.deliveries([row])
        return Response(shown)
