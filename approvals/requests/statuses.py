"""The current status of requests: one definition for pages, lists, filters, e-mail and the API."""

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Q, prefetch_related_objects
from django.utils.module_loading import import_string

from approvals.models import ApprovalRequest, State
from approvals.models.states import CHANGES_REQUESTED, RequestStatus, in_state
from approvals.policies import effective, evaluation
from approvals.policies import slots as matching
from audit.actors.actors import Actor
from audit.messages.classes import Command, Subject


def statuses_of(
    requests: Collection[ApprovalRequest], *, electorate: evaluation.Electorate | None = None
) -> dict[UUID, RequestStatus]:
    """Return the current status of each request, by a number of queries that does not grow.

    ``electorate`` has the eligible approvers, once the effective requirements were read.
    """
    if electorate is None:
        prefetch_related_objects([*requests], "votes")
        effective.read(requests)
        electorate = evaluation.Electorate(requests)
    secrets = pick_ups_of(requests)
    return {each.pk: _status(each, electorate, secrets) for each in requests}


def pick_ups_of(
    requests: Collection[ApprovalRequest], *, by: Actor | None = None
) -> Mapping[UUID, Command]:
    """Return the commands that pick up secrets, by the ids of the commands that created them.

    With an actor, only those that the actor can send now.
    """
    executed = {
        each.command_id: each.subject_reference
        for each in requests
        if each.state == State.EXECUTED and each.subject_type
    }
    return _pick_ups(executed, by=by) if executed else {}


def may_have(status: RequestStatus) -> Q:
    """Match the requests that `statuses_of` may find to have a status."""
    match status:
        case RequestStatus.WAITING | RequestStatus.UNSATISFIABLE:
            return in_state(State.PENDING)
        case RequestStatus.APPROVED:
            return in_state(State.PENDING) & ~Q(voters=[])
        case RequestStatus.SECRET_TO_PICK_UP:
            return in_state(State.EXECUTED) & Q(command_id__in=list(_pick_ups(None)))
        case RequestStatus.CHANGES_REQUESTED:
            return in_state(State.DENIED) & Q(outcome_code=CHANGES_REQUESTED)
        case RequestStatus.ALTERED:
            # Its columns may have any values.
            return Q()
        case _:
            return in_state(status.value)


def _pick_ups(
    executed: Mapping[UUID, Subject | None] | None, *, by: Actor | None = None
) -> Mapping[UUID, Command]:
    found: Mapping[UUID, Command] = import_string(settings.APPROVALS_PICK_UPS)(executed, by=by)
    return found


def _status(
    request: ApprovalRequest, electorate: evaluation.Electorate, secrets: Mapping[UUID, Any]
) -> RequestStatus:
    match request.present_state:
        case State.PENDING:
            return _undecided(request, electorate)
        case State.EXECUTED if request.command_id in secrets:
            return RequestStatus.SECRET_TO_PICK_UP
        case State.DENIED if request.outcome_code == CHANGES_REQUESTED:
            return RequestStatus.CHANGES_REQUESTED
        case state:
            return RequestStatus(state)


def _undecided(request: ApprovalRequest, electorate: evaluation.Electorate) -> RequestStatus:
    if request.barrier is not None:
        return RequestStatus.UNSATISFIABLE
    voted = electorate.voted(request)
    if matching.are_filled(voted):
        return RequestStatus.APPROVED
    is_reachable = matching.are_filled(matching.united(voted, electorate.eligible(request)))
    return RequestStatus.WAITING if is_reachable else RequestStatus.UNSATISFIABLE
