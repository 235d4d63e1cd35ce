"""Check before a deployment that policies are intact and pending requests can be approved."""

from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from approvals.models import ApprovalRequest, State
from approvals.models.states import in_state
from approvals.policies import effective, seals
from approvals.policies import slots as matching
from approvals.requests import listing
from approvals.sealing.payloads import Unloadable
from audit.messages.characters import actor_name, quoted


class Command(BaseCommand):
    """A check of every policy's seal, and that every open request can be loaded and approved."""

    help = "Fail if a policy was altered, or an open approval request cannot be approved."

    def handle(self, *args: Any, **options: Any) -> None:
        """Write each problem to standard error.

        :raises CommandError: if there is one.
        """
        problems = [f"{each.text} {each.remedy}" for each in seals.problems()]
        problems += listing.row_problems()
        problems += [each for request in _open() for each in _problems(request)]
        for problem in problems:
            self.stderr.write(problem)
        if problems:
            message = f"{len(problems)} problems with policies and open approval requests."
            raise CommandError(message)
        self.stdout.write("Every open approval request can be loaded and approved.")


def _open() -> Iterator[ApprovalRequest]:
    pending = ApprovalRequest.objects.filter(in_state(State.PENDING))
    return (pending | ApprovalRequest.objects.filter(is_retriable=True)).order_by("pk").iterator()


def _problems(request: ApprovalRequest) -> Iterator[str]:
    if not request.is_intact:
        return
    name = f"{request} of {actor_name(request.requester_label)} on {request.message_type}"
    try:
        obstacle = request.command().obstacle()
    except Unloadable as problem:
        obstacle = problem.message
    if obstacle:
        yield f"{name}: {obstacle}"
    effective.read([request])
    if request.barrier is not None:
        yield f"{name}: {request.barrier.message}"
    if not matching.are_filled(matching.Electorate([request]).eligible(request)):
        groups = ", ".join(
            f"{r['quorum']} of {quoted(r['group'])}" for r in request.required["rules"]
        )
        yield f"{name}: too few people can approve it, which requires {groups}."
