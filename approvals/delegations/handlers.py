"""Handlers of commands on delegations."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.contrib.auth.models import Group
from django.utils import timezone

from approvals.delegations import commands
from approvals.delegations.listing import concerns, is_ended, may_see, possible_delegates
from approvals.models import Delegation
from approvals.models.refusals import NotAPerson
from approvals.people import likeness
from audit.actors.actors import Actor
from audit.bus.context import Context
from audit.bus.handling import handles, precondition
from audit.installation import users
from audit.messages.exceptions import Conflict, FieldError, Forbidden, Invalid

_LONGEST = timedelta(days=366)


class AlreadyEnded(Conflict):
    """The delegation was already ended."""

    remedy = "No action is needed."


class NotYourDelegation(Forbidden):
    """Only the delegator and the delegate may end a delegation."""

    remedy = "Ask one of them to end it."


@handles(commands.Delegate)
def delegate(command: commands.Delegate, context: Context) -> Delegation:
    check_delegation(command, context)
    delegation = Delegation(
        pk=command.delegation_id,
        delegator_id=int(context.actor.person_id),
        delegator_label=context.actor.label,
        delegate_id=command.delegate_id,
        delegate_label=str(users.manager().get(pk=command.delegate_id)),
        groups=sorted(set(command.groups)),
        begins_at=command.begins_at or timezone.now(),
        ends_at=command.ends_at,
    )
    delegation.sign()
    delegation.add()
    context.emit(
        commands.Delegated(
            delegation_id=delegation.pk,
            delegator_id=delegation.delegator_id,
            delegate_id=delegation.delegate_id,
            groups=tuple(delegation.groups),
            begins_at=delegation.begins_at,
            ends_at=delegation.ends_at,
        )
    )
    return delegation


@precondition(commands.Delegate)
def check_delegation(command: commands.Delegate, context: Context) -> None:
    """Check that the actor has the right to delegate, and that the delegate could vote.

    :raises NotAPerson: if the actor is no user who is signed in.
    :raises Invalid: if a value is not possible.
    :raises LikeAnApprover: if the name of the delegate is easily confused with another one.
    """
    if context.actor.kind != "user":
        raise NotAPerson
    now = timezone.now()
    errors = [
        *_problems_of_period(command.begins_at or now, command.ends_at, now=now),
        *_problems_of_people(command, context.actor),
    ]
    if errors:
        raise Invalid(errors=errors)
    likeness.check_may_decide(people=users.manager().filter(pk=command.delegate_id))


@handles(commands.EndDelegation)
def end_delegation(command: commands.EndDelegation, context: Context) -> Delegation:
    delegation = Delegation.objects.found(pk=command.delegation_id)
    if not may_see(delegation, context.actor):
        raise Delegation.DoesNotExist
    if not concerns(delegation, context.actor):
        raise NotYourDelegation
    if is_ended(delegation):
        raise AlreadyEnded
    context.emit(commands.DelegationEnded(delegation_id=delegation.pk))
    return delegation


def _problems_of_period(begin: datetime, end: datetime, *, now: datetime) -> Iterator[FieldError]:
    if end <= max(begin, now):
        yield FieldError("ends_at", "out_of_range", "must be after the begin, and in the future")
    elif end > now + _LONGEST:
        message = f"must be at most {_LONGEST.days} days ahead"
        yield FieldError("ends_at", "out_of_range", message)


def _problems_of_people(command: commands.Delegate, actor: Actor) -> Iterator[FieldError]:
    if str(command.delegate_id) == actor.person_id:
        yield FieldError("delegate_id", "invalid", "must be another person")
    elif not possible_delegates().filter(pk=command.delegate_id).exists():
        message = "must be an existing person who can sign in and may view approval requests"
        yield FieldError("delegate_id", "invalid", message)
    own = Group.objects.filter(user=int(actor.person_id), pk__in=command.groups)
    if not command.groups or set(own.values_list("pk", flat=True)) != set(command.groups):
        yield FieldError("groups", "invalid", "must be groups that you belong to, at least one")
