"""Who a request comes from, by the secret in its Authorization header."""

from dataclasses import dataclass

import structlog
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from apikeys.credentials import BadCredential, actor_of_token
from audit.actors import Actor
from audit.requests import request_facts

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Principal:
    """What stands in for Django's user when a key is calling."""

    actor: Actor
    is_authenticated: bool = True


class ApiKeyAuthentication(BaseAuthentication):
    """Takes ``Authorization: Bearer cs_live_…``."""

    def authenticate(self, request: Request) -> tuple[Principal, Actor] | None:
        """Find the actor, if this is our scheme; every bad secret gets the same answer.

        :raises AuthenticationFailed: if the secret is not good now.
        """
        scheme, _, token = get_authorization_header(request).partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        try:
            actor = actor_of_token(token.strip().decode("ascii", errors="replace"))
        except BadCredential as error:
            facts = request_facts(request._request)
            address = facts.client_address
            logger.warning("authentication failed", why=str(error), client_address=address)
            raise AuthenticationFailed from error
        return Principal(actor), actor

    def authenticate_header(self, request: Request) -> str:
        """Name the scheme in the answer to whoever came without it."""
        return "Bearer"
