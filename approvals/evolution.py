"""Folding of approval events, for columns that do not have the name of an event field."""

from approvals.decisions import events
from approvals.models.states import State as RequestState
from approvals.policies.commands import PolicyCreated, PolicyDisabled, PolicyEdited
from audit.messages.classes import Event
from audit.tracking.folding import State, evolves

_ENDS = {
    events.ChangesRequested: RequestState.DENIED,
    events.Denied: RequestState.DENIED,
    events.RequestExpired: RequestState.EXPIRED,
    events.RequestSuperseded: RequestState.SUPERSEDED,
    events.Withdrawn: RequestState.WITHDRAWN,
}


@evolves(events.ApprovalRequested)
def hold(request: State, event: events.ApprovalRequested) -> State:
    return {"message_type": event.command_type, "state": RequestState.PENDING.value}


@evolves(*_ENDS)
def end(request: State, event: Event) -> State:
    return {"state": _ENDS[type(event)].value}


@evolves(PolicyCreated)
def create(policy: State, event: PolicyCreated) -> State:
    return {"tenant": event.for_tenant, "is_enabled": True, "version": 1}


@evolves(PolicyEdited)
def edit(policy: State, event: PolicyEdited) -> State:
    return {"tenant": event.for_tenant}


@evolves(PolicyDisabled)
def disable(policy: State, event: PolicyDisabled) -> State:
    return {"is_enabled": False, "version": policy["version"] + 1} if policy else {}
