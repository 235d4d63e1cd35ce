"""The relation of a request to others, and the use of break-glass, from its events."""

from datetime import datetime
from typing import Annotated, TypedDict

from approvals.decisions.events import ApprovalRequested, GlassBroken, RequestSuperseded
from approvals.models import ApprovalRequest
from approvals.requests.pending import request_url
from audit.models.records import EventRecord
from audit.rest.references import Address, Uuid

_SHOWN_EVENTS = (ApprovalRequested, RequestSuperseded, GlassBroken)


class RequestReference(TypedDict):
    """Another request."""

    id: Uuid
    url: Address


class BreakGlassUse(TypedDict):
    """A use of break-glass on the request; by its requester, if ``own_request`` is true."""

    ticket: str
    own_request: bool
    used_at: datetime


class FromEvents(TypedDict):
    """The relation to other requests and the use of break-glass, as events have them."""

    supersedes: Annotated[list[RequestReference], "The stale requests that this one replaced."]
    superseded_by: Annotated[RequestReference | None, "The request that replaced this one."]
    break_glass: BreakGlassUse | None


def from_events(request: ApprovalRequest) -> FromEvents:
    """Return the fields that events of the request have, by one query."""
    found = {
        each.message_type: each
        for each in EventRecord.objects.filter(
            subject_type="approval-request",
            subject_id=str(request.pk),
            message_type__in=[each.message_type for each in _SHOWN_EVENTS],
        ).order_by("number")
    }
    requested, superseded, broken = (found.get(each.message_type) for each in _SHOWN_EVENTS)
    return {
        "supersedes": [
            _request(each) for each in (requested.data if requested else {}).get("supersedes", ())
        ],
        "superseded_by": _request(superseded.data["successor_id"]) if superseded else None,
        "break_glass": _break_glass(broken) if broken else None,
    }


def _break_glass(broken: EventRecord) -> BreakGlassUse:
    return {
        "ticket": broken.data["ticket"],
        "own_request": broken.data.get("own_request", False),
        "used_at": broken.occurred_at,
    }


def _request(request_id: str) -> RequestReference:
    return {"id": str(request_id), "url": request_url(request_id)}
