"""Where commands are held."""

from approvals import policies
from approvals.events import ApprovalRequested
from approvals.models import ApprovalRequest
from audit.context import Context
from audit.messages import Command
from audit.middleware import Next
from audit.outcomes import Outcome, Postponed


def hold_for_approval(command: Command, context: Context, call_next: Next) -> Outcome:
    """Hold a command that a policy governs; let through what was approved or needs no approval."""
    if context.is_replay:
        return call_next(command, context)
    # Most commands are governed by nothing, which the opening statement knows already.
    rules = policies.rules_for(command) if context.facts["is_governed"] else []
    if not rules:
        context.decision = {"effect": "allow"}
        return call_next(command, context)
    requirements = policies.requirements(rules)
    context.decision = {"effect": "require_approval", **requirements}
    policies.check_can_be_held(command, rules=rules, actor=context.actor)
    return _hold(
        command, context, ApprovalRequest.hold(command, context, requirements=requirements)
    )


def _hold(command: Command, context: Context, request: ApprovalRequest) -> Postponed:
    context.emit(
        ApprovalRequested(
            approval_request_id=request.pk,
            command_id=context.command_id,
            command_type=command.message_type,
            digest=request.digest,
        )
    )
    return Postponed(command_id=context.command_id, result_id=request.subject_id or None)
