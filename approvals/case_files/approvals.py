"""Held commands and their approvers, for the lists and exports of the audit log."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from operator import attrgetter
from uuid import UUID

from django.db.models import Model

from approvals.decisions.commands import Deny, RequestChanges
from approvals.models import ApprovalRequest, Decision, State, Vote
from approvals.models.votes import newest_by_place
from approvals.requests.presentation import sentences_of
from audit.actors.actors import Actor
from audit.log.approvals import knows_approvals
from audit.messages.classes import Subject

_UNUSED = ("payload", "requirements", "subject_values")


@knows_approvals
class RequestedApprovals:
    """The commands that requests hold, and the current approvals of them."""

    subject_type = "approval-request"
    denials: Collection[str] = frozenset({Deny.message_type, RequestChanges.message_type})

    def held_commands(
        self, rows: Mapping[Subject, Model], /, *, actor: Actor
    ) -> dict[Subject, str]:
        requests = {key: row for key, row in rows.items() if isinstance(row, ApprovalRequest)}
        sentences = sentences_of([*requests.values()], actor=actor, rows=rows)
        return dict(zip(requests, sentences, strict=True))

    def approvers(self, command_ids: Collection[UUID], /) -> dict[UUID, list[str]]:
        votes = Vote.objects.filter(request__command_id__in=command_ids)
        # A request that was replaced has the same command as its successor.
        votes = votes.exclude(request__state=State.SUPERSEDED).select_related("request")
        requests: defaultdict[ApprovalRequest, list[Vote]] = defaultdict(list)
        for vote in votes.defer(*(f"request__{each}" for each in _UNUSED)):
            requests[vote.request].append(vote)
        for request, cast in requests.items():
            request.keep_votes(cast)
        return {each.command_id: _approvers_of(each) for each in requests}


def _approvers_of(request: ApprovalRequest) -> list[str]:
    return [
        vote.names
        for vote in sorted(newest_by_place(request.current_votes()), key=attrgetter("cast_at"))
        if vote.decision == Decision.APPROVE and vote.digest == request.digest
    ]
