"""The requests before and after another one, among those that need a decision."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.urls import reverse

from approvals.pages import links
from approvals.pages.inbox.tabs import NEEDS_ME, TABS
from approvals.requests import listing
from audit.actors.actors import Actor
from audit.log.orders import Order

_SOONEST = TABS[NEEDS_ME].order
_LATEST = Order("latest", *_SOONEST.keys)


def neighbor_url(query: Mapping[str, str], *, actor: Actor) -> str:
    """Return the URL of a request that needs the actor's decision, or that of the inbox.

    By ids of requests, it is the one ``before`` or ``after`` another one, or the one after a
    ``decided`` one. After the last decided one it is the first one, as by default.
    """
    if "before" in query:
        found = _beyond(query["before"], order=_LATEST, actor=actor)
    elif "after" in query:
        found = _beyond(query["after"], order=_SOONEST, actor=actor)
    else:
        decided = query.get("decided", "")
        found = _beyond(decided, order=_SOONEST, actor=actor) or _first(_SOONEST, actor=actor)
    inbox = reverse("admin:approvals_approvalrequest_changelist")
    return links.request_url(found[0]) if found else inbox


def _beyond(identifier: str, *, order: Order, actor: Actor) -> list[UUID]:
    """Return the id of the request after another one in an order; empty without one."""
    place = _place(identifier, actor=actor)
    return _first(order, place, actor=actor) if place else []


def _first(order: Order, place: Sequence[Any] = (), *, actor: Actor) -> list[UUID]:
    waiting = listing.needing_vote_of(actor).order_by(*order.sorting())
    return (waiting.filter(order.behind(place)) if place else waiting)[:1].ids()


def _place(identifier: str, *, actor: Actor) -> tuple[Any, ...]:
    """Return the place of a request in the orders; empty if the actor may see no such request."""
    try:
        request = listing.visible_to(actor).filter(pk=identifier).first()
    except ValidationError:
        return ()
    return (request.approve_by, request.pk) if request else ()
