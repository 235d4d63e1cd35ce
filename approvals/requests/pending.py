"""Pending approval requests, as other resources show them."""

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from django.db.models import Q, prefetch_related_objects
from django.urls import reverse
from django.utils import timezone

from approvals.models import ApprovalRequest, State
from approvals.models.refusals import Expiry
from approvals.models.states import ENDS, ERROR, RequestStatus
from approvals.policies import effective
from approvals.policies import slots as matching
from approvals.requests.statuses import statuses_of
from audit.bus.postponements import (
    Pending,
    pending,
    postponement,
)
from audit.installation.settings import countersign
from audit.log.standings import Standing, decides_standings
from audit.messages.classes import Subject
from audit.messages.outcomes import Need, Progress
from audit.models.records import Status

_CANCELLING = [
    state for state, ends in ENDS.items() if {status for status, _ in ends} == {Status.CANCELLED}
]
_CANCELLING_SQL = ", ".join(f"'{each}'" for each in _CANCELLING)
_TABLE = ApprovalRequest._meta.db_table


def request_url(request_id: UUID | str) -> str:
    return reverse("countersign:approval-request", kwargs={"approval_request_id": request_id})


def page_url(request_id: UUID) -> str:
    """Return the URL of the page of a request for its requester."""
    return f"{countersign().base_url}{reverse('countersign:own-request', args=[request_id])}"


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
    prefetch_related_objects([request], "votes")
    effective.read([request])
    electorate = matching.Electorate([request])
    status = statuses_of([request], electorate=electorate)[request.pk]
    return progress_of(request, electorate.counted([request])[request.pk], status=status)


def progress_of(
    request: ApprovalRequest,
    counted: Mapping[str, int],
    *,
    status: RequestStatus = RequestStatus.WAITING,
) -> Progress:
    """Return the progress of a request, of which ``counted`` has the current approvals."""
    needs = needs_of(request, counted)
    return Progress(
        state=request.present_state,
        status=status.value,
        have=sum(need.have for need in needs),
        needed=sum(need.needed for need in needs),
        approve_by=request.approve_by,
        request_id=str(request.pk),
        url=request_url(request.pk),
        page_url=page_url(request.pk),
        subject_type=request.subject_type,
        needs=needs,
        execute_after=request.execute_after,
    )


@decides_standings
class RequestStandings:
    """The standings of held commands, by the states of their requests."""

    def standings(self, command_ids: Collection[UUID], /) -> dict[UUID, Standing]:
        # The newest request of a command comes last: earlier ones were replaced by it.
        requests = ApprovalRequest.objects.filter(command_id__in=command_ids).order_by("pk")
        return {each.command_id: _standing(each) for each in requests}

    def sql(self, command_id: str) -> str:
        """Return the same by the row alone, whose seal SQL cannot verify."""
        return f"""(
            SELECT CASE
                WHEN state = '{State.PENDING}' AND approve_by <= statement_timestamp()
                    THEN ARRAY['{Status.CANCELLED}']
                WHEN state = '{State.EXECUTED}' THEN {_array(Status.SUCCEEDED)}
                WHEN state IN ({_CANCELLING_SQL}) THEN {_array(Status.CANCELLED)}
                WHEN state = '{State.REFUSED}' AND decided_at >= execute_by
                    THEN {_array(Status.REFUSED, Status.CANCELLED)}
                WHEN state = '{State.REFUSED}' THEN {_array(Status.REFUSED)}
                WHEN state = '{State.FAILED}' AND outcome_code = '{ERROR}'
                    THEN {_array(Status.FAILED)}
                WHEN state = '{State.FAILED}' THEN {_array(Status.CANCELLED)}
                ELSE {_array(Status.POSTPONED)} END
            FROM {_TABLE} AS request
            WHERE request.command_id = {command_id} ORDER BY request.id DESC LIMIT 1
            )"""  # noqa: S608  # of our own names

    def ended(self) -> Q:
        overdue = ApprovalRequest.objects.filter(
            state=State.PENDING, approve_by__lte=timezone.now()
        )
        return Q(status=Status.POSTPONED, command_id__in=overdue.values("command_id"))


def _standing(request: ApprovalRequest) -> Standing:
    if request.state == State.PENDING and request.present_state is State.EXPIRED:
        end = Expiry.at(request.approve_by)
        return Standing((), end=end, ended_at=request.approve_by)
    return Standing(_statuses(request))


def _statuses(request: ApprovalRequest) -> tuple[Status, ...]:
    match request.state:
        case State.EXECUTED:
            return (Status.SUCCEEDED,)
        case state if state in _CANCELLING:
            return (Status.CANCELLED,)
        case State.REFUSED:
            end, decided_at = request.execute_by, request.decided_at
            # Only an execution before the deadline is certain not to be too late.
            may_be_late = end is not None and decided_at is not None and decided_at >= end
            return (Status.REFUSED, Status.CANCELLED) if may_be_late else (Status.REFUSED,)
        case State.FAILED:
            return (Status.FAILED,) if request.outcome_code == ERROR else (Status.CANCELLED,)
        case _:
            return (Status.POSTPONED,)


def _array(*statuses: Status) -> str:
    """Return an SQL array for `sql`: a command without a record that fits is still held."""
    names = "', '".join((Status.POSTPONED, *statuses))
    return f"ARRAY['{names}']"


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
