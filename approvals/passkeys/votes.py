"""Signed votes: the signature by a passkey over a vote, when it is cast and when it is counted."""

import hashlib
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

from approvals.models import ApprovalRequest, Vote
from approvals.passkeys import ceremonies, listing, signing
from approvals.passkeys.ceremonies import Signature, SignatureInvalid
from approvals.sealing import payloads
from audit.messages.exceptions import Forbidden

OPTION = "signed_votes"


class SignatureRequired(Forbidden):
    """A policy requires that votes on this request are signed, so it is decided on its page."""

    remedy = "Open the page of the request in a browser, and sign the vote with your passkey."


def are_required(request: ApprovalRequest) -> bool:
    """Return True if votes on a request have to be signed."""
    return bool(request.options.get(OPTION))


def challenge_of(vote: Any, *, requirements: Mapping[str, Any], nonce: str) -> bytes:
    """Return the challenge that the passkey of a voter signs.

    ``requirements`` are those stored with the request, which never change.
    """
    content = {
        "request": str(vote.request_id),
        "decision": str(vote.decision),
        "digest": vote.digest,
        "requirements": hashlib.sha256(payloads.canonical(requirements)).hexdigest(),
        "voter": str(vote.voter_id),
        "place": str(vote.place_id),
        "number": vote.number,
        "nonce": nonce,
    }
    return ceremonies.digest("vote", content)


def assertion_of(signature: str, vote: Vote, *, request: ApprovalRequest) -> dict[str, str] | None:
    """Return the verified signature of a vote that is being cast, to be stored with it.

    :raises SignatureRequired: if there is none, and the policies require one.
    :raises Forbidden: if it is not valid for this vote.
    """
    if not signature:
        if are_required(request):
            raise SignatureRequired
        return None
    read = Signature.read(signature)
    challenge = challenge_of(vote, requirements=request.requirements, nonce=read.nonce)
    signing.use(read, person_id=vote.voter_id, challenge=challenge)
    return read.as_dict() | {"origin": ceremonies.relying_party().origin}


def verify(vote: Any, *, requirements: Mapping[str, Any], public_key: str) -> None:
    """Verify the stored signature of a vote again, at the origin at which it was made.

    :raises SignatureInvalid: if it is missing, or not valid for this vote.
    """
    assertion = vote.assertion or {}
    signature = Signature.of(assertion)
    party = ceremonies.party_at(str(assertion.get("origin", "")))
    challenge = challenge_of(vote, requirements=requirements, nonce=signature.nonce)
    ceremonies.verify_signature(signature, public_key=public_key, challenge=challenge, party=party)


class Signatures:
    """The signatures of the votes on some requests: their passkeys are read by one query."""

    def __init__(self, requests: Iterable[ApprovalRequest]) -> None:
        self._requests = requests

    def suffice(self, vote: Vote, request: ApprovalRequest) -> bool:
        """Return True if a vote is signed, or need not be.

        The passkey is one of the voter, which counted when the vote was cast.
        """
        if not are_required(request):
            return True
        passkey = self._passkeys.get((vote.assertion or {}).get("credential_id"))
        if passkey is None or passkey.user_id != vote.voter_id:
            return False
        if not listing.counts(passkey, vote.cast_at):
            return False
        try:
            verify(vote, requirements=request.requirements, public_key=passkey.public_key)
        except SignatureInvalid:
            return False
        return True

    @cached_property
    def _passkeys(self) -> dict[Any, Any]:
        votes = (vote for each in self._requests if are_required(each) for vote in each.all_votes())
        used = {vote.assertion.get("credential_id") for vote in votes if vote.assertion}
        return {
            each.credential_id: each for each in listing.passkeys().filter(credential_id__in=used)
        }
