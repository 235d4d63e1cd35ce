"""Reactions to events: deliveries of each event, and e-mail when an endpoint is disabled."""

from django.urls import reverse

from audit.actors import permissions
from audit.actors.actors import actor_for_user
from audit.installation import users
from audit.installation.settings import countersign
from audit.reactions import mail
from audit.reactions.declarations import Subscription, reacts_to, subscribe
from audit.reactions.deliveries import Delivery
from audit.reactions.mail import Mail
from audit.reactions.workers import runs
from audit.webhooks.events import WebhookEndpointDisabled
from audit.webhooks.fan_out import fan_out
from audit.webhooks.models import Cause, WebhookEndpoint
from audit.webhooks.sending.sender import Sender

_SUBJECT = "[Countersign] Webhook endpoint disabled"
_MANAGE = "audit.manage_webhookendpoint"
_CAUSES = {
    Cause.GONE.value: "it responded with the status 410 (Gone)",
    Cause.FAILING.value: "it has accepted nothing for five days",
}
_TEXT = """The webhook endpoint {destination} was disabled, because {cause}.

Nothing is sent to it until it is enabled. Then send the events again that it has missed: POST \
{url}/resend, with the time since when.
"""


def _deliver(_: None, delivery: Delivery) -> None:
    fan_out(delivery.id)


subscribe(
    Subscription(name="webhooks.fan_out", message_types=("*",), function=_deliver, loads=False)
)


@reacts_to(
    WebhookEndpointDisabled, name="webhooks.notifications", outside=True, backoff=mail.BACKOFF
)
def notify(event: WebhookEndpointDisabled, delivery: Delivery) -> None:
    """Notify the people who manage an endpoint that the sender has disabled."""
    cause = _CAUSES.get(event.disabled_because)
    endpoint = WebhookEndpoint.objects.find(pk=event.endpoint_id)
    if cause is None or endpoint is None:
        return
    url = reverse("countersign:webhook-endpoint", args=(endpoint.pk,))
    text = _TEXT.format(
        destination=endpoint.destination, cause=cause, url=countersign().base_url + url
    )
    people = permissions.granted_to(_MANAGE).filter(is_active=True).order_by("pk")
    seeing = [each for each in people if actor_for_user(each).may_see(endpoint.tenant)]
    addresses = sorted({users.email_of(each) for each in seeing} - {""})
    mail.send([Mail(to=each, subject=_SUBJECT, text=text) for each in addresses], delivery=delivery)


_sender = Sender()


@runs("webhooks")
def send_due() -> bool:
    """Send the deliveries that are due; return True if there may be more at once."""
    return _sender.turn()
