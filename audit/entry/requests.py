"""Contexts of HTTP requests: actor, client address, ids and reason."""

import ipaddress
from functools import lru_cache

from django.conf import settings
from django.http import HttpRequest

from audit.actors.actors import Actor, actor_for_user
from audit.bus.context import Context, RequestFacts
from audit.messages.text import clean_text, header_line

#: The longest reason that is recorded, in characters.
LONGEST_REASON = 1000
_LONGEST_ID = 200
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
        request_id=_line(request, "X-Request-Id", longest=_LONGEST_ID),
        traceparent=_line(request, "traceparent", longest=_LONGEST_ID),
        client_address=client_address(request),
        user_agent=_line(request, "User-Agent", longest=_LONGEST_USER_AGENT),
    )


def client_address(request: HttpRequest) -> str | None:
    """Return the IP address of the client, or None if it is unknown.

    Each of the TRUSTED_PROXIES appends the address of its client, so the address of ours is that
    many places from the right. Everything left of it may be forged.
    """
    if not settings.TRUSTED_PROXIES:
        return normal_address(request.META.get("REMOTE_ADDR", ""))
    seen = request.headers.get("X-Forwarded-For", "").split(",")
    if len(seen) < settings.TRUSTED_PROXIES:
        return None
    return normal_address(seen[-settings.TRUSTED_PROXIES])


@lru_cache(maxsize=1024)
def normal_address(text: str) -> str | None:
    """Return an IP address in its one normal form, or None if the text is not one."""
    try:
        address = ipaddress.ip_address(text.strip())
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
        known = actor_for_user(request.user)
        # Cached on the request, because an admin page needs it several times.
        vars(request)["_countersign_actor"] = known
    return known


def _line(request: HttpRequest, name: str, *, longest: int) -> str:
    return header_line(request.headers.get(name, ""), longest=longest)
