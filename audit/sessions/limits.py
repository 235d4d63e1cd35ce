"""Limits on attempts to sign in, by IP address and by account.

An account's limit must not let a stranger lock its owner out. So a browser in which the account has
signed in before has a limit of its own, recognized by a signed cookie:
https://owasp.org/www-community/Slow_Down_Online_Guessing_Attacks_with_Device_Cookies
"""

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse

from audit.entry import rate_limits
from audit.entry.rate_limits import Limit, LimitReached
from audit.entry.requests import client_address
from audit.sessions.recording import record_failed

_COOKIE = "device"
_SALT = "audit.sessions.device"
_REMEMBERED_SECONDS = 365 * 24 * 60 * 60

# Checking a password takes long on purpose. One thread of a process always stays free for others.
_checks = BoundedSemaphore(max(1, getattr(settings, "WEB_THREADS", 4) - 1))


class Busy(Exception):
    """All threads that may check passwords are doing so."""


@contextmanager
def limited(request: HttpRequest, username: str) -> Iterator[None]:
    """Take an attempt from the limits, and give it back if the block succeeds.

    :raises LimitReached: if there were too many attempts.
    :raises Busy: if too many passwords are being checked at the moment.
    """
    if not _checks.acquire(blocking=False):
        raise Busy
    try:
        taken = _taken(request, username)
        yield
    finally:
        _checks.release()
    for row, limit in taken:
        rate_limits.give_back(row, limit)


def remember_device(request: HttpRequest, response: HttpResponse) -> None:
    """Mark the browser as one in which the user has signed in."""
    device = [request.user.get_username(), secrets.token_hex(8)]
    response.set_cookie(
        _COOKIE,
        signing.dumps(device, salt=_SALT),
        max_age=_REMEMBERED_SECONDS,
        path=request.path,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Strict",
    )


def _taken(request: HttpRequest, username: str) -> list[tuple[str, Limit]]:
    rows = {
        f"sign-in {rate_limits.row_of_address(client_address(request))}": (
            settings.RATE_LIMIT_SIGN_IN_PER_ADDRESS
        ),
        _row_of_account(request, username): settings.RATE_LIMIT_SIGN_IN_PER_ACCOUNT,
    }
    taken = []
    for row, setting in rows.items():
        limit = rate_limits.limit_of(setting)
        if limit:
            _take(request, username, row, limit)
            taken.append((row, limit))
    return taken


def _take(request: HttpRequest, username: str, row: str, limit: Limit) -> None:
    try:
        rate_limits.take(row, limit, policy="sign-in")
    except LimitReached:
        if _is_first(row, limit):
            record_failed(request, username, is_throttled=True)
        raise


def _is_first(row: str, limit: Limit) -> bool:
    """Return True once per period: each refusal in the log would let anyone fill it."""
    try:
        rate_limits.take(f"throttled {row}", Limit(1, limit.seconds), policy="sign-in")
    except LimitReached:
        return False
    return True


def _row_of_account(request: HttpRequest, username: str) -> str:
    try:
        known, device = signing.loads(
            request.COOKIES.get(_COOKIE, ""), salt=_SALT, max_age=_REMEMBERED_SECONDS
        )
    except (signing.BadSignature, ValueError):
        known, device = "", ""
    if known and known == username:
        return f"sign-in device:{device}"
    return f"sign-in account:{hashlib.sha256(username.lower().encode()).hexdigest()}"
