"""Verification of secrets, for other services that accept Countersign's keys."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypedDict

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apikeys.authentication import usage
from apikeys.authentication.credentials import BadCredential, Candidate, Verdict, candidate_of_token
from apikeys.rest.serializers import ScopesField
from audit.domain import Actor, normal_address, scopes_not_covered
from audit.rest import ActorViewSet, documented, refuse_misfits, resource

_LONGEST_SECRET = 4096
_LONGEST_ADDRESS = 45


class VerifyInput(serializers.Serializer[Any]):
    """Input to verify a secret. Errors repeat no value: the secret may be in any field."""

    secret = serializers.CharField(
        max_length=_LONGEST_SECRET,
        allow_blank=True,
        write_only=True,
        help_text="The secret to verify.",
    )
    scopes = ScopesField(max_length=50, help_text="Scopes that the key must include, all of them.")
    address = serializers.CharField(
        required=False,
        max_length=_LONGEST_ADDRESS,
        help_text="The IP address of the secret's user.",
    )

    def validate_address(self, text: str) -> str:
        """Return the IP address in the form in which callers' own addresses are stored."""
        address = normal_address(text)
        if address is None:
            raise serializers.ValidationError("must be an IPv4 or IPv6 address")
        return address


class VerifiedOwner(TypedDict):
    """The owner of a key."""

    id: int
    username: str


class VerifiedKey(TypedDict):
    """The key that a secret belongs to."""

    id: str
    name: str
    environment: str
    scopes: list[str]
    customer_id: str
    owner: VerifiedOwner
    expires_at: datetime | None


class Verification(TypedDict):
    """The validity of a secret, with the reason."""

    valid: bool
    code: str
    detail: str
    key: VerifiedKey | None


class VerificationViewSet(ActorViewSet):
    """The endpoint that verifies secrets for authorized services."""

    tag = "API keys"

    @documented("verify_api_key", takes=VerifyInput, gives=Verification, always=("Cache-Control",))
    def create(self, request: Request) -> Response:
        """Verify a secret, for these scopes and from this IP address.

        It changes nothing except the key's time of last use, so it is not a command. It counts
        against the rate limit of the caller, not against that of the verified key.
        """
        self.actor.require("apikeys.verify_apikey")
        values = _read(request.data)
        found = _verify(self.actor, **values)
        return Response(found, headers={"Cache-Control": "no-store"})


def _read(body: Any) -> dict[str, Any]:
    serializer = VerifyInput(data=body)
    refuse_misfits(serializer, body)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def _verify(
    actor: Actor, *, secret: str, scopes: Sequence[str] = (), address: str | None = None
) -> Verification:
    try:
        candidate = candidate_of_token(secret, address=address)
    except BadCredential as error:
        return _verification(error.verdict)
    if not actor.may_see(str(candidate.customer_id)):
        return _verification(Verdict.UNKNOWN)
    verdict = Verdict(candidate.verdict)
    if verdict is Verdict.VALID and scopes_not_covered(scopes, candidate.scopes):
        verdict = Verdict.INSUFFICIENT_SCOPE
    if verdict is Verdict.VALID:
        usage.note(candidate.id, address)
    return _verification(verdict, candidate)


def _verification(verdict: Verdict, candidate: Candidate | None = None) -> Verification:
    return {
        "valid": verdict is Verdict.VALID,
        "code": verdict.value,
        "detail": verdict.label,
        "key": _key(candidate) if candidate else None,
    }


def _key(candidate: Candidate) -> VerifiedKey:
    owner: VerifiedOwner = {"id": candidate.owner_id, "username": candidate.owner}
    ids = {"id": str(candidate.id), "customer_id": str(candidate.customer_id)}
    return resource(VerifiedKey, candidate, owner=owner, **ids)
