"""What the log looks like over HTTP."""

from collections.abc import Collection, Sequence
from typing import Any

from django.urls import reverse

from audit import postponements
from audit.actors import Actor
from audit.messages import Subject
from audit.models import CommandRecord, EventRecord, Status
from audit.outcomes import Postponed
from audit.postponements import Pending, Progress
from audit.repeats import weight


def command(records: Sequence[CommandRecord], *, progress: Progress | None) -> dict[str, Any]:
    """Present a command by the records of all of its attempts, first to last."""
    first, present = records[0], max(records, key=weight)
    events = EventRecord.objects.filter(command_id=first.command_id).order_by("position")
    return {
        "id": str(first.command_id),
        "status": present.status,
        "type": first.message_type,
        "subject": _reference(first.subject_type, first.subject_id),
        "actor": {"kind": first.actor_kind, "id": first.actor_id, "label": first.actor_label},
        "channel": first.channel,
        "reason": first.reason,
        "received_at": first.received_at,
        "correlation_id": str(first.correlation_id),
        "result": _reference(present.result_type, present.result_id),
        "error": _error(present),
        "approval": approval(progress),
        "events": [_event(event) for event in events],
        "attempts": [_attempt(record) for record in records],
    }


def postponed(outcome: Postponed) -> dict[str, Any]:
    """Present a held command, in a body that nobody can mistake for the resource."""
    progress = postponements.progress(outcome.command_id)
    subject_type = progress.subject_type if progress else ""
    return {
        "status": Status.POSTPONED,
        "command": {
            "id": str(outcome.command_id),
            "url": reverse("command-status", kwargs={"command_id": outcome.command_id}),
        },
        "approval_request": _approval_request(progress),
        # What the id stands for may not exist yet.
        "resource": _reference(subject_type, outcome.result_id or ""),
    }


def pending_approvals(subjects: Collection[Subject]) -> dict[Subject, list[dict[str, Any]]]:
    """Present what waits for approval on each of the subjects."""
    found = postponements.pending_on(subjects)
    return {subject: [_pending(each) for each in waiting] for subject, waiting in found.items()}


def approval(progress: Progress | None) -> dict[str, Any] | None:
    """Present how far a held command is."""
    if progress is None:
        return None
    return {
        "request_id": progress.request_id,
        "state": progress.state,
        "have": progress.have,
        "needed": progress.needed,
        "approve_by": progress.approve_by,
    }


def actor(who: Actor) -> dict[str, Any]:
    """Present the one who is calling."""
    return {
        "kind": who.kind,
        "id": who.id,
        "label": who.label,
        "person_id": who.person_id,
        "tenants": None if who.tenants is None else sorted(who.tenants),
        "permissions": sorted(who.permissions),
    }


def may_read(who: Actor, record: CommandRecord) -> bool:
    """Tell whether a command is the actor's own, or belongs to a tenant that it may see."""
    is_own = (record.actor_kind, record.actor_id) == (who.kind, who.id)
    return is_own or who.may_see(record.tenant)


def _approval_request(progress: Progress | None) -> dict[str, Any] | None:
    if progress is None:
        return None
    return {
        "id": progress.request_id,
        "url": progress.url,
        "approve_by": progress.approve_by,
        "requirements": [need._asdict() for need in progress.needs],
    }


def _pending(waiting: Pending) -> dict[str, Any]:
    return {
        "request_id": waiting.request_id,
        "url": waiting.url,
        "command_id": waiting.command_id,
        "type": waiting.message_type,
        "approve_by": waiting.approve_by,
    }


def _reference(kind: str, identifier: str) -> dict[str, str] | None:
    return {"type": kind, "id": identifier} if kind else None


def _error(record: CommandRecord) -> dict[str, str] | None:
    if not record.error_code:
        return None
    # What a failure's record says of its cause is for operators, in the log's own pages.
    is_failure = record.status == Status.FAILED
    message = "The command failed. Nothing was changed." if is_failure else record.error_message
    return {"code": record.error_code, "detail": message}


def _event(event: EventRecord) -> dict[str, Any]:
    return {
        "id": str(event.id),
        "type": event.message_type,
        "subject": _reference(event.subject_type, event.subject_id),
        "number": event.number,
        "occurred_at": event.occurred_at,
        "data": event.data,
    }


def _attempt(record: CommandRecord) -> dict[str, Any]:
    return {
        "number": record.attempt,
        "status": record.status,
        "received_at": record.received_at,
        "duration_us": record.duration_us,
        "causation_id": str(record.causation_id) if record.causation_id else None,
        "error": _error(record),
    }
