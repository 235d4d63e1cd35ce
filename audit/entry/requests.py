"""Contexts of HTTP requests: actor, client address, ids and reason."""

import ipaddress
import re
from datetime import UTC, datetime
from functools import lru_cache

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.utils import timezone
from uuid_utils.compat import uuid7

from audit.actors.actors import Actor, actor_for_user
from audit.bus.context import Context, RequestFacts
from audit.installation.settings import countersign
from audit.messages.text import clean_text, header_line

#: The key of the session with the time of signing in, in seconds since 1970.
SIGNED_IN_AT = "signed_in_at"
#: The key with the time when the sign-in was last confirmed, if it was.
CONFIRMED_AT = "confirmed_at"
#: The longest reason that is recorded, in characters.
LONGEST_REASON = 1000
_LONGEST_TRACEPARENT = 200
_WITH_PORT_OR_BRACKETS = re.compile(r"(?:\[(?P<v6>[^\]]+)\]|(?P<v4>[0-9.]+))(?::[0-9]{1,5})?")
_WELL_FORMED_ID = re.compile(r"[!-~]{1,200}")
_LONGEST_USER_AGENT = 500


def context_of(
    request: HttpRequest,
    *,
    channel: str,
    actor: Actor | None = None,
    reason: str = "",
    expected_number: int | None = None,
) -> Context:
    """Return the context of a request's command; the default actor is its user."""
    return Context(
        actor=actor or actor_of_request(request),
        channel=channel,
        reason=clean_text(reason, longest=LONGEST_REASON),
        request=request_facts(request),
        expected_number=expected_number,
    )


def request_facts(request: HttpRequest) -> RequestFacts:
    """Return the facts of a request that are recorded: its ids, client address and user agent."""
    return RequestFacts(
        request_id=request_id_of(request),
        traceparent=_line(request, "traceparent", longest=_LONGEST_TRACEPARENT),
        client_address=client_address(request),
        user_agent=_line(request, "User-Agent", longest=_LONGEST_USER_AGENT),
        authenticated_at=authenticated_at(request),
    )


def request_id_of(request: HttpRequest) -> str:
    """Return the id of a request: the same one each time."""
    known: str | None = vars(request).get("_countersign_request_id")
    if known is None:
        known = request_id_from(request.headers.get("X-Request-Id", ""))
        vars(request)["_countersign_request_id"] = known
    return known


def request_id_from(given: str) -> str:
    """Return the caller's X-Request-Id if it is well-formed, otherwise a new id.

    Well-formed is printable ASCII without spaces, at most 200 characters.
    """
    return given if _WELL_FORMED_ID.fullmatch(given) else str(uuid7())


def client_address(request: HttpRequest) -> str | None:
    """Return the IP address of the client, or None if it is unknown.

    Each of the TRUSTED_PROXIES appends the address of its client, so the address of ours is that
    many places from the right. Everything left of it may be forged.
    """
    if not countersign().trusted_proxies:
        return normal_address(request.META.get("REMOTE_ADDR", ""))
    seen = request.headers.get("X-Forwarded-For", "").split(",")
    if len(seen) < countersign().trusted_proxies:
        return None
    return normal_address(seen[-countersign().trusted_proxies])


@lru_cache(maxsize=1024)
def normal_address(text: str) -> str | None:
    """Return an IP address in its one normal form, or None if the text is not one.

    A proxy may add a port, and brackets around IPv6: "192.0.2.7:4711", "[2001:db8::1]:4711".
    """
    text = text.strip()
    if found := _WITH_PORT_OR_BRACKETS.fullmatch(text):
        text = found["v6"] or found["v4"]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        # A zone, as in fe80::1%eth0, means something on the proxy only.
        return None if address.scope_id else str(address.ipv4_mapped or address)
    return str(address)


def actor_of_request(request: HttpRequest) -> Actor:
    """Return the actor of the signed-in user, built once a request."""
    known: Actor | None = vars(request).get("_countersign_actor")
    if known is None:
        # REST framework can be set up to have no user for anonymous callers.
        known = actor_for_user(request.user or AnonymousUser())
        # Cached on the request, because an admin page needs it several times.
        vars(request)["_countersign_actor"] = known
    return known


def authenticated_at(request: HttpRequest) -> datetime | None:
    """Return when the session was signed in, or the sign-in confirmed; never load one for that."""
    session = getattr(request, "session", None)
    if session is None or not session.accessed or SIGNED_IN_AT not in session:
        return None
    newest = max(session[SIGNED_IN_AT], session.get(CONFIRMED_AT, 0))
    return datetime.fromtimestamp(newest, UTC)


def has_old_sign_in(request: HttpRequest) -> bool:
    """Return True if the session's sign-in is too old for a vote, by `is_old_sign_in`."""
    return is_old_sign_in(authenticated_at(request))


def is_old_sign_in(at: datetime | None) -> bool:
    """Return True if a sign-in is too old for a vote, or its time unknown, by STEP_UP_AFTER."""
    longest = countersign().step_up_after
    return longest is not None and (at is None or timezone.now() - at > longest)


def _line(request: HttpRequest, name: str, *, longest: int) -> str:
    return header_line(request.headers.get(name, ""), longest=longest)
