"""Refusals of decisions on approval requests."""

from datetime import datetime
from typing import Self

from audit.messages.exceptions import Cancelled, Conflict, Forbidden, PreconditionFailed


class RequestAltered(Conflict):
    """This request was altered in the database: it is set aside, and its command never runs."""

    title = "Altered request"
    remedy = "Inform the operators. If the command is still needed, send it again."


class AlreadyDecided(Conflict):
    """The request is already decided."""

    remedy = "Read the request: its state and outcome have the decision."

    @classmethod
    def with_outcome(cls, outcome: str) -> Self:
        """Return the refusal that names the outcome of the request."""
        if outcome.startswith(("Approved", "Denied", "Withdrawn")):
            return cls(f"This request was already {outcome[0].lower()}{outcome[1:]}")
        return cls(f"This request is no longer waiting. {outcome}".strip())


class AlreadyVoted(Conflict):
    """You have already voted on this request."""

    remedy = "No action is needed. To change your vote, take it back first."


class DelegateHasVoted(Conflict):
    """Your delegate has already voted on this request in your place."""

    remedy = "Ask your delegate to take the vote back, or end the delegation."


class DelegatorHasVoted(Conflict):
    """The person in whose place you could vote already has a vote on this request."""

    remedy = "No action is needed."


class NothingToTakeBack(Conflict):
    """You have no current vote on this request to take back."""

    remedy = "Read the request: its votes show which are current."


class SignInTooOld(Forbidden):
    """Your sign-in is too old for a vote: confirm it with your password or second factor."""

    title = "Sign-in too old"
    remedy = "Confirm your sign-in at /confirm-sign-in/, or sign in again; then vote again."


class TooLate(Conflict):
    """The deadline for approving this request has passed."""

    remedy = "Ask the requester to resubmit it, then approve the new request."


class TooEarly(Conflict):
    """The requester has chosen a later time for the execution."""

    title = "Not to be executed yet"
    remedy = "Wait until then, or send the command again without a time."


class AlreadyReminded(Conflict):
    """The approvers were reminded of this request less than a day ago."""

    remedy = "Wait until a day has passed, or ask an approver directly."


class NoOneToRemind(Conflict):
    """No one can vote on this request at the moment."""

    title = "No one to remind"
    remedy = "Ask an administrator to add people to the groups in the requirements."


class NotToBeRetried(Conflict):
    """Only temporary failures can be retried."""

    title = "Not retriable"
    remedy = "Resubmit it instead, if it is still needed."


class NoReasonGiven(Conflict):
    """Today's policies require a reason from the requester, and this request has none."""

    remedy = "Ask the requester to withdraw it, and to send the command again with a reason."


class NotToBeRaisedAgain(Conflict):
    """Only refused, failed, expired, denied or stale requests can be resubmitted."""

    title = "Cannot be resubmitted"
    remedy = "Follow the existing request, or send the command again."


class MustBeDecided(Conflict):
    """A review of break-glass cannot be withdrawn: two policy owners decide it."""

    title = "Has to be decided"
    remedy = "Ask the policy owners to vote."


class NotYetExpired(Conflict):
    """The deadline for approving this request has not passed yet."""

    remedy = "Wait until approve_by has passed, or deny the request."


class NotEnoughApprovals(Conflict):
    """Too few of the approvals still count."""

    remedy = "Ask other approvers to vote."


class Denial(Cancelled):
    """The request was denied."""

    code = "denied"


class Withdrawal(Cancelled):
    """The request was withdrawn."""

    code = "withdrawn"


class Expiry(Cancelled):
    """The request was not decided in time."""

    code = "expired"

    @classmethod
    def at(cls, approve_by: datetime) -> Self:
        """Return the end of a request that was to be decided by then."""
        return cls(f"No decision was made by {approve_by:%Y-%m-%d %H:%M} UTC.")


class OwnRequest(Forbidden):
    """You or a key of yours requested this: others have to approve it."""

    remedy = "Ask another member of the group to vote."


class NotAnApprover(Forbidden):
    """You belong to no group that may approve this request."""

    remedy = "Ask a member of a group in the requirements to vote."


class TooNew(Forbidden):
    """You have not been a member long enough to approve this request."""

    title = "Membership too recent"
    remedy = "Ask a longer-standing member of the group to vote."


class NotAPerson(Forbidden):
    """Only people can vote, signed in as themselves; API keys and services cannot."""

    remedy = "Sign in as a person to vote."


class NotActive(Forbidden):
    """Your account is not active."""

    remedy = "Ask an administrator to activate the account."


class CannotSignIn(Forbidden):
    """Your account cannot sign in to the admin, so its votes do not count."""

    remedy = "Ask an administrator to grant you admin access, and set a password."


class MayNotView(Forbidden):
    """You may not view approval requests, so you may not vote on them."""

    title = "Requests not visible"
    remedy = "Ask an administrator for the permission approvals.view_approvalrequest."


class OtherTenant(Forbidden):
    """You may not see the customer of this request, so you may not vote on it."""

    title = "Customer not visible"
    remedy = "Ask an administrator to give you access to the customer."


class NotTheRequester(Forbidden):
    """Only the requester may withdraw or resubmit this request, or remind its approvers."""

    remedy = "Ask the requester to do it, or deny the request instead."


class SeenAnother(PreconditionFailed):
    """The content of this request is not what you saw: read it again, then decide."""

    title = "Wrong digest"
    remedy = "Read the request again, and send its current digest if you still agree."


class EffectChanged(PreconditionFailed):
    """Your decision would now have another effect: read the request again, then decide."""

    remedy = "Read the request again, and send its current number and effect if you still agree."
