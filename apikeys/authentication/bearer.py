"""Bearer authentication: the actor behind the secret in the Authorization header."""

from dataclasses import dataclass
from http import HTTPStatus

import structlog
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import APIException, AuthenticationFailed
from rest_framework.request import Request

from apikeys.authentication.credentials import Authentication, BadCredential, authenticate
from apikeys.authentication.middleware import remember
from audit.domain import Actor, LimiterFailed, LimitReached, client_address

logger = structlog.get_logger(__name__)


class RateLimited(APIException):
    """The key has sent too many requests, or the IP address too many invalid secrets."""

    remedy = "Wait Retry-After seconds, then send fewer requests."

    status_code = HTTPStatus.TOO_MANY_REQUESTS
    default_code = "rate_limited"
    default_detail = "Too many requests: wait Retry-After seconds."

    def __init__(self, wait: int = 1) -> None:
        super().__init__()
        self.wait = wait


class RateLimitUnknown(APIException):
    """Rate limits cannot be checked at the moment. Nothing was done."""

    remedy = "Try again after Retry-After seconds."

    status_code = HTTPStatus.SERVICE_UNAVAILABLE
    default_code = "rate_limit_unknown"
    default_detail = "Rate limits cannot be checked at the moment. Nothing was done: try again."
    wait = 5


class PlainHttp(APIException):
    """The credentials were sent over plain HTTP, where others can read them. Nothing was done."""

    remedy = "Send requests to https:// only, and rotate the key: others may know its secret."

    status_code = HTTPStatus.FORBIDDEN
    default_code = "plain_http"
    default_detail = "Credentials were sent over plain HTTP: use https://, and rotate the key."


@dataclass(frozen=True, slots=True)
class Principal:
    """The stand-in for Django's user on requests with a key."""

    actor: Actor
    is_authenticated: bool = True


class ApiKeyAuthentication(BaseAuthentication):
    """Authentication by ``Authorization: Bearer cs_live_…`` or ``cs_test_…``."""

    refuses_with = (PlainHttp, RateLimited, RateLimitUnknown)

    def authenticate(self, request: Request) -> tuple[Principal, Actor] | None:
        """Return the actor if the scheme is Bearer; every invalid secret gets the same response.

        :raises AuthenticationFailed: if the secret is not valid now.
        :raises RateLimited: if the key calls, or the IP address fails, too often.
        :raises RateLimitUnknown: if the limits cannot be checked.
        """
        scheme, _, token = get_authorization_header(request).partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        found = _authenticate(request, token.strip().decode("ascii", errors="replace"))
        remember(request._request, found.quota)
        return Principal(found.actor), found.actor

    def authenticate_header(self, request: Request) -> str:
        """Return the scheme, for the response to requests without credentials."""
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
        remember(request._request, error.quota)
        raise RateLimited(error.quota.seconds) from error
    except LimiterFailed as error:
        raise RateLimitUnknown from error
