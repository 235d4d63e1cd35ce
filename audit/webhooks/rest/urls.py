"""URLs of webhook endpoints and deliveries. No URL of the API ends in a slash."""

from django.urls import path

from audit.webhooks.rest.endpoints import DeliveryViewSet, EndpointViewSet

_endpoints = EndpointViewSet.as_view
_deliveries = DeliveryViewSet.as_view
_item = "webhook-endpoints/<any_uuid:endpoint_id>"
_delivery = f"{_item}/deliveries/<any_uuid:event_id>"

v2 = [
    path(
        "webhook-endpoints",
        _endpoints({"get": "list", "post": "create"}),
        name="webhook-endpoints",
    ),
    path(
        _item,
        _endpoints({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
        name="webhook-endpoint",
    ),
    *(
        path(f"{_item}/{verb}", _endpoints({"post": action}), name=f"webhook-{verb}")
        for verb, action in (
            *(("enable", "enable"), ("disable", "disable"), ("rotate", "rotate")),
            *(("secret", "pick_up"), ("test", "test"), ("resend", "resend_since")),
        )
    ),
    path(f"{_item}/deliveries", _deliveries({"get": "list"}), name="webhook-deliveries"),
    path(_delivery, _deliveries({"get": "retrieve"}), name="webhook-delivery"),
    path(f"{_delivery}/resend", _endpoints({"post": "resend"}), name="webhook-resend-event"),
]
