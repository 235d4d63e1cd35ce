"""The approval request endpoints."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any, Literal, NotRequired, TypedDict
from uuid import UUID

from django.http import HttpResponse
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from approvals.decisions import evidence
from approvals.decisions.commands import (
    Approve,
    Comment,
    Deny,
    RemindApprovers,
    RequestChanges,
    Retry,
    TakeBack,
    Withdraw,
)
from approvals.decisions.evidence import EvidenceDisagrees
from approvals.models import ApprovalRequest, State, refusals
from approvals.models.states import LISTED_STATUSES
from approvals.passkeys.votes import SignatureRequired
from approvals.requests import listing
from approvals.requests.presentation import present
from approvals.requests.resubmission import resubmitted, time_of
from approvals.rest import resources
from approvals.rest.inputs import (
    CommentInput,
    DenyInput,
    OptionalDigestInput,
    RequestChangesInput,
    RequiredCommentInput,
    VoteInput,
)
from approvals.sealing import payloads
from audit.actors.scopes import InsufficientScope
from audit.bus import store
from audit.log.orders import Key, Order
from audit.log.visibility import VIEW_LOG
from audit.messages.classes import Subject
from audit.messages.exceptions import CommandError, Forbidden, Refused
from audit.messages.outcomes import Completed
from audit.rest.listing import ListQuery, body, page
from audit.rest.openapi.operations import Method, documented
from audit.rest.parameters import MessageTypeField, SubjectField
from audit.rest.references import CommandReference, status_url
from audit.rest.viewsets.commands import CommandInput, CommandViewSet
from audit.subjects.streams import with_numbers
from audit.subjects.types import visible


class ApprovalRequestListQuery(ListQuery):
    """Query parameters of the list of requests."""

    resource_fields = tuple(resources.ApprovalRequestInList.__annotations__)
    orders = (Order("newest", Key("requested_at", datetime), Key("pk", UUID)),)

    view = serializers.ChoiceField(choices=tuple(listing.VIEWS), default="all")
    state = serializers.ChoiceField(choices=State.values, required=False)
    status = serializers.ChoiceField(choices=LISTED_STATUSES, required=False)
    type = MessageTypeField(required=False)
    subject = SubjectField(required=False)


class CarriedOut(TypedDict):
    """A resubmitted command that needed no approval."""

    status: Literal["succeeded"]
    command: CommandReference
    secret: NotRequired[str]


_VOTERS = (
    *(refusals.NotAPerson, refusals.NotActive, refusals.NotAnApprover),
    *(refusals.OwnRequest, refusals.TooNew),
    *(refusals.CannotSignIn, refusals.MayNotView, refusals.OtherTenant),
)
_CHANGED = (
    *(refusals.AlreadyDecided, refusals.EffectChanged),
    *(refusals.SeenAnother, refusals.TooLate),
)
_HAS_VOTED = (refusals.AlreadyVoted, refusals.DelegateHasVoted, refusals.DelegatorHasVoted)
_VOTE = (SignatureRequired, *_VOTERS, *_CHANGED, *_HAS_VOTED, refusals.SignInTooOld)
_PAYLOAD = (
    *(payloads.Altered, payloads.ForbiddenContent, payloads.TooLarge),
    *(payloads.Unfitting, payloads.UnknownCommand),
)


def _decision(
    verb: str, *, takes: type[CommandInput], raises: tuple[type[CommandError], ...], **facts: Any
) -> Callable[[Method], Method]:
    """Document a decision, which returns the updated request."""
    return documented(
        f"{verb}_approval_request",
        takes=takes,
        gives=resources.ApprovalRequestResource,
        is_command=True,
        raises=(*raises, refusals.RequestAltered),
        **facts,
    )


_vote = partial(_decision, is_for_people=True)


class ApprovalRequestViewSet(CommandViewSet):
    """Approval requests: to read, and to decide for users who are signed in."""

    tag = "approval requests"
    field_names = {"reason": "comment"}

    @documented(
        "list_approval_requests",
        lists=resources.ApprovalRequestInList,
        query=ApprovalRequestListQuery,
    )
    def list(self, request: Request) -> Response:
        """List requests, newest first."""
        query = ApprovalRequestListQuery.of(request)
        actor = self.actor
        found = page(with_numbers(listing.found_by(query, actor=actor)), query)
        rows = [resources.approval_request_in_list(row) for row in present(found.rows, actor=actor)]
        return Response(body(request, query, rows, cursor=found.cursor))

    @documented("retrieve_approval_request", gives=resources.ApprovalRequestResource)
    def retrieve(self, request: Request, approval_request_id: UUID) -> Response:
        """Return one request."""
        return Response(self._detail(self._visible(approval_request_id)))

    @documented(
        "retrieve_evidence_of_approval_request",
        gives=resources.EvidenceFile,
        raises=(EvidenceDisagrees, Forbidden, InsufficientScope),
    )
    def evidence(self, request: Request, approval_request_id: UUID) -> HttpResponse:
        """Return the signed evidence of one request, for callers who may read the audit log.

        Save the body as it is, for `manage.py approvals_verify`: these bytes are signed.
        """
        self.actor.require(VIEW_LOG)
        found = self._visible(approval_request_id)
        return HttpResponse(evidence.write(found), content_type="application/json")

    @_vote("approve", takes=VoteInput, raises=(*_VOTE, refusals.NoReasonGiven, *_PAYLOAD))
    def approve(self, request: Request, approval_request_id: UUID) -> Response:
        """Approve a request; the last approval needed executes its command."""
        return self.send(Approve, approval_request_id=approval_request_id)

    @_vote("deny", takes=DenyInput, raises=_VOTE)
    def deny(self, request: Request, approval_request_id: UUID) -> Response:
        """Deny a request, which ends it."""
        return self.send(Deny, approval_request_id=approval_request_id)

    @_vote("request_changes_to", takes=RequestChangesInput, raises=_VOTE)
    def request_changes(self, request: Request, approval_request_id: UUID) -> Response:
        """Request changes, which ends the request like a denial."""
        return self.send(RequestChanges, approval_request_id=approval_request_id)

    @_decision("comment_on", takes=RequiredCommentInput, raises=_VOTERS)
    def comment(self, request: Request, approval_request_id: UUID) -> Response:
        """Comment on a request, as its requester or an approver; this decides nothing."""
        return self.send(Comment, approval_request_id=approval_request_id)

    @_decision(
        "remind_approvers_of",
        takes=CommentInput,
        raises=(
            *(refusals.AlreadyDecided, refusals.AlreadyReminded, refusals.NoOneToRemind),
            *(refusals.NotTheRequester, refusals.TooLate),
        ),
    )
    def remind(self, request: Request, approval_request_id: UUID) -> Response:
        """Send the e-mail about your own request again, at most once a day."""
        return self.send(RemindApprovers, approval_request_id=approval_request_id)

    @_vote("take_back", takes=VoteInput, raises=(*_CHANGED, refusals.NothingToTakeBack))
    def take_back(self, request: Request, approval_request_id: UUID) -> Response:
        """Take back your vote while the request is undecided."""
        return self.send(TakeBack, approval_request_id=approval_request_id)

    @_decision(
        "withdraw",
        takes=OptionalDigestInput,
        raises=(*_CHANGED, refusals.MustBeDecided, refusals.NotTheRequester),
    )
    def withdraw(self, request: Request, approval_request_id: UUID) -> Response:
        """Withdraw your own request."""
        return self.send(Withdraw, approval_request_id=approval_request_id)

    @_decision(
        "retry",
        takes=OptionalDigestInput,
        raises=(
            *_VOTERS,
            *(refusals.EffectChanged, refusals.SeenAnother, refusals.TooLate),
            *_PAYLOAD,
            *(refusals.NoReasonGiven, refusals.NotEnoughApprovals, refusals.NotToBeRetried),
        ),
    )
    def retry(self, request: Request, approval_request_id: UUID) -> Response:
        """Retry an approved command after a temporary failure."""
        return self.send(Retry, approval_request_id=approval_request_id)

    @documented(
        "raise_approval_request_again",
        takes=CommentInput,
        gives=resources.ApprovalRequestResource | CarriedOut,
        is_command=True,
        raises=(refusals.NotTheRequester, refusals.NotToBeRaisedAgain, *_PAYLOAD),
        sends_any=True,
    )
    def raise_again(self, request: Request, approval_request_id: UUID) -> Response:
        """Resubmit an unsuccessful request; it is held again if a policy requires it."""
        try:
            asked = self._visible(approval_request_id)
            command, self.execute_after = resubmitted(asked, actor=self.actor), time_of(asked)
        except Refused as error:
            return self.refuse(error)
        return self.send(type(command), **command.plain())

    def represent(self, completed: Completed) -> resources.ApprovalRequestResource | CarriedOut:
        """Return the updated request, or the outcome of a resubmitted command."""
        if isinstance(completed.result, ApprovalRequest):
            request = completed.result
            # Not the number that the handler may have read before it emitted its event.
            request.number = store.current_number(Subject("approval-request", str(request.pk)))
            return self._detail(request)
        return _outcome(completed)

    def _visible(self, approval_request_id: UUID) -> ApprovalRequest:
        rows = with_numbers(listing.visible_to(self.actor))
        return visible(rows, Subject("approval-request", str(approval_request_id)))

    def _detail(self, request: ApprovalRequest) -> resources.ApprovalRequestResource:
        (presented,) = present([request], actor=self.actor)
        return resources.approval_request(presented, actor=self.actor)


def _outcome(completed: Completed) -> CarriedOut:
    """Return the outcome of a command of any type, with its secret, which is shown only once."""
    outcome: CarriedOut = {
        "status": "succeeded",
        "command": {"id": str(completed.command_id), "url": status_url(completed.command_id)},
    }
    if completed.secret:
        outcome["secret"] = completed.secret
    return outcome
