"""The inbox: which requests stand on which of its tabs, in pages, with what one has to know."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
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
from approvals.pages.inbox.filter import InboxFilter, facts_of
from approvals.requests import listing
from approvals.requests.flags import conflicts_of
from approvals.requests.presentation import Presented, present
from audit.actors.actors import Actor
from audit.log.cursors import Values
from audit.log.orders import Key, Order
from audit.messages.classes import Subject
from audit.pages.labels import words
from audit.pages.safe_text import one_line
from audit.subjects import types

ROWS = 25
_LONGEST_REASON = 160


class Tab(NamedTuple):
    """A part of the inbox, and in what order it is read."""

    title: str
    find: Callable[[Actor], QuerySet[ApprovalRequest]]
    order: Order
    order_words: str
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
    "mine": Tab(
        "My requests",
        listing.asked_for_by,
        *_NEWEST,
        nothing="You have no requests.",
    ),
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
    """Where something leads, in words."""

    words: str
    url: str


class TabLink(NamedTuple):
    """A tab as it is shown."""

    title: str
    url: str
    is_current: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A request on a list."""

    presented: Presented
    url: str
    subject: Link
    requester: Link
    reason: str
    outcome: str
    conflicts: list[Link] = field(default_factory=list)

    @property
    def flags(self) -> list[str]:
        """What is wrong with it, beside conflicts."""
        return [*filter(None, [self.presented.problem]), *self.presented.flags]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbox:
    """One page of a tab."""

    tab: str
    tabs: list[TabLink]
    form: InboxFilter
    rows: list[Row]
    first_url: str
    next_url: str
    select_url: str
    nothing: str
    order_words: str
    is_narrowed: bool
    may_select: bool
    is_all_selected: bool
    waiting_for_me: str | None


def read(query: QueryDict, *, actor: Actor) -> Inbox:
    """Read the page that an address asks for; what is no tab, filter or place, asks for nothing."""
    name = query.get("tab", NEEDS_ME)
    name = name if name in TABS else NEEDS_ME
    tab = TABS[name]
    everything = tab.find(actor).order_by(*tab.order.sorting())
    first = facts_of(everything)
    form = InboxFilter(query, facts=first, now=timezone.now())
    if name != "done":
        form.without_state()
    after = _place(query.get("after", ""), tab.order)
    is_narrowed = bool(form.changed_data)
    if is_narrowed or after:
        behind = tab.order.behind(after) if after else Q()
        page = list(form.narrow(everything).filter(behind)[: ROWS + 1])
    else:
        page = _fetched([each.pk for each in first[: ROWS + 1]])
    address = {"tab": name} | {each: form.data[each] for each in form.changed_data}
    is_all_selected = "all" in query
    place = {"after": query["after"]} if after else {}
    other_selection = {} if is_all_selected else {"all": "yes"}
    return Inbox(
        tab=name,
        tabs=[TabLink(each.title, f"?tab={key}", key == name) for key, each in TABS.items()],
        form=form,
        rows=rows_of(page[:ROWS], actor=actor),
        first_url=f"?{urlencode(address)}" if after else "",
        next_url=_next_url(address, page, tab=tab),
        select_url=f"?{urlencode(address | place | other_selection)}",
        nothing="No requests match." if is_narrowed else tab.nothing,
        order_words=tab.order_words,
        is_narrowed=is_narrowed,
        may_select=name == NEEDS_ME,
        is_all_selected=is_all_selected,
        waiting_for_me=count_text(len(first)) if name == NEEDS_ME else None,
    )


def _fetched(pks: list[UUID]) -> list[ApprovalRequest]:
    """Fetch requests in the order that is known already: looking for them is what takes long."""
    found = ApprovalRequest.objects.in_bulk(pks)
    return [found[pk] for pk in pks if pk in found]


def rows_of(requests: Sequence[ApprovalRequest], *, actor: Actor) -> list[Row]:
    """Make rows of requests: at the same number of queries for many as for one."""
    conflicts = conflicts_of(requests, actor=actor)
    return [
        Row(
            presented=presented,
            url=links.request_url(presented.request.pk),
            subject=_subject(presented, actor=actor),
            requester=_requester(presented.request, actor=actor),
            reason=one_line(presented.request.reason, longest=_LONGEST_REASON),
            outcome=one_line(presented.request.outcome, longest=_LONGEST_REASON),
            conflicts=[_conflict(each) for each in conflicts.get(presented.request.pk, ())],
        )
        for presented in present(requests, actor=actor)
    ]


def _subject(presented: Presented, *, actor: Actor) -> Link:
    """Lead to what a verified request is about."""
    if presented.command is None:
        return Link("", "")
    subject = presented.command.subject_reference()
    url = links.subject_url(subject, actor=actor, exists=presented.has_subject)
    is_new = not presented.has_subject and presented.request.subject_values is None
    return Link(_kind(subject) if subject and is_new else presented.label, url)


def _requester(request: ApprovalRequest, *, actor: Actor) -> Link:
    label = one_line(request.requester_label, longest=_LONGEST_REASON)
    return Link(label, links.actor_url(request.requester_kind, request.requester_id, actor=actor))


def _kind(subject: Subject) -> str:
    """Name what is not there yet by what it would be."""
    found = types.subject_type(subject.type)
    return f"a new {found.model._meta.verbose_name if found else subject.type}"


def _conflict(other: ApprovalRequest) -> Link:
    requester = one_line(other.requester_label, longest=_LONGEST_REASON)
    return Link(
        f"{words(other.message_type)}, requested by {requester}", links.request_url(other.pk)
    )


def _next_url(address: dict[str, Any], page: list[ApprovalRequest], *, tab: Tab) -> str:
    if len(page) <= ROWS:
        return ""
    return f"?{urlencode({**address, 'after': tab.order.cursor(page[ROWS - 1])})}"


def _place(cursor: str, order: Order) -> Values | None:
    """Read where a page begins; an invalid cursor is the beginning."""
    try:
        return order.read(cursor)
    except ValueError:
        return None
