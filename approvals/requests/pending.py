"""Pending approval requests, as other resources show them."""

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from django.conf import settings
from django.urls import reverse

from approvals.models import ApprovalRequest, State
from approvals.models.states import ENDS
from approvals.policies import effective, evaluation
from audit.bus.postponements import (
    Pending,
    decides_status,
    pending,
    postponement,
)
from audit.messages.classes import Subject
from audit.messages.outcomes import Need, Progress
from audit.models.records import Status

_HELD = {(Status.POSTPONED.value, "")}
_TABLE = ApprovalRequest._meta.db_table


def request_url(request_id: UUID | str) -> str:
    return reverse("approval-request", kwargs={"approval_request_id": request_id})


def page_url(request_id: UUID) -> str:
    """Return the URL of the page of a request for its requester."""
    return f"{settings.BASE_URL}{reverse('own-request', args=[request_id])}"


def needs_of(request: ApprovalRequest, counted: Mapping[str, int]) -> tuple[Need, ...]:
    """Return the approvals needed by each rule, of which ``counted`` has the current ones."""
    return tuple(
        Need(
            rule["group"],
            needed=rule["quorum"],
            have=min(counted.get(rule["id"], 0), rule["quorum"]),
        )
        for rule in request.required["rules"]
    )


@postponement
def progress(command_id: UUID) -> Progress | None:
    """Return the progress of a held command towards its approvals, or None."""
    request = ApprovalRequest.of_command(command_id).first()
    if request is None:
        return None
    effective.read([request])
    return progress_of(request, evaluation.counted_voters([request])[request.pk])


def progress_of(request: ApprovalRequest, counted: Mapping[str, int]) -> Progress:
    """Return the progress of a request, of which ``counted`` has the current approvals."""
    needs = needs_of(request, counted)
    return Progress(
        state=request.present_state,
        have=sum(need.have for need in needs),
        needed=sum(need.needed for need in needs),
        approve_by=request.approve_by,
        request_id=str(request.pk),
        url=request_url(request.pk),
        page_url=page_url(request.pk),
        subject_type=request.subject_type,
        needs=needs,
    )


@decides_status
def statuses(command_ids: Collection[UUID]) -> dict[UUID, Collection[str]]:
    """Return the statuses that held commands can have by the states of their requests."""
    # The newest request of a command comes last: earlier ones were replaced by it.
    requests = ApprovalRequest.objects.filter(command_id__in=command_ids).order_by("pk")
    return {
        each.command_id: {status for status, _ in ENDS.get(each.state, _HELD)} for each in requests
    }


class PendingRequests:
    """The requests that can still be approved."""

    def sql(self, *, subject_type: str, subject_id: str) -> str:
        """Return an SQL expression for those on a subject, with the columns for `pending`."""
        return f"""(
            SELECT json_agg(to_jsonb(request) ORDER BY requested_at, id) FROM {_TABLE} AS request
            WHERE subject_type = {subject_type} AND subject_id = {subject_id}
                AND state = '{State.PENDING.value}' AND approve_by > statement_timestamp()
            )"""  # noqa: S608  # of our own names

    def pending(self, found: Mapping[str, Any]) -> Pending | None:
        """Return one of them from a JSON row; None if it was altered."""
        request = ApprovalRequest.from_json(found)
        if request.state != State.PENDING:
            return None
        return Pending(
            subject=Subject(request.subject_type, request.subject_id),
            request_id=str(request.pk),
            url=request_url(request.pk),
            command_id=str(request.command_id),
            message_type=request.message_type,
            approve_by=request.approve_by,
        )


pending(PendingRequests())
