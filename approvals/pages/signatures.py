"""Signatures of votes on pages: what the script needs for them, and what it sends back."""

import json
from dataclasses import replace
from typing import NamedTuple

from django.http import HttpRequest
from django.utils import timezone

from approvals.models import ApprovalRequest, Decision, Vote
from approvals.models.votes import next_number
from approvals.pages.nonces import nonce_of
from approvals.passkeys import ceremonies, listing, votes
from approvals.passkeys.ceremonies import Signature
from approvals.requests.presentation import Ballot
from audit.entry.requests import actor_of_request

_NO_PASSKEY = "You have no passkey."
_NOT_YET = (
    "Your passkey does not count yet: first, a checkpoint of the transparency log that includes "
    "its registration has to be kept outside."
)


class Signing(NamedTuple):
    """The options of the signature of each decision, as JSON, or the reason why there are none."""

    problem: str = ""
    approve: str = ""
    deny: str = ""


def signing_of(
    approval_request: ApprovalRequest, ballot: Ballot, *, request: HttpRequest
) -> Signing | None:
    """Return what the page needs for a signed vote; None if no signed vote is possible."""
    if not (ballot.may_deny and votes.are_required(approval_request)):
        return None
    if problem := ceremonies.problem_with_address():
        return Signing(problem)
    person_id = int(actor_of_request(request).person_id)
    current, now = listing.current(person_id), timezone.now()
    known = [each for each in current if listing.counts(each, now)]
    if not known:
        return Signing(_NOT_YET if current else _NO_PASSKEY)
    nonce = _nonce(approval_request, request)

    def options(decision: Decision) -> str:
        vote = _next_vote(approval_request, ballot, decision, person_id=person_id)
        requirements = approval_request.requirements
        challenge = votes.challenge_of(vote, requirements=requirements, nonce=nonce)
        return ceremonies.signature_options(challenge=challenge, known=known)

    return Signing(approve=options(Decision.APPROVE), deny=options(Decision.DENY))


def given_in(request: HttpRequest, approval_request: ApprovalRequest) -> str:
    """Return the signature in a form, with the nonce of the session; empty if there is none.

    :raises SignatureInvalid: if it is malformed.
    """
    text = request.POST.get("signature", "")
    if not text:
        return ""
    signature = replace(Signature.read(text), nonce=_nonce(approval_request, request))
    return json.dumps(signature.as_dict(), separators=(",", ":"))


def _nonce(approval_request: ApprovalRequest, request: HttpRequest) -> str:
    return nonce_of(request, f"vote {approval_request.pk}")


def _next_vote(
    approval_request: ApprovalRequest, ballot: Ballot, decision: Decision, *, person_id: int
) -> Vote:
    """Return the vote that the person would cast, unsaved."""
    own = (each for each in approval_request.all_votes() if each.voter_id == person_id)
    return Vote(
        request_id=approval_request.pk,
        voter_id=person_id,
        delegator_id=ballot.delegation.delegator_id if ballot.delegation else None,
        number=next_number(own),
        decision=decision,
        digest=approval_request.digest,
    )
