"""Pending approval requests, as other resources show them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.urls import reverse

from approvals.models import ApprovalRequest, State
from approvals.policies import evaluation
from audit.bus.postponements import Need, Pending, Progress, pending, postponement
from audit.messages.classes import Subject

_TABLE = ApprovalRequest._meta.db_table


def request_url(request_id: UUID | str) -> str:
    return reverse("approval-request", kwargs={"approval_request_id": request_id})


def needs_of(request: ApprovalRequest, counted: Mapping[str, int]) -> tuple[Need, ...]:
    """Return the approvals needed by each rule, of which ``counted`` has the current ones."""
    return tuple(
        Need(rule["group"], needed=rule["quorum"], have=min(counted[rule["id"]], rule["quorum"]))
        for rule in request.requirements["rules"]
    )


@postponement
def progress(command_id: UUID) -> Progress | None:
    """Return the progress of a held command towards its approvals, or None."""
    request = ApprovalRequest.of_command(command_id).first()
    if request is None:
        return None
    needs = needs_of(request, evaluation.counted_voters([request])[request.pk])
    return Progress(
        state=request.present_state,
        have=sum(need.have for need in needs),
        needed=sum(need.needed for need in needs),
        approve_by=request.approve_by,
        request_id=str(request.pk),
        url=request_url(request.pk),
        subject_type=request.subject_type,
        needs=needs,
    )


class PendingRequests:
    """The requests that can still be approved."""

    def sql(self, *, subject_type: str, subject_id: str) -> str:
        """Return an SQL expression for those on a subject, with the columns for `pending`."""
        columns = "id, command_id, message_type, subject_type, subject_id, approve_by"
        return f"""(
            SELECT json_agg(request ORDER BY requested_at, request.id) FROM (
                SELECT {columns}, requested_at FROM {_TABLE}
                WHERE subject_type = {subject_type} AND subject_id = {subject_id}
                    AND state = '{State.PENDING.value}' AND approve_by > statement_timestamp()
            ) AS request)"""  # noqa: S608  # of our own names

    def pending(self, found: Mapping[str, Any]) -> Pending:
        """Return one of them from a JSON row."""
        return Pending(
            subject=Subject(found["subject_type"], found["subject_id"]),
            request_id=found["id"],
            url=request_url(found["id"]),
            command_id=found["command_id"],
            message_type=found["message_type"],
            approve_by=datetime.fromisoformat(found["approve_by"]),
        )


pending(PendingRequests())
