"""Bodies of deliveries: CloudEvents, with the data of the event or the URL of its subject."""

from audit.installation.settings import countersign
from audit.log import cloudevents
from audit.log.cloudevents import EventColumns
from audit.subjects import types
from audit.webhooks.models import Payload


def body(event: EventColumns, *, payload: str) -> bytes:
    """Return the body of a delivery: the same at each attempt.

    With a thin payload, the data is only the URL of the subject in the API, or null.
    """
    data = event.data if payload == Payload.FULL else {"url": _url_of(event)}
    return cloudevents.encoded(cloudevents.cloud_event(event, data=data))


def _url_of(event: EventColumns) -> str | None:
    found = types.subject_type(event.subject_type)
    url = found.url(event.subject_id) if found else None
    return countersign().base_url + url if url else None
