"""Contexts of HTTP requests: who sends a command, from where and why."""

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
    """Return the context of a command that a request asks for; without ``actor``, of its user."""
    return Context(
        actor=actor or actor_of_request(request),
        channel=channel,
        reason=clean_text(reason, longest=LONGEST_REASON),
        request=request_facts(request),
        expected_number=expected_number,
    )


def request_facts(request: HttpRequest) -> RequestFacts:
    """Return who calls, from where and under which ids of the caller's own."""
    return RequestFacts(
        request_id=_line(request, "X-Request-Id", longest=_LONGEST_ID),
        traceparent=_line(request, "traceparent", longest=_LONGEST_ID),
        client_address=client_address(request),
        user_agent=_line(request, "User-Agent", longest=_LONGEST_USER_AGENT),
    )


def client_address(request: HttpRequest) -> str | None:
    """Tell where a request comes from, or None where that cannot be known.

    Each of the TRUSTED_PROXIES appends the address that it was called from, so what the last of
    them saw is that many places from the right; whatever is left of it, anybody can make up.
    """
    if not settings.TRUSTED_PROXIES:
        return normal_address(request.META.get("REMOTE_ADDR", ""))
    seen = request.headers.get("X-Forwarded-For", "").split(",")
    if len(seen) < settings.TRUSTED_PROXIES:
        return None
    return normal_address(seen[-settings.TRUSTED_PROXIES])


@lru_cache(maxsize=1024)
def normal_address(text: str) -> str | None:
    """Read an IP address and write it in its one normal form; None if it is none."""
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        # A zone, as in fe80::1%eth0, means something on the proxy only.
        return None if address.scope_id else str(address.ipv4_mapped or address)
    return str(address)


def actor_of_request(request: HttpRequest) -> Actor:
    """Build the actor that is signed in, once a request."""
    known: Actor | None = vars(request).get("_countersign_actor")
    if known is None:
        known = actor_for_user(request.user)
        # Kept on the request, for an admin page asks for it several times.
        vars(request)["_countersign_actor"] = known
    return known


def _line(request: HttpRequest, name: str, *, longest: int) -> str:
    return header_line(request.headers.get(name, ""), longest=longest)
