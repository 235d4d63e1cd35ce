"""Break-glass: execution of a held command without its approvals, with alarms and a review."""

import structlog
from django.db import transaction
from django.utils import timezone

from approvals.decisions import execution
from approvals.decisions.commands import BREAK_GLASS, BreakGlass
from approvals.decisions.events import GlassBroken
from approvals.models import ApprovalRequest
from approvals.models.refusals import NotAPerson
from approvals.people import accounts
from approvals.policies import built_in, effective
from approvals.policies.commands import BreakGlassReviewed, ReviewBreakGlass
from audit.bus.context import Context
from audit.bus.dispatch import dispatch
from audit.bus.handling import handles
from audit.messages.characters import actor_name, identifier, quoted_text
from audit.messages.exceptions import Conflict, FieldError, Forbidden, Invalid
from audit.models.records import EventRecord

logger = structlog.get_logger(__name__)


class NotGranted(Forbidden):
    """Break-glass requires the permission itself: superuser status is not enough."""

    title = "Break-glass not permitted"
    remedy = "Request approval as usual, or ask an administrator to grant you the permission."


class UnderTheFloor(Forbidden):
    """This command protects the approvals themselves: break-glass does not apply to it."""

    title = "Under the built-in policy"
    remedy = "Ask the policy owners to vote: there is no other way."


class NotBroken(Conflict):
    """Break-glass was not used on this request."""

    title = "Break-glass not used"
    remedy = "Check the id of the request."


@handles(BreakGlass)
def break_glass(command: BreakGlass, context: Context) -> ApprovalRequest:
    _check_answerable(command, context)
    request = ApprovalRequest.objects.select_for_update().get(pk=command.approval_request_id)
    execution.check_accessible(request, actor=context.actor)
    context.correlation_id = request.held_record.correlation_id
    effective.read([request])
    if built_in.includes_built_in(request.required):
        raise UnderTheFloor
    if not request.is_retriable:
        request.check_pending(now=timezone.now())
    # Break-glass replaces approvals only: what a policy forbids stays forbidden.
    effective.check_not_forbidden(request)
    is_own = _is_own(request, context)
    context.decision = (context.decision or {}) | {"own_request": is_own}
    name = f"{actor_name(context.actor.label)}{' on their own request' if is_own else ''}"
    reason = quoted_text(context.reason)
    by = f"Break-glass by {name}, ticket {identifier(command.ticket)}: {reason}"
    execution.release(request, execution.opened(request), context=context, by=by)
    context.emit(
        GlassBroken(
            approval_request_id=request.pk,
            ticket=command.ticket,
            state=request.state,
            outcome=request.outcome,
            own_request=is_own,
        )
    )
    # The review itself is held for approval. If it cannot be, break-glass is refused too.
    dispatch(_review(request, command, context))
    transaction.on_commit(lambda: _log(request, context), robust=True)
    return request


@handles(ReviewBreakGlass)
def review_break_glass(command: ReviewBreakGlass, context: Context) -> ApprovalRequest:
    request = ApprovalRequest.objects.get(pk=command.approval_request_id)
    broken = EventRecord.objects.filter(
        subject_type="approval-request",
        subject_id=str(request.pk),
        message_type=GlassBroken.message_type,
    )
    if not broken.exists():
        raise NotBroken
    context.emit(BreakGlassReviewed(approval_request_id=request.pk))
    return request


def _is_own(request: ApprovalRequest, context: Context) -> bool:
    return context.actor.person_id == request.requester_person


def _check_answerable(command: BreakGlass, context: Context) -> None:
    """Check that the actor is a person with the permission, and gives a reason and a ticket.

    :raises Forbidden: if the actor is not a person, or was not granted the permission.
    :raises Invalid: if the reason or the ticket is missing.
    """
    if context.actor.kind != "user":
        raise NotAPerson("Only people can use break-glass, signed in as themselves.")
    if not accounts.was_granted(int(context.actor.person_id), BREAK_GLASS):
        raise NotGranted
    given = {"reason": context.reason, "ticket": command.ticket}
    missing = [
        FieldError(name, "required", "is required for break-glass")
        for name, text in given.items()
        if not text.strip()
    ]
    if missing:
        raise Invalid(errors=missing)


def _review(request: ApprovalRequest, command: BreakGlass, context: Context) -> ReviewBreakGlass:
    return ReviewBreakGlass(
        approval_request_id=request.pk,
        broken_by=context.actor.label,
        ticket=command.ticket,
        what=f"{request.message_type} {request.subject_id}".strip(),
        own_request=_is_own(request, context),
    )


def _log(request: ApprovalRequest, context: Context) -> None:
    logger.error(
        "break-glass used",
        approval_request_id=str(request.pk),
        command_id=str(request.command_id),
        by=context.actor.label,
        own_request=_is_own(request, context),
        outcome=request.outcome,
    )
