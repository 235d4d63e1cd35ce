"""Expiry of overdue requests, and execution of those that have enough approvals again."""

from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand
from django.db import transaction
from django.utils import timezone

from approvals.decisions.commands import ExpireRequest
from approvals.decisions.execution import release_alone
from approvals.models import ApprovalRequest, State
from approvals.requests.statuses import completed
from audit.actors.actors import SYSTEM
from audit.bus.context import Context
from audit.bus.dispatch import dispatch
from audit.messages.exceptions import CommandError


class Command(BaseCommand):
    """A periodic job: overdue requests count as expired with or without it."""

    help = "Execute approved requests, and mark overdue ones as expired, in separate transactions."

    def handle(self, *args: Any, **options: Any) -> None:
        """Release and expire as the system, except what an approver is just deciding."""
        released = sum(release_alone(each, channel="management") for each in completed())
        expired = sum(_is_expired(request_id) for request_id in _late())
        if released:
            self.stdout.write(f"{released} executed.")
        self.stdout.write(f"{expired} expired.")


def _late() -> list[UUID]:
    """Return overdue requests that are not locked; this releases its own locks at once."""
    late = ApprovalRequest.objects.filter(state=State.PENDING, approve_by__lte=timezone.now())
    with transaction.atomic():
        free = late.select_for_update(skip_locked=True).order_by("approve_by", "pk")
        return [request.pk for request in free if request.present_state is State.EXPIRED]


def _is_expired(request_id: UUID) -> bool:
    command = ExpireRequest(approval_request_id=request_id)
    try:
        dispatch(command, context=Context(actor=SYSTEM, channel="management"))
    except CommandError:
        # The refusal is logged; the other requests still have to expire.
        return False
    return True
