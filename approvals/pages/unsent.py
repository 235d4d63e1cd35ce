"""The reason in a form that was sent after the session had ended, kept until its person returns."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.utils.encoding import escape_uri_path

_COOKIE = "unsent_reason"
_SALT = "approvals.unsent"
_SECONDS = 600
# Forms are sent to the URL of their page, or of this below it.
_ACTION = "decide/"
# Browsers refuse cookies of more than 4096 bytes, with their names and attributes.
_MOST_BYTES = 3_800


def keeping_reason(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Return the view, which keeps the reason of a form that was sent without a session.

    The cookie is for the pages of the same row only, and is removed when a form is sent.
    """

    @wraps(view)
    def keep(request: HttpRequest, *arguments: Any, **named: Any) -> HttpResponse:
        response = view(request, *arguments, **named)
        if request.method == "POST":
            _keep(request, response, path=escape_uri_path(request.path).removesuffix(_ACTION))
        return response

    return keep


def kept_reason(request: HttpRequest) -> str:
    """Return the reason that the same person has sent; empty if there is none."""
    try:
        person, reason = signing.loads(
            request.COOKIES.get(_COOKIE, ""), salt=_SALT, max_age=_SECONDS
        )
    except signing.BadSignature:
        return ""
    return str(reason) if person == str(request.user.pk) else ""


def _keep(request: HttpRequest, response: HttpResponse, *, path: str) -> None:
    if request.user.is_authenticated:
        response.delete_cookie(_COOKIE, path=path, samesite="Lax")
        return
    content = [request.POST.get("person", ""), request.POST.get("reason", "")]
    value = signing.dumps(content, salt=_SALT, compress=True)
    if not all(content) or len(value) > _MOST_BYTES:
        return
    response.set_cookie(
        _COOKIE,
        value,
        max_age=_SECONDS,
        path=path,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
