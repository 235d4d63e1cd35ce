"""The filter form of the inbox."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django import forms
from django.db.models import Q, QuerySet

from approvals.models import ApprovalRequest, State
from approvals.models.states import in_state
from audit.pages.labels import words

COUNTED = 100
_LONGEST_TEXT = 200
_DAY = timedelta(days=1)


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
_DECIDED = [each for each in State if each is not State.PENDING]


class InboxFilter(forms.Form):
    """The filters. Empty and invalid fields match everything."""

    type = forms.ChoiceField(label="command", required=False)
    group = forms.ChoiceField(label="group", required=False)
    age = forms.ChoiceField(label="time of request", required=False)
    state = forms.ChoiceField(
        label="outcome",
        required=False,
        choices=[("", "any outcome"), *((each.value, each.value) for each in _DECIDED)],
    )
    q = forms.CharField(
        label="requester, reason or subject id", required=False, max_length=_LONGEST_TEXT
    )

    def __init__(
        self, *args: Any, first: list[ApprovalRequest], now: datetime, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._now = now
        types = Counter((each.message_type, words(each.message_type)) for each in first)
        groups = Counter(group for each in first for group in _groups(each))
        passed = [now - each.requested_at for each in first]
        ages = {
            (name, age.label): sum(age.least <= each < age.most for each in passed)
            for name, age in _AGES.items()
        }
        self._offer("type", "anything", types.most_common())
        self._offer("group", "any group", groups.most_common())
        self._offer("age", "any time", ages.items())

    def without_state(self) -> None:
        """Remove the filter by outcome, for requests that have no outcome yet."""
        del self.fields["state"]

    def narrow(self, requests: QuerySet[ApprovalRequest]) -> QuerySet[ApprovalRequest]:
        """Return the requests that match all filters."""
        self.is_valid()
        given = self.cleaned_data
        condition = Q()
        if given.get("type"):
            condition &= Q(message_type=given["type"])
        if given.get("group"):
            condition &= Q(requirements__rules__contains=[{"group_id": int(given["group"])}])
        if given.get("age"):
            age = _AGES[given["age"]]
            condition &= Q(requested_at__lte=self._now - age.least)
            condition &= Q(requested_at__gt=self._now - age.most)
        if given.get("state"):
            condition &= in_state(given["state"])
        if given.get("q"):
            text = given["q"].strip().rpartition(":")[2]
            condition &= (
                Q(requester_label__icontains=text) | Q(reason__icontains=text) | Q(subject_id=text)
            )
        return requests.filter(condition)

    def _offer(
        self, name: str, everything: str, counted: Iterable[tuple[tuple[str, str], int]]
    ) -> None:
        """Set the choices of a field, each with how often it occurs."""
        choices = [
            (value, f"{label} ({count}{'+' if count == COUNTED else ''})")
            for (value, label), count in counted
            if count
        ]
        self.fields[name].choices = [("", everything), *choices]  # type: ignore[attr-defined]


def _groups(request: ApprovalRequest) -> set[tuple[str, str]]:
    return {(str(rule["group_id"]), rule["group"]) for rule in request.requirements["rules"]}
