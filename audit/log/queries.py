"""Queries of the log: matching commands and events, and the commands' current status."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any, TypeVar
from uuid import UUID

from django.db import models
from django.db.models import Q, QuerySet, Value, When
from django.db.models.functions import Coalesce
from django.db.models.lookups import Exact

from audit.messages.exceptions import RolledBack
from audit.models.records import CommandRecord, EventRecord, Record, Status

_Record = TypeVar("_Record", bound=Record)

_FINAL = [status for status in Status if status.is_final]
_OPEN = [status for status in Status if not status.is_final]
# The lookup for each parameter of a list.
_COLUMNS = {
    "type": "message_type__in",
    "command_id": "command_id",
    "correlation_id": "correlation_id",
    "channel": "channel",
    "received_after": "received_at__gte",
    "received_before": "received_at__lt",
    "occurred_after": "occurred_at__gte",
    "occurred_before": "occurred_at__lt",
}


def message_type_of(command_id: UUID) -> str:
    """Return the type of a command in the log; empty if there is no such command."""
    types = CommandRecord.objects.filter(command_id=command_id).values_list(
        "message_type", flat=True
    )
    return types.first() or ""


def matching(query: Mapping[str, Any]) -> QuerySet[CommandRecord]:
    """Return the first attempts of the commands that match a checked query."""
    condition = _condition(query)
    if "actor" in query:
        condition &= Q(actor_kind=query["actor"][0], actor_id=query["actor"][1])
    found = CommandRecord.objects.filter(condition, attempt=1)
    status = query.get("status")
    if status is None or Status(status).is_final:
        return found
    # Only commands that are open with this status now; others had it once and were settled since.
    # For a plain comparison PostgreSQL expects that one row in 200 matches, and sorts all that ever
    # had the status; for a boolean value it expects half, and scans from the newest on.
    has_status = Exact(_current_status(), status)
    return found.filter(Coalesce(has_status, False, output_field=models.BooleanField()))


def reaching(query: Mapping[str, Any]) -> list[Q]:
    """Return conditions to OR, for commands that ever had the status; empty without a status.

    A final status is also the current one. The first attempt and later ones have a condition each,
    because each has an index of its own.
    """
    if "status" not in query:
        return []
    later = CommandRecord.objects.filter(attempt__gt=1, status=query["status"])
    # Only an open command can have later attempts. Without this condition PostgreSQL may scan the
    # whole log for a status that no later attempt has: seven seconds for ten million records.
    was_open = Q(status__in=_OPEN, command_id__in=later.values("command_id"))
    return [Q(status=query["status"]), was_open]


def events_matching(query: Mapping[str, Any]) -> QuerySet[EventRecord]:
    """Return the events that match a checked query."""
    return EventRecord.objects.filter(_condition(query))


def about(query: Mapping[str, Any], kind: type[_Record]) -> QuerySet[_Record] | None:
    """Return all records on the subject in a query, or None if it has no subject.

    An index returns their positions: of commands in order of time, of events in order of their
    numbers. Sorting thousands of positions from an index takes a millisecond; reading as many rows,
    scattered over the table, may take a hundred.
    """
    if "subject" not in query:
        return None
    subject = query["subject"]
    return kind._default_manager.filter(subject_type=subject.type, subject_id=subject.id)


def attempts_of(first: Iterable[CommandRecord]) -> dict[UUID, list[CommandRecord]]:
    """Return all attempts at some commands, by command id and first to last, in one query."""
    found = CommandRecord.objects.filter(command_id__in=[each.command_id for each in first])
    ordered = found.defer("fingerprint", "data", "decision").order_by("command_id", "attempt")
    return {key: list(group) for key, group in groupby(ordered, key=attrgetter("command_id"))}


def current(
    records: Sequence[CommandRecord], *, allowed: Collection[str] | None = None
) -> CommandRecord:
    """Return the record with a command's current status: the one with the greatest `_weight`.

    ``allowed`` are the statuses that a held command can have by what holds it: a record with
    another one did not come from the bus.
    """
    fitting = [each for each in records if allowed is None or each.status in allowed]
    held = [each for each in records if each.status == Status.POSTPONED]
    return max(fitting or held, key=_weight)


def _weight(record: CommandRecord) -> tuple[bool, bool, int]:
    """Return a sort key: the greatest attempt at a command has its current status.

    An attempt that was rolled back with its outer command counts least: it may be replayed.
    """
    is_void = record.error_code == RolledBack.code
    return Status(record.status).is_final, not is_void, record.attempt


def _condition(query: Mapping[str, Any]) -> Q:
    condition = Q(**{_COLUMNS[name]: query[name] for name in _COLUMNS if name in query})
    if "subject" in query:
        subject = query["subject"]
        condition &= Q(subject_type=subject.type, subject_id=subject.id)
    return condition


def _current_status() -> models.Subquery:
    """Return a subquery for the current status of a command, as `_weight` defines it."""
    weight = models.Case(
        When(status__in=_FINAL, then=Value(2)),
        When(error_code=RolledBack.code, then=Value(0)),
        default=Value(1),
        output_field=models.IntegerField(),
    )
    attempts = CommandRecord.objects.filter(command_id=models.OuterRef("command_id"))
    return models.Subquery(attempts.order_by(weight.desc(), "-attempt").values("status")[:1])
