"""The list of the inbox: the changelist of one tab, its rows presented together."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

from django.contrib.admin.options import IncorrectLookupParameters
from django.core.paginator import InvalidPage
from django.db.models import QuerySet
from django.http import HttpRequest

from approvals.models import ApprovalRequest
from approvals.pages import links
from approvals.pages.inbox.counter import count_text
from approvals.pages.inbox.filter import COUNTED
from approvals.pages.inbox.tabs import NEEDS_ME, TABS
from approvals.requests.flags import conflicts_of
from approvals.requests.presentation import Presented, present
from audit.actors.actors import Actor
from audit.entry.requests import actor_of_request
from audit.log.visibility import VIEW_LOG
from audit.messages.characters import actor_name
from audit.messages.classes import Subject
from audit.pages.labels import words
from audit.pages.linked_rows import LinkedRows
from audit.pages.safe_text import one_line
from audit.subjects import types

AFTER = "after"
SELECT_ALL = "all"
_LONGEST_LABEL = 160


class Link(NamedTuple):
    """A label with its URL, which may be empty; ``full`` is the label in full, if it is not."""

    label: str
    url: str
    full: str = ""


class Row(NamedTuple):
    """A request in the list."""

    presented: Presented
    subject: Link
    conflicts: list[Link]
    reads_log: bool
    is_selected: bool


class Inbox(LinkedRows):
    """One page of a tab; the attribute ``shown`` of each request has its `Row`."""

    def get_filters(self, request: HttpRequest) -> Any:
        """Keep the place of the page and the selection out of links and forms."""
        for params in (self.params, self.filter_params):
            params.pop(AFTER, None)
            params.pop(SELECT_ALL, None)
        self.is_narrowed = bool(self.query or self.filter_params.keys() - {"tab", "q"})
        self.tab_name = request.GET.get("tab") or NEEDS_ME
        return super().get_filters(request)

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        """Return the order of the tab."""
        return TABS[self.tab_name].order.sorting()

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> Any:
        """Return the requests after the place of the page.

        :raises ValueError: if it is not a place of this tab.
        """
        found = super().get_queryset(request, exclude_parameters)
        self.after = request.GET.get(AFTER, "")
        if not self.after:
            return found
        order = TABS[self.tab_name].order
        return found.filter(order.behind(order.read(self.after)))

    def get_results(self, request: HttpRequest) -> None:
        """Read one page. The stock method would count all rows, or read them without a page."""
        self.actor = actor_of_request(request)
        self.paginator = self.model_admin.get_paginator(request, self.queryset, self.list_per_page)
        try:
            page = self.paginator.page(self.page_num)
        except InvalidPage as error:
            raise IncorrectLookupParameters from error
        self.result_list = page.object_list
        self.result_count = self.full_result_count = self.paginator.count
        self.multi_page = self.result_count > self.list_per_page
        self.show_admin_actions = bool(self.result_list) and self.tab_name == NEEDS_ME
        self.show_full_result_count = self.can_show_all = False
        self.is_all_selected = SELECT_ALL in request.GET
        rows = rows_of(self.result_list, actor=self.actor, is_selected=self.is_all_selected)
        for request_row, row in zip(self.result_list, rows, strict=True):
            request_row.shown = row

    @property
    def tab(self) -> Any:
        return TABS[self.tab_name]

    @property
    def tabs(self) -> list[Any]:
        """The tabs, for links."""
        return list(self.filter_specs[0].choices(self))

    @property
    def other_filters(self) -> Any:
        return self.filter_specs[1:]

    @cached_property
    def first(self) -> list[ApprovalRequest]:
        """The first requests of the tab, from which the choices of filters are counted."""
        if not self.is_narrowed and not self.after:
            rows: list[ApprovalRequest] = self.paginator.rows
            return rows
        return list(self.tab.find(self.actor).order_by(*self.tab.order.sorting())[:COUNTED])

    @property
    def known_count(self) -> dict[str, str]:
        """The number for the header of the page, where it needs no query of its own."""
        return {"waiting_for_me": count_text(len(self.first))} if self.tab_name == NEEDS_ME else {}

    @property
    def shown_range(self) -> str:
        """The number of requests on this page, and on this and the next pages."""
        count = (
            f"at least {self.result_count}" if self.result_count == COUNTED else self.result_count
        )
        return f"{len(self.result_list)} of {count}" if self.multi_page else str(count)

    @property
    def first_url(self) -> str:
        return self.get_query_string() if self.after else ""

    @property
    def next_url(self) -> str:
        if not self.multi_page:
            return ""
        return self.get_query_string({AFTER: self.tab.order.cursor(self.result_list[-1])})

    @property
    def select_url(self) -> str:
        """The URL of this page with all requests selected, or none if all are."""
        place = {AFTER: self.after} if self.after else {}
        return self.get_query_string(place | ({} if self.is_all_selected else {SELECT_ALL: "yes"}))

    @property
    def nothing(self) -> str:
        return "No requests match." if self.is_narrowed else self.tab.nothing


def rows_of(requests: Sequence[ApprovalRequest], *, actor: Actor, is_selected: bool) -> list[Row]:
    """Return the rows of requests; the number of queries does not depend on how many they are."""
    conflicts = conflicts_of(requests, actor=actor)
    return [
        Row(
            presented,
            _subject(presented, actor=actor),
            [_conflict(each) for each in conflicts.get(presented.request.pk, ())],
            actor.may(VIEW_LOG),
            is_selected,
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
    if subject is None:
        return Link("", "")
    # The sentence of the request has the name.
    kind = _kind(subject)
    return Link(f"a new {kind}" if is_new else kind, url, full="" if is_new else presented.label)


def _kind(subject: Subject) -> str:
    found = types.subject_type(subject.type)
    return str(found.model._meta.verbose_name) if found else subject.type


def _conflict(other: ApprovalRequest) -> Link:
    requester = one_line(other.requester_label, longest=_LONGEST_LABEL)
    label = f"{words(other.message_type)}, requested by {actor_name(requester)}"
    return Link(label, links.request_url(other.pk))
