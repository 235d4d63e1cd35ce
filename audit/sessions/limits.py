"""Limits on attempts: to sign in, by IP address and account, and on passwords and codes after that.

An account's limit must not let a stranger lock its owner out. So a browser in which the account has
signed in before has a limit of its own, recognized by a signed cookie:
https://owasp.org/www-community/Slow_Down_Online_Guessing_Attacks_with_Device_Cookies
"""

import hashlib
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from threading import BoundedSemaphore
from typing import Any

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse

from audit.entry import rate_limits
from audit.entry.rate_limits import Limit, LimitReached
from audit.entry.requests import client_address
from audit.installation.settings import countersign
from audit.sessions.recording import (
    record_failed,
    record_failed_change,
    record_failed_confirmation,
    record_throttled_factor,
)

_COOKIE = "device"
_SALT = "audit.sessions.device"
# Of a million codes with six digits, three are valid at a time: at 20 guesses a day, the odds stay
# below 1 in 16,000 per day.
_CODES_PER_DAY = (20, 24 * 60 * 60)
_REMEMBERED_SECONDS = 365 * 24 * 60 * 60

# Checking a password takes long on purpose. One thread of a process always stays free for others.
_checks = BoundedSemaphore(countersign().password_checks)


class Busy(Exception):
    """All threads that may check passwords are doing so."""


@contextmanager
def one_check() -> Iterator[None]:
    """Check or set a password in the block.

    :raises Busy: if too many passwords are being checked at the moment.
    """
    if not _checks.acquire(blocking=False):
        raise Busy
    try:
        yield
    finally:
        _checks.release()


@contextmanager
def limited(request: HttpRequest, username: str) -> Iterator[None]:
    """Take an attempt to sign in from the limits, and give it back if the block succeeds.

    :raises LimitReached: if there were too many attempts.
    :raises Busy: as `one_check`.
    """
    rows = {
        f"sign-in {rate_limits.row_of_address(client_address(request))}": (
            countersign().rate_limit_sign_in_per_address
        ),
        _row_of_account(request, username): countersign().rate_limit_sign_in_per_account,
    }
    with _attempt(rows, partial(record_failed, request, username, is_throttled=True)):
        yield


@contextmanager
def limited_change(request: HttpRequest) -> Iterator[None]:
    """Take an attempt to change one's own password, and give it back if the block succeeds.

    Only the account's own sessions use up this limit: failed sign-ins do not, nor does it limit
    signing in.

    :raises LimitReached: if there were too many attempts.
    :raises Busy: as `one_check`.
    """
    limit = countersign().rate_limit_sign_in_per_account
    rows = {f"password-change account:{request.user.pk}": limit}
    with _attempt(rows, partial(record_failed_change, request, is_throttled=True)):
        yield


@contextmanager
def limited_confirmation(request: HttpRequest) -> Iterator[None]:
    """Take an attempt to confirm a sign-in with the password, as `limited_change` does.

    :raises LimitReached: if there were too many attempts.
    :raises Busy: as `one_check`.
    """
    limit = countersign().rate_limit_sign_in_per_account
    rows = {f"confirmation account:{request.user.pk}": limit}
    with _attempt(rows, partial(record_failed_confirmation, request, is_throttled=True)):
        yield


@contextmanager
def limited_code(request: HttpRequest, user: Any) -> Iterator[None]:
    """Take an attempt at the code of a person whose password was right.

    Only those who know the password use up this limit, which has a part per day as well.

    :raises LimitReached: if there were too many attempts.
    :raises Busy: as `one_check`.
    """
    with _limited_factor("second-factor", request, user):
        yield


@contextmanager
def limited_passkey(request: HttpRequest, user: Any) -> Iterator[None]:
    """Take an attempt at a passkey, as `limited_code` does: wrong codes do not use up this limit.

    :raises LimitReached: if there were too many attempts.
    :raises Busy: as `one_check`.
    """
    with _limited_factor("passkey", request, user):
        yield


@contextmanager
def _limited_factor(kind: str, request: HttpRequest, user: Any) -> Iterator[None]:
    rows = {
        f"{kind} account:{user.pk}": countersign().rate_limit_sign_in_per_account,
        f"{kind} day account:{user.pk}": _CODES_PER_DAY,
    }
    with _attempt(rows, partial(record_throttled_factor, request, user)):
        yield


def remember_device(request: HttpRequest, response: HttpResponse, *, page: str) -> None:
    """Mark the browser as one in which the user has signed in, for the sign-in page."""
    device = [request.user.get_username(), secrets.token_hex(8)]
    response.set_cookie(
        _COOKIE,
        signing.dumps(device, salt=_SALT),
        max_age=_REMEMBERED_SECONDS,
        path=page,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Strict",
    )


@contextmanager
def _attempt(
    rows: Mapping[str, tuple[int, int] | None], record_throttled: Callable[[], None]
) -> Iterator[None]:
    limits = {row: limit for row, found in rows.items() if (limit := rate_limits.limit_of(found))}
    with one_check():
        for row, limit in limits.items():
            _take(row, limit, record_throttled)
        yield
    for row, limit in limits.items():
        rate_limits.give_back(row, limit)


def _take(row: str, limit: Limit, record_throttled: Callable[[], None]) -> None:
    try:
        rate_limits.take(row, limit, policy="sign-in")
    except LimitReached:
        if _is_first(row, limit):
            record_throttled()
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
