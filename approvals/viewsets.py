"""Approval requests and policies over HTTP, version 2."""

from typing import Any
from uuid import UUID

from django.http import QueryDict
from django.shortcuts import get_object_or_404
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from approvals import listing, resources
from approvals.commands import Approve, Deny, Retry, TakeBack, Withdraw
from approvals.models import ApprovalRequest
from approvals.presentation import present
from approvals.raising import raised_again
from audit.outcomes import Completed
from audit.viewsets import LONGEST_REASON, CommandInput, CommandViewSet, status_url


class CommentInput(CommandInput):
    """A comment, which is the reason."""

    # The documented way to do without an inherited field.
    reason = None  # type: ignore[assignment]
    comment = serializers.CharField(
        source="reason",
        required=False,
        allow_blank=True,
        max_length=LONGEST_REASON,
        help_text="Why you do this.",
    )


class WithdrawInput(CommentInput):
    """What comes with taking a request back."""

    digest = serializers.CharField(
        required=False, max_length=64, help_text="That of the request as you saw it, if you like."
    )


class VoteInput(CommentInput):
    """What comes with an approval, or with taking a vote back."""

    digest = serializers.CharField(max_length=64, help_text="That of the request as you saw it.")


class DenyInput(VoteInput):
    """What comes with a denial."""

    comment = serializers.CharField(
        source="reason", max_length=LONGEST_REASON, help_text="Why you deny it."
    )


class ApprovalRequestViewSet(CommandViewSet):
    """Approval requests: to read, and to decide about by those who are signed in."""

    def list(self, request: Request) -> Response:
        """List requests, newest first."""
        query = listing.ListQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        actor = self.actor
        page = listing.page(query.validated_data, actor=actor)
        rows = present(page.requests, actor=actor)
        return Response(
            {
                "results": [resources.approval_request_in_list(row) for row in rows],
                "next": _address(request, page.next) if page.next else None,
            }
        )

    def retrieve(self, request: Request, approval_request_id: UUID) -> Response:
        """Show one request. Its ETag is the digest that a decision has to name."""
        found = get_object_or_404(listing.visible_to(self.actor), pk=approval_request_id)
        return Response(self._detail(found), headers={"ETag": f'"{found.digest}"'})

    def approve(self, request: Request, approval_request_id: UUID) -> Response:
        """Approve what was asked for; the last approval that it takes carries it out."""
        return self.send(Approve, takes=VoteInput, approval_request_id=approval_request_id)

    def deny(self, request: Request, approval_request_id: UUID) -> Response:
        """Deny what was asked for, and end the request."""
        return self.send(Deny, takes=DenyInput, approval_request_id=approval_request_id)

    def take_back(self, request: Request, approval_request_id: UUID) -> Response:
        """Take one's own vote back while nothing is decided."""
        return self.send(TakeBack, takes=VoteInput, approval_request_id=approval_request_id)

    def withdraw(self, request: Request, approval_request_id: UUID) -> Response:
        """Withdraw what one asked for oneself."""
        return self.send(Withdraw, takes=WithdrawInput, approval_request_id=approval_request_id)

    def retry(self, request: Request, approval_request_id: UUID) -> Response:
        """Try again to carry out what was approved but failed in a way that may pass."""
        return self.send(Retry, takes=CommentInput, approval_request_id=approval_request_id)

    def raise_again(self, request: Request, approval_request_id: UUID) -> Response:
        """Ask once more for what came to nothing; it is held again where a policy says so."""
        found = get_object_or_404(listing.visible_to(self.actor), pk=approval_request_id)
        command = raised_again(found, actor=self.actor)
        return self.send(type(command), takes=CommentInput, **command.plain())

    def represent(self, completed: Completed) -> dict[str, Any]:
        """Present the request as it stands after the decision; or what was asked for once more."""
        match completed.result:
            case ApprovalRequest() as decided:
                return self._detail(decided)
            case _:
                return _carried_out(completed)

    def _detail(self, request: ApprovalRequest) -> dict[str, Any]:
        actor = self.actor
        (presented,) = present([request], actor=actor)
        return resources.approval_request(presented, actor=actor)


def _carried_out(completed: Completed) -> dict[str, Any]:
    """Present a command of any kind, with what nobody is told a second time."""
    told = {"secret": completed.secret} if completed.secret else {}
    command = {"id": str(completed.command_id), "url": status_url(completed.command_id)}
    return {"status": "succeeded", "command": command, **told}


def _address(request: Request, cursor: listing.Cursor) -> str:
    parameters = QueryDict(request.META.get("QUERY_STRING", ""), mutable=True)
    parameters["cursor"] = str(cursor)
    return f"{request.path}?{parameters.urlencode()}"
