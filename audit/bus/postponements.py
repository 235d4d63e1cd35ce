"""Held commands: their progress and pending approvals, as reported by the app that holds them."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol, TypeVar
from uuid import UUID

from django.db import connection

from audit.log.queries import current
from audit.messages.classes import Subject
from audit.messages.declarations import declaring
from audit.messages.outcomes import Progress
from audit.models.records import CommandRecord, Status

_Function = TypeVar("_Function", bound=Callable[..., Any])


class Pending(NamedTuple):
    """A held command that waits for approval, as shown with its subject."""

    subject: Subject
    request_id: str
    url: str
    command_id: str
    message_type: str
    approve_by: datetime


class PendingSource(Protocol):
    """A source of held commands that wait for approval.

    It writes SQL, because a resource is read with all that is shown of it by one statement.
    """

    def sql(self, *, subject_type: str, subject_id: str) -> str:
        """Return an expression: a JSON array of what waits on a subject, oldest first, or null.

        The subject is given as two expressions.
        """

    def pending(self, found: Mapping[str, Any], /) -> Pending | None:
        """Return one element of that array; None if it is not what it seems."""


_Statuses = Callable[[Collection[UUID]], Mapping[UUID, Collection[str]]]

_statuses: list[_Statuses] = []
_reports: dict[str, Callable[[UUID], Progress | None]] = {}
_pending: list[PendingSource] = []


def postponement(function: _Function) -> _Function:
    """Declare the function that returns a held command's progress, or None if it was never held."""
    return declaring(_reports, "progress", what="report on")(function)


def decides_status(function: _Statuses) -> _Statuses:
    """Declare the function that returns the statuses that each of these held commands can have."""
    _statuses.append(function)
    return function


def current_records(
    attempts: Mapping[UUID, Sequence[CommandRecord]],
) -> dict[UUID, CommandRecord]:
    """Return the record with the current status of each command, given all of its attempts.

    What holds a command decides its status, not what else the log says of it.
    """
    held = [key for key, records in attempts.items() if _was_held(records)]
    allowed: dict[UUID, Collection[str]] = {}
    for function in _statuses if held else ():
        allowed |= function(held)
    return {key: current(records, allowed=allowed.get(key)) for key, records in attempts.items()}


def current_record(command_id: UUID) -> CommandRecord:
    """Return the record with a command's current status.

    :raises CommandRecord.DoesNotExist: if there is no such command.
    """
    records = list(CommandRecord.objects.filter(command_id=command_id))
    if not records:
        raise CommandRecord.DoesNotExist
    return current_records({command_id: records})[command_id]


def _was_held(records: Sequence[CommandRecord]) -> bool:
    return len(records) > 1 and any(each.status == Status.POSTPONED for each in records)


def pending(source: PendingSource) -> None:
    """Declare a source of held commands."""
    _pending.append(source)


def progress(command_id: UUID) -> Progress | None:
    """Return the progress of a held command, or None if no app holds commands."""
    report = _reports.get("progress")
    return report(command_id) if report else None


def pending_sql(*, subject_type: str, subject_id: str) -> str:
    """Return an expression for all that waits on a subject; `read_pending` reads its value."""
    arrays = (each.sql(subject_type=subject_type, subject_id=subject_id) for each in _pending)
    return f"json_build_array({', '.join(arrays)})"


def read_pending(found: Sequence[Sequence[Mapping[str, Any]] | None]) -> list[Pending]:
    """Return the held commands in a value of `pending_sql`."""
    read = (
        source.pending(each)
        # Nothing, if an older row contains what no reader can parse.
        for source, waiting in zip(_pending, found or [()] * len(_pending), strict=True)
        for each in waiting or ()
    )
    return list(filter(None, read))


def pending_on(subject: Subject) -> list[Pending]:
    """Return the held commands that wait for approval on a subject."""
    return pending_by_subject([subject])[subject]


def pending_by_subject(subjects: Iterable[Subject]) -> dict[Subject, list[Pending]]:
    """Return the held commands that wait for approval on each subject, in one query."""
    wanted = list(subjects)
    sql = pending_sql(subject_type="subject.type", subject_id="subject.id")
    sql = f"SELECT type, id, {sql} FROM unnest(%s::text[], %s::text[]) AS subject (type, id)"  # noqa: S608  # of our own
    with connection.cursor() as cursor:
        cursor.execute(sql, [[each.type for each in wanted], [each.id for each in wanted]])
        rows = cursor.fetchall()
    return {Subject(type_name, key): read_pending(found) for type_name, key, found in rows}
