"""The HTTP representations of commands and events."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated, Any, TypedDict

from audit.bus import postponements
from audit.bus.postponements import Pending
from audit.log.approvals import Decided
from audit.messages.classes import Subject
from audit.messages.exceptions import Failed
from audit.messages.outcomes import Postponed, Progress
from audit.models.records import CommandRecord, EventRecord, Status
from audit.rest import problems
from audit.rest.references import (
    AbsoluteAddress,
    ActorReference,
    Address,
    CommandReference,
    Reference,
    Uuid,
    one_of,
    reference,
    resource,
    status_url,
)
from audit.subjects import types
from audit.wire.loaders import within_calendar


class ResultReference(Reference):
    """The resource that a command created or changed, with its URL if the API has it."""

    url: Address | None


class CommandProblem(TypedDict):
    """The error of a command, as problem details."""

    type: AbsoluteAddress
    title: str
    status: int
    detail: str
    code: str


class ApprovalProgress(TypedDict):
    """The progress of a held command."""

    request_id: Uuid
    url: Address
    state: str
    status: Annotated[
        str,
        "More than the state: such as waiting, approved, scheduled or secret_to_pick_up.",
    ]
    have: int
    needed: int
    approve_by: datetime | None
    execute_after: Annotated[datetime | None, "It is not executed before this time."]


class EventResource(TypedDict):
    """One fact, numbered within its subject."""

    id: Uuid
    type: Annotated[str, "The event type, such as apikeys.disabled."]
    subject: Reference | None
    number: int
    occurred_at: datetime
    data: dict[str, Any]


class EventInList(EventResource):
    """One fact, with the command that caused it."""

    command: CommandReference
    correlation_id: Uuid


class AttemptResource(TypedDict):
    """One command attempt and its result."""

    number: int
    status: Annotated[str, one_of(Status.values)]
    received_at: datetime
    settled_at: datetime
    duration_us: int
    causation_id: Annotated[Uuid | None, "The command that this attempt was part of."]
    error: CommandProblem | None


class CommandInList(TypedDict):
    """A command with its current status."""

    id: Uuid
    url: Address
    version: Annotated[int, "The number of its attempts: the first part of the ETag."]
    status: Annotated[str, one_of(Status.values)]
    type: Annotated[str, "The command type, such as apikeys.disable."]
    subject: Reference | None
    actor: ActorReference
    channel: str
    reason: str
    received_at: Annotated[datetime, "The time when it was first received."]
    settled_at: Annotated[datetime, "The time when the latest attempt was settled."]
    duration_us: Annotated[int, "The duration of that attempt, in microseconds."]
    correlation_id: Uuid
    result: ResultReference | None
    error: CommandProblem | None
    decides: Annotated[str | None, "Of a decision on a request: the command that it holds."]
    approvers: Annotated[list[str], "Of a held command: those whose approvals are current."]


class RequirementOfGroup(TypedDict):
    """Approvals that a held command needs from a group, and current approvals."""

    group: str
    needed: int
    have: int


class RaisedRequest(TypedDict):
    """The approval request of a held command."""

    id: Uuid
    url: Address
    page_url: Annotated[str | None, "The page of the request for its requester, in a browser."]
    approve_by: datetime | None
    requirements: list[RequirementOfGroup]


class PostponedCommand(TypedDict):
    """A held command, in a body that differs from every resource."""

    status: Annotated[str, one_of([Status.POSTPONED.value])]
    command: CommandReference
    approval_request: RaisedRequest | None
    resource: Annotated[Reference | None, "The subject, which may not exist yet."]


class PendingApproval(TypedDict):
    """A held command about a resource."""

    request_id: Uuid
    url: Address
    command_id: Uuid
    type: Annotated[str, "The command type, such as apikeys.disable."]
    approve_by: datetime


class CommandResource(CommandInList):
    """A command in full: its approval, its events and its attempts."""

    approval: ApprovalProgress | None
    events: list[EventResource]
    attempts: list[AttemptResource]


def command(
    records: Sequence[CommandRecord], *, progress: Progress | None, decided: Decided
) -> CommandResource:
    """Return a command in full, from the records of all its attempts, first to last."""
    command_id = records[0].command_id
    current = postponements.current_records({command_id: records})[command_id]
    events = EventRecord.objects.filter(command_id=command_id).order_by("position")
    return {
        **command_in_list(records, current=current, decided=decided),
        "approval": _approval(progress),
        "events": [_event(event) for event in events],
        "attempts": [_attempt(record) for record in records],
    }


def command_in_list(
    records: Sequence[CommandRecord], *, current: CommandRecord, decided: Decided
) -> CommandInList:
    """Return a command for a list, from the records of its attempts and that of its status."""
    first = records[0]
    return {
        **_command(first),
        "version": len(records),
        "status": current.status,
        "type": first.message_type,
        "subject": reference(first.subject_type, first.subject_id),
        "actor": {"kind": first.actor_kind, "id": first.actor_id, "label": first.actor_label},
        "channel": first.channel,
        "reason": first.reason,
        "received_at": first.received_at,
        "settled_at": _settled_at(current),
        "duration_us": current.duration_us,
        "correlation_id": str(first.correlation_id),
        "result": _result(current),
        "error": _error(current),
        "decides": decided.held_command or None,
        "approvers": list(decided.approvers),
    }


def event_in_list(event: EventRecord) -> EventInList:
    """Return an event for a list."""
    return {
        **_event(event),
        "command": _command(event),
        "correlation_id": str(event.correlation_id),
    }


def postponed(outcome: Postponed) -> PostponedCommand:
    """Return the response body for a held command."""
    progress = outcome.progress or postponements.progress(outcome.command_id)
    subject_type = progress.subject_type if progress else ""
    return {
        "status": Status.POSTPONED.value,
        "command": _command(outcome),
        "approval_request": _approval_request(progress),
        # It may not exist yet.
        "resource": reference(subject_type, outcome.result_id or ""),
    }


def pending_approvals(subjects: Iterable[Subject]) -> dict[Subject, list[PendingApproval]]:
    """Return the held commands on each subject, by one query."""
    found = postponements.pending_by_subject(subjects)
    return {subject: present_pending(waiting) for subject, waiting in found.items()}


def present_pending(waiting: Iterable[Pending]) -> list[PendingApproval]:
    """Return the held commands on one subject."""
    return [resource(PendingApproval, each, type=each.message_type) for each in waiting]


def _approval(progress: Progress | None) -> ApprovalProgress | None:
    return resource(ApprovalProgress, progress) if progress else None


def _approval_request(progress: Progress | None) -> RaisedRequest | None:
    if progress is None:
        return None
    return {
        "id": progress.request_id,
        "url": progress.url,
        "page_url": progress.page_url or None,
        "approve_by": progress.approve_by,
        "requirements": [
            {"group": need.group, "needed": need.needed, "have": need.have}
            for need in progress.needs
        ],
    }


def _command(known: CommandRecord | EventRecord | Postponed) -> CommandReference:
    return {"id": str(known.command_id), "url": status_url(known.command_id)}


def _result(record: CommandRecord) -> ResultReference | None:
    found = reference(record.result_type, record.result_id)
    if found is None:
        return None
    subject_type = types.subject_type(found["type"])
    return {**found, "url": subject_type.url(found["id"]) if subject_type else None}


def _error(record: CommandRecord) -> CommandProblem | None:
    code = record.error_code
    if not code:
        return None
    # The recorded cause of a failure is for operators only: the log's pages show it.
    is_failure = record.status == Status.FAILED
    return {
        "type": problems.type_of(code),
        "title": problems.title_of(code),
        "status": problems.status_of_code(code).value,
        "detail": Failed().message if is_failure else record.error_message,
        "code": code,
    }


def _settled_at(record: CommandRecord) -> datetime:
    return within_calendar(record.received_at) + record.duration


def _event(event: EventRecord) -> EventResource:
    subject = reference(event.subject_type, event.subject_id)
    return resource(
        EventResource, event, id=str(event.id), type=event.message_type, subject=subject
    )


def _attempt(record: CommandRecord) -> AttemptResource:
    return resource(
        AttemptResource,
        record,
        number=record.attempt,
        settled_at=_settled_at(record),
        causation_id=str(record.causation_id) if record.causation_id else None,
        error=_error(record),
    )
