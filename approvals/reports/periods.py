"""Periods: from when until when a person could have approved, by the times of recorded changes.

Between two changes nothing changes. So the answer at each of them, and at the start, is the answer
for the whole period.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

from django.db.models import Model, Q

from approvals.delegations.commands import Delegated, DelegationEnded
from approvals.models import Delegation, PolicySeal, past
from approvals.models.eligibility import sees_tenant_sql
from approvals.passkeys.commands import PasskeyRegistered
from approvals.passkeys.listing import ENDINGS
from approvals.people.events import MemberJoined
from approvals.reports.answers import Answer, Approver, Question, answers
from approvals.reports.scenarios import Scenario
from audit.models.records import EventRecord
from audit.tracking.history import history_model, written_models

_TYPES = (
    *past.TYPES,
    *(Delegated.message_type, DelegationEnded.message_type),
    *(PasskeyRegistered.message_type, *ENDINGS),
)


@dataclass(kw_only=True)
class Period:
    """A period in which a person could have approved for a rule of a scenario.

    ``began_before`` if it began before the start of the report; ``until`` is empty if it had not
    ended by the end of the report.
    """

    scenario: Scenario
    rule: Any
    approver: Approver
    since: datetime
    began_before: bool
    until: datetime | None = None


_Found: TypeAlias = tuple[Scenario, Mapping[str, Any], Approver]


class Periods(NamedTuple):
    """The periods up to a time: the requested end, or ``resumes_at`` if it is earlier."""

    periods: Sequence[Period]
    resumes_at: datetime | None


def periods(question: Question, *, since: datetime, until: datetime, most: int) -> Periods:
    """Return the periods in which people, or one person, could have approved.

    At most ``most`` changes are evaluated, each of which takes a few milliseconds.
    """
    times = changes(since, until, person_id=question.person_id, most=most + 1)
    resumes_at = times[most] if len(times) > most else None
    open_periods: dict[tuple[Any, ...], Period] = {}
    closed: list[Period] = []
    for at in [since, *times[:most]]:
        present = dict(_keyed(answers(question, at=at)))
        for key in open_periods.keys() - present.keys():
            ended = open_periods.pop(key)
            ended.until = at
            closed.append(ended)
        for key, (scenario, rule, approver) in present.items():
            if key not in open_periods:
                open_periods[key] = Period(
                    scenario=scenario,
                    rule=rule,
                    approver=approver,
                    since=at,
                    began_before=at == since,
                )
    found = sorted([*closed, *open_periods.values()], key=lambda each: each.since)
    return Periods(found, resumes_at)


def changes(
    since: datetime, until: datetime, *, person_id: int | None, most: int
) -> list[datetime]:
    """Return the first times after a start, up to an end, at which anything changed.

    The changes of a command are one: they became visible together. With a person, changes of other
    people are left out, except of those who delegated votes to the person.
    """
    within = {"gt": since, "lte": until}
    last: dict[UUID, datetime] = {}
    found: set[datetime] = set()
    for command_id, at in _recorded(within, person_id=person_id, most=most):
        if command_id is None:
            found.add(at)
        else:
            last[command_id] = max(at, last.get(command_id, at))
    found |= {*last.values(), *_ends_of_delegations(since, until)}
    found |= set(_ends_of_waiting(since, until, person_id=person_id, most=most))
    return sorted(found)[:most]


def _recorded(
    within: Mapping[str, datetime], *, person_id: int | None, most: int
) -> Iterator[tuple[UUID | None, datetime]]:
    """Yield the commands of events and history rows, with the time of each; of old rows None."""
    events = EventRecord.objects.filter(message_type__in=_TYPES, **_range("occurred_at", within))
    if person_id is not None:
        events = events.filter(_concerns(person_id))
    yield from events.order_by("occurred_at").values_list("command_id", "occurred_at")[:most]
    for model in histories():
        rows = model._base_manager.filter(**_range("history_date", within)).order_by("history_date")
        yield from rows.values_list("history_command_id", "history_date")[:most]


def _range(column: str, within: Mapping[str, datetime]) -> dict[str, Any]:
    return {f"{column}__{name}": at for name, at in within.items()}


def _concerns(person_id: int) -> Q:
    to_person = Delegation.objects.filter(delegate=person_id)
    people = {person_id, *to_person.values_list("delegator_id", flat=True)}
    of_people = Q(subject_type__in=("user", "account"), subject_id__in=map(str, people))
    moves = Q(subject_type="group", data__user_id__in=people)
    of_groups = Q(subject_type="group", data__user_id=None)
    return of_people | moves | of_groups | Q(subject_type__in=("delegation", "passkey"))


def histories() -> list[type[Model]]:
    """Return the histories of the tables that decide: of policies, and of who sees a tenant."""
    read = f"approvals_policy approvals_rule {sees_tenant_sql()}"
    return [
        history
        for each in written_models()
        if past.mentions(read, each._meta.db_table) and (history := history_model(each))
    ]


def _ends_of_delegations(since: datetime, until: datetime) -> Iterator[datetime]:
    period = Q(begins_at__range=(since, until)) | Q(ends_at__range=(since, until))
    for delegation in Delegation.objects.filter(period):
        for at in (delegation.begins_at, delegation.ends_at):
            if since < at <= until:
                yield at


def _ends_of_waiting(
    since: datetime, until: datetime, *, person_id: int | None, most: int
) -> Iterator[datetime]:
    """Yield the times at which members had been in their groups for a policy's minimum."""
    sealed = PolicySeal.objects.values_list("content__minimum_membership_s", flat=True).distinct()
    for seconds in filter(lambda each: isinstance(each, int) and each > 0, sealed):
        wait = timedelta(seconds=seconds)
        joined = EventRecord.objects.filter(
            message_type=MemberJoined.message_type,
            occurred_at__gt=since - wait,
            occurred_at__lte=until - wait,
        )
        if person_id is not None:
            joined = joined.filter(_concerns(person_id))
        for at in joined.order_by("occurred_at").values_list("occurred_at", flat=True)[:most]:
            yield at + wait


def _keyed(given: Sequence[Answer]) -> Iterator[tuple[tuple[Any, ...], _Found]]:
    for scenario, rules in given:
        for rule, approvers in rules:
            for each in approvers:
                quorum = (rule["group_id"], rule["quorum"])
                key = (scenario.key, quorum, each.person_id, each.reason)
                yield key, (scenario, rule, each)
