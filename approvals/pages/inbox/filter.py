"""The filters of the inbox: its tabs, and what narrows a tab down."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any, NamedTuple

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from approvals.models import ApprovalRequest, State
from approvals.models.states import RequestStatus, in_state
from approvals.pages.inbox.tabs import NEEDS_ME, TABS
from approvals.pages.tenants import tenant_names
from approvals.requests import listing
from audit.entry.requests import actor_of_request
from audit.messages.characters import visible
from audit.pages.labels import words

COUNTED = 100
_DAY = timedelta(days=1)
_GROUP = re.compile("[0-9]{1,9}")
_Requests = QuerySet[ApprovalRequest]
#: A value and its label.
_Choice = tuple[str, str]


class _Age(NamedTuple):
    """A range of ages: at least ``least``, less than ``most``."""

    label: str
    least: timedelta
    most: timedelta


_AGES = {
    "day": _Age("less than a day ago", timedelta(), _DAY),
    "days": _Age("1 to 3 days ago", _DAY, 3 * _DAY),
    "week": _Age("3 to 7 days ago", 3 * _DAY, 7 * _DAY),
    "older": _Age("more than 7 days ago", 7 * _DAY, 36_500 * _DAY),
}


class _Filter(admin.SimpleListFilter):
    """A filter whose choices are read with the list, as they occur in the tab."""

    template = "approvals/inbox/filter.html"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[_Choice]:
        return []

    def has_output(self) -> bool:
        return True

    def queryset(self, request: HttpRequest, queryset: _Requests) -> _Requests:
        value = self.value()
        return queryset if value is None else queryset.filter(self.condition(value))

    def condition(self, value: str) -> Q:
        """Return the condition for a value.

        :raises IncorrectLookupParameters: if there is no such value.
        """
        raise NotImplementedError

    def counted(self, changelist: Any) -> Iterable[tuple[_Choice, int]]:
        """Return the choices, each with how often it occurs in the first requests of the tab."""
        raise NotImplementedError

    def choices(self, changelist: Any) -> Iterator[Any]:
        """Yield the links of the stock filter."""
        name, given = str(self.parameter_name), self.value()
        yield {
            "selected": given is None,
            "query_string": changelist.get_query_string(remove=[name]),
            "display": "All",
        }
        for (value, label), count in self.counted(changelist):
            yield {
                "selected": value == given,
                "query_string": changelist.get_query_string({name: value}),
                "display": f"{visible(label)} ({count}{'+' if count == COUNTED else ''})",
            }


class TabFilter(admin.SimpleListFilter):
    """The tabs. The first of the filters: the query of a tab replaces that of the list."""

    title = "tab"
    parameter_name = "tab"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[_Choice]:
        return [(name, tab.title) for name, tab in TABS.items()]

    def value(self) -> str:
        return super().value() or NEEDS_ME

    def queryset(self, request: HttpRequest, queryset: _Requests) -> _Requests:
        if self.value() not in TABS:
            raise IncorrectLookupParameters
        return TABS[self.value()].find(actor_of_request(request))

    def choices(self, changelist: Any) -> Iterator[Any]:
        for name, title in self.lookup_choices:
            is_counted = name == NEEDS_ME
            selected = name == self.value()
            yield {"name": name, "title": title, "selected": selected, "is_counted": is_counted}


class TypeFilter(_Filter):
    title = "command"
    parameter_name = "type"

    def condition(self, value: str) -> Q:
        return Q(message_type=value)

    def counted(self, changelist: Any) -> Iterable[tuple[_Choice, int]]:
        return Counter(
            (each.message_type, words(each.message_type)) for each in changelist.first
        ).most_common()


class GroupFilter(_Filter):
    title = "group"
    parameter_name = "group"

    def condition(self, value: str) -> Q:
        if not _GROUP.fullmatch(value):
            raise IncorrectLookupParameters
        return Q(requirements__rules__contains=[{"group_id": int(value)}])

    def counted(self, changelist: Any) -> Iterable[tuple[_Choice, int]]:
        return Counter(group for each in changelist.first for group in _groups(each)).most_common()


class CustomerFilter(_Filter):
    title = "customer"
    parameter_name = "customer"

    def __init__(self, request: HttpRequest, *args: Any) -> None:
        super().__init__(request, *args)
        self._actor = actor_of_request(request)

    def condition(self, value: str) -> Q:
        return Q(tenant=value)

    def counted(self, changelist: Any) -> Iterable[tuple[_Choice, int]]:
        """Return the customers, if there are several: their names take a query."""
        found = Counter(each.tenant for each in changelist.first)
        found.pop("", None)
        names = tenant_names(found, actor=self._actor) if len(found) > 1 else {}
        return [
            ((each, names[each]), count) for each, count in found.most_common() if each in names
        ]


class AgeFilter(_Filter):
    title = "time of request"
    parameter_name = "age"

    def condition(self, value: str) -> Q:
        if value not in _AGES:
            raise IncorrectLookupParameters
        age, now = _AGES[value], timezone.now()
        return Q(requested_at__lte=now - age.least, requested_at__gt=now - age.most)

    def counted(self, changelist: Any) -> Iterable[tuple[_Choice, int]]:
        now = timezone.now()
        passed = [now - each.requested_at for each in changelist.first]
        for name, age in _AGES.items():
            if count := sum(age.least <= each < age.most for each in passed):
                yield (name, age.label), count


class StatusFilter(_Filter):
    title = "status"
    parameter_name = "state"

    def queryset(self, request: HttpRequest, queryset: _Requests) -> _Requests:
        value = self.value()
        if value is None:
            return queryset
        if value == State.PENDING:
            # Of links to earlier versions.
            return queryset.filter(in_state(State.PENDING))
        if value not in RequestStatus.values:
            raise IncorrectLookupParameters
        return listing.with_status(queryset, RequestStatus(value))

    def counted(self, changelist: Any) -> Iterable[tuple[_Choice, int]]:
        """Return the statuses on this page: more rows would take more queries."""
        found = (each.shown.presented.status for each in changelist.result_list)
        return Counter((each.value, str(each.label)) for each in found).most_common()


#: In the order of the page; the tabs are first.
FILTERS: tuple[type[admin.SimpleListFilter], ...] = (
    TabFilter,
    TypeFilter,
    GroupFilter,
    CustomerFilter,
    StatusFilter,
    AgeFilter,
)


def _groups(request: ApprovalRequest) -> set[_Choice]:
    return {(str(rule["group_id"]), rule["group"]) for rule in request.requirements["rules"]}
