"""Check before a deployment that pending requests can still be approved."""

from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from approvals.models import ApprovalRequest, State
from approvals.policies import evaluation
from approvals.policies import slots as matching
from approvals.sealing.payloads import Unloadable


class Command(BaseCommand):
    """A check that loads every open request with this code, and counts its possible approvers."""

    help = "Fail if an open approval request cannot be loaded, or can no longer be approved."

    def handle(self, *args: Any, **options: Any) -> None:
        """Write each problem to standard error.

        :raises CommandError: if there is one.
        """
        problems = [each for request in _open() for each in _problems(request)]
        for problem in problems:
            self.stderr.write(problem)
        if problems:
            raise CommandError(f"{len(problems)} problems with open approval requests.")
        self.stdout.write("Every open approval request can be loaded and approved.")


def _open() -> Iterator[ApprovalRequest]:
    pending = ApprovalRequest.objects.filter(state=State.PENDING, approve_by__gt=timezone.now())
    return (pending | ApprovalRequest.objects.filter(is_retriable=True)).order_by("pk").iterator()


def _problems(request: ApprovalRequest) -> Iterator[str]:
    name = f"{request} of {request.requester_label} on {request.message_type}"
    try:
        request.command()
    except Unloadable as problem:
        yield f"{name}: {problem.message}"
    slots = evaluation.slots_for(request.requirements, without=request.requester_person)
    if not matching.are_filled(slots):
        groups = ", ".join(f"{r['quorum']} of {r['group']}" for r in request.requirements["rules"])
        yield f"{name}: too few people can approve it, which requires {groups}."
