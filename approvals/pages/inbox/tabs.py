"""The tabs of the inbox, each with its query and its order."""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db.models import QuerySet

from approvals.models import ApprovalRequest
from approvals.requests import listing
from audit.actors.actors import Actor
from audit.log.orders import Key, Order


class Tab(NamedTuple):
    """A part of the inbox, with its order."""

    title: str
    find: Callable[[Actor], QuerySet[ApprovalRequest]]
    order: Order
    order_label: str
    nothing: str


_NEWEST = Order("newest", Key("requested_at", datetime), Key("pk", UUID)), "Newest first."
_SOONEST = (
    Order("soonest", Key("approve_by", datetime), Key("pk", UUID), is_ascending=True),
    "Expiring first.",
)


NEEDS_ME = "needs"
MINE = "mine"
DECIDED = "done"
TABS = {
    NEEDS_ME: Tab(
        "Needs my decision",
        listing.needing_vote_of,
        *_SOONEST,
        nothing="No requests need your decision.",
    ),
    MINE: Tab("My requests", listing.requested_by, *_NEWEST, nothing="You have no requests."),
    "watching": Tab(
        "Other requests",
        listing.watched_by,
        *_SOONEST,
        nothing="No other requests are waiting for approval.",
    ),
    DECIDED: Tab(
        "Decided requests",
        listing.decided_for,
        *_NEWEST,
        nothing="No requests have been decided yet.",
    ),
}
