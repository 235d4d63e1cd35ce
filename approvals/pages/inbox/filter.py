"""How the inbox can be narrowed down, in the address of its page."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django import forms
from django.db.models import Q, QuerySet

from approvals.models import ApprovalRequest, State
from approvals.requests.listing import in_state
from audit.pages.labels import words

COUNTED = 100
_LONGEST_TEXT = 200
_DAY = timedelta(days=1)


class _Age(NamedTuple):
    """A span of ages, from the younger end on."""

    words: str
    least: timedelta
    most: timedelta


_AGES = {
    "day": _Age("less than a day ago", timedelta(), _DAY),
    "days": _Age("1 to 3 days ago", _DAY, 3 * _DAY),
    "week": _Age("3 to 7 days ago", 3 * _DAY, 7 * _DAY),
    "older": _Age("more than 7 days ago", 7 * _DAY, 36_500 * _DAY),
}
_DECIDED = [each for each in State if each is not State.PENDING]


class Facts(NamedTuple):
    """What a request can be found by."""

    pk: UUID
    message_type: str
    rules: list[dict[str, Any]]
    requested_at: datetime


class InboxFilter(forms.Form):
    """What to look for. Empty fields look for everything, and so do unreadable ones."""

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

    def __init__(self, *args: Any, facts: Iterable[Facts], now: datetime, **kwargs: Any) -> None:
        """Offer what there is to choose from, each with how often it occurs."""
        super().__init__(*args, **kwargs)
        self._now, listed = now, list(facts)
        self._offer("type", "anything", _types(listed))
        self._offer("group", "any group", _groups(listed))
        self._offer("age", "any time", _ages(listed, now))

    def without_state(self) -> None:
        """Do not ask what requests came to, where none came to anything yet."""
        del self.fields["state"]

    def narrow(self, requests: QuerySet[ApprovalRequest]) -> QuerySet[ApprovalRequest]:
        """Leave what is looked for."""
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
            said = Q(requester_label__icontains=text) | Q(reason__icontains=text)
            condition &= said | Q(subject_id=text)
        return requests.filter(condition)

    def _offer(self, name: str, everything: str, choices: list[tuple[str, str]]) -> None:
        field = self.fields[name]
        if isinstance(field, forms.ChoiceField):
            field.choices = [("", everything), *choices]


def facts_of(requests: QuerySet[ApprovalRequest]) -> list[Facts]:
    """Read by what the first of some requests can be found, in their order and in one query."""
    rows = requests.values_list("pk", "message_type", "requirements__rules", "requested_at")
    return [Facts(*row) for row in rows[:COUNTED]]


def _types(facts: list[Facts]) -> list[tuple[str, str]]:
    counted = Counter(each.message_type for each in facts)
    return [(name, _counted(words(name), count)) for name, count in counted.most_common()]


def _groups(facts: list[Facts]) -> list[tuple[str, str]]:
    counted = Counter(
        group
        for each in facts
        for group in {(str(rule["group_id"]), rule["group"]) for rule in each.rules}
    )
    return [(pk, _counted(name, count)) for (pk, name), count in counted.most_common()]


def _ages(facts: list[Facts], now: datetime) -> list[tuple[str, str]]:
    counted = {
        name: sum(age.least <= now - each.requested_at < age.most for each in facts)
        for name, age in _AGES.items()
    }
    return [(name, _counted(_AGES[name].words, count)) for name, count in counted.items() if count]


def _counted(said: str, count: int) -> str:
    return f"{said} ({count}{'+' if count == COUNTED else ''})"
