"""Expiry of overdue requests."""

from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand
from django.db import transaction
from django.utils import timezone

from approvals.decisions.commands import ExpireRequest
from approvals.models import ApprovalRequest, State
from audit.bus.context import Context
from audit.bus.dispatch import dispatch
from audit.messages.exceptions import CommandError


class Command(BaseCommand):
    """A periodic job: overdue requests count as expired with or without it."""

    help = "Mark overdue approval requests as expired, each in its own transaction."

    def handle(self, *args: Any, **options: Any) -> None:
        """Expire each request as the system, except those that an approver is just deciding."""
        expired = sum(_is_expired(request_id) for request_id in _late())
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
        dispatch(command, context=Context(channel="management"))
    except CommandError:
        # The refusal is logged; the other requests still have to expire.
        return False
    return True
