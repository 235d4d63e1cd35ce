"""The inbox: its tabs, and one page of the requests on a tab."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import Q, QuerySet
from django.http import QueryDict
from django.utils import timezone

from approvals.models import ApprovalRequest
from approvals.pages import links
from approvals.pages.inbox.counter import count_text
from approvals.pages.inbox.filter import COUNTED, InboxFilter
from approvals.requests import listing
from approvals.requests.flags import conflicts_of
from approvals.requests.presentation import Presented, present
from audit.actors.actors import Actor
from audit.log.orders import Key, Order, Values
from audit.messages.characters import actor_name
from audit.messages.classes import Subject
from audit.pages.labels import words
from audit.pages.safe_text import one_line
from audit.subjects import types

ROWS = 25
_LONGEST_LABEL = 160


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
    "Expiring soonest first.",
)


def _watching(actor: Actor) -> QuerySet[ApprovalRequest]:
    needing = listing.needing_vote_of(actor).values("pk")
    return listing.pending_for(actor).exclude(pk__in=needing)


NEEDS_ME = "needs"
TABS = {
    NEEDS_ME: Tab(
        "Needs my decision",
        listing.needing_vote_of,
        *_SOONEST,
        nothing="No requests need your decision.",
    ),
    "mine": Tab("My requests", listing.requested_by, *_NEWEST, nothing="You have no requests."),
    "watching": Tab(
        "Other requests",
        _watching,
        *_SOONEST,
        nothing="No other requests are waiting for approval.",
    ),
    "done": Tab(
        "Decided requests",
        listing.decided_for,
        *_NEWEST,
        nothing="No requests have been decided yet.",
    ),
}


class Link(NamedTuple):
    """A label with its URL, which may be empty."""

    label: str
    url: str


class Row(NamedTuple):
    """A request in the list."""

    presented: Presented
    subject: Link
    conflicts: list[Link]


def read(query: QueryDict, *, actor: Actor) -> dict[str, Any]:
    """Return the page for a query; unknown tabs, filters and cursors are ignored."""
    name = query.get("tab", NEEDS_ME)
    name = name if name in TABS else NEEDS_ME
    tab = TABS[name]
    everything = tab.find(actor).order_by(*tab.order.sorting())
    first = list(everything[:COUNTED])
    form = InboxFilter(query, first=first, now=timezone.now())
    if name != "done":
        form.without_state()
    after = _values(query.get("after", ""), tab.order)
    is_narrowed = bool(form.changed_data)
    if is_narrowed or after:
        behind = tab.order.behind(after) if after else Q()
        page = list(form.narrow(everything).filter(behind)[: ROWS + 1])
    else:
        page = first[: ROWS + 1]
    address = {"tab": name} | {each: form.data[each] for each in form.changed_data}
    is_all_selected = "all" in query
    cursor = {"after": query["after"]} if after else {}
    other_selection = {} if is_all_selected else {"all": "yes"}
    return {
        "tab": name,
        "tabs": TABS.items(),
        "form": form,
        "rows": rows_of(page[:ROWS], actor=actor),
        "first_url": f"?{urlencode(address)}" if after else "",
        "next_url": _next_url(address, page, tab=tab),
        "select_url": f"?{urlencode(address | cursor | other_selection)}",
        "nothing": "No requests match." if is_narrowed else tab.nothing,
        "order_label": tab.order_label,
        "is_narrowed": is_narrowed,
        "may_select": name == NEEDS_ME,
        "is_all_selected": is_all_selected,
        "waiting_for_me": count_text(len(first)) if name == NEEDS_ME else None,
    }


def rows_of(requests: Sequence[ApprovalRequest], *, actor: Actor) -> list[Row]:
    """Return the rows of requests; the number of queries does not depend on how many they are."""
    conflicts = conflicts_of(requests, actor=actor)
    return [
        Row(
            presented,
            _subject(presented, actor=actor),
            [_conflict(each) for each in conflicts.get(presented.request.pk, ())],
        )
        for presented in present(requests, actor=actor)
    ]


def _subject(presented: Presented, *, actor: Actor) -> Link:
    """Return the subject of a verified request."""
    if presented.command is None:
        return Link("", "")
    subject = presented.command.subject_reference()
    url = links.subject_url(subject, actor=actor, exists=presented.has_subject)
    is_new = not presented.has_subject and presented.request.subject_values is None
    return Link(_new(subject) if subject and is_new else presented.label, url)


def _new(subject: Subject) -> str:
    found = types.subject_type(subject.type)
    return f"a new {found.model._meta.verbose_name if found else subject.type}"


def _conflict(other: ApprovalRequest) -> Link:
    requester = one_line(other.requester_label, longest=_LONGEST_LABEL)
    label = f"{words(other.message_type)}, requested by {actor_name(requester)}"
    return Link(label, links.request_url(other.pk))


def _next_url(address: dict[str, Any], page: list[ApprovalRequest], *, tab: Tab) -> str:
    if len(page) <= ROWS:
        return ""
    return f"?{urlencode({**address, 'after': tab.order.cursor(page[ROWS - 1])})}"


def _values(cursor: str, order: Order) -> Values | None:
    """Return the values of a cursor; None, which is the beginning, if it is invalid."""
    try:
        return order.read(cursor)
    except ValueError:
        return None
