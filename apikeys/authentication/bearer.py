"""Who a request comes from, by the secret in its Authorization header."""

from dataclasses import dataclass
from http import HTTPStatus

import structlog
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import APIException, AuthenticationFailed
from rest_framework.request import Request

from apikeys.authentication.credentials import Authentication, BadCredential, authenticate
from apikeys.authentication.middleware import remember
from apikeys.authentication.rate_limits import LimiterFailed, LimitReached
from audit.actors.actors import Actor
from audit.entry.requests import client_address

logger = structlog.get_logger(__name__)


class RateLimited(APIException):
    """The key has called too often, or its address has shown too many secrets that are not good."""

    remedy = "Wait Retry-After seconds, then send fewer requests."

    status_code = HTTPStatus.TOO_MANY_REQUESTS
    default_code = "rate_limited"
    default_detail = "Too many requests: wait Retry-After seconds."

    def __init__(self, wait: int = 1) -> None:
        super().__init__()
        self.wait = wait


class RateLimitUnknown(APIException):
    """Whether the key has called too often cannot be told at the moment."""

    remedy = "Try again after Retry-After seconds."

    status_code = HTTPStatus.SERVICE_UNAVAILABLE
    default_code = "rate_limit_unknown"
    default_detail = "Rate limits cannot be checked at the moment. Nothing was done: try again."
    wait = 5


@dataclass(frozen=True, slots=True)
class Principal:
    """What stands in for Django's user when a key is calling."""

    actor: Actor
    is_authenticated: bool = True


class ApiKeyAuthentication(BaseAuthentication):
    """Takes ``Authorization: Bearer cs_live_…``, or ``cs_test_…``."""

    refuses_with = (RateLimited, RateLimitUnknown)

    def authenticate(self, request: Request) -> tuple[Principal, Actor] | None:
        """Find the actor, if this is our scheme; every bad secret gets the same answer.

        :raises AuthenticationFailed: if the secret is not good now.
        :raises RateLimited: if it, or what comes from this address, is used too often.
        :raises RateLimitUnknown: if that cannot be told.
        """
        scheme, _, token = get_authorization_header(request).partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        found = _authenticate(request, token.strip().decode("ascii", errors="replace"))
        remember(request._request, found.standing)
        return Principal(found.actor), found.actor

    def authenticate_header(self, request: Request) -> str:
        """Name the scheme in the answer to whoever came without it."""
        return "Bearer"


def _authenticate(request: Request, text: str) -> Authentication:
    address = client_address(request._request)
    try:
        return authenticate(text, address=address)
    except BadCredential as error:
        logger.warning("authentication failed", why=str(error), client_address=address)
        raise AuthenticationFailed from error
    except LimitReached as error:
        logger.warning("authentication failed", why=str(error), client_address=address)
        remember(request._request, error.standing)
        raise RateLimited(error.standing.seconds) from error
    except LimiterFailed as error:
        raise RateLimitUnknown from error
