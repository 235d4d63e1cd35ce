"""The URLs below ``/log/``, which need no sign-in: nothing in them describes a person.

Programs read them, so each response is text or bytes, and never a page or a redirect.
"""

import hashlib
from collections.abc import Callable
from functools import wraps
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.cache import get_conditional_response
from django.utils.http import quote_etag
from django.views.decorators.csrf import csrf_exempt

from audit.evidence.models import SignedCheckpoint
from audit.evidence.publishing.paths import parse_path
from audit.evidence.publishing.stored import (
    content,
    cosigned_note,
    key_list,
    witnessed_checkpoint,
)
from audit.evidence.sequencing import signed

_TEXT = "text/plain; charset=utf-8"
_BYTES = "application/octet-stream"
# The year that caches regard as permanent.
_IMMUTABLE = "public, max-age=31536000, immutable"
_FRESH = "no-cache"
_READING = ("GET", "HEAD")


def _for_readers(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Return a view that other methods than GET and HEAD do not reach.

    It needs no protection against requests across sites: it changes nothing, and has no session.
    """

    @wraps(view)
    def read(request: HttpRequest, **names: str) -> HttpResponseBase:
        if request.method in _READING:
            return view(request, **names)
        response = _refused("The log is read with GET or HEAD.", HTTPStatus.METHOD_NOT_ALLOWED)
        response["Allow"] = ", ".join(_READING)
        return response

    return csrf_exempt(read)


@_for_readers
def checkpoint(request: HttpRequest, log: str) -> HttpResponseBase:
    """Return the newest checkpoint, with the cosignatures of witnesses."""
    return _served_note(request, signed.newest(int(log)))


@_for_readers
def witnessed(request: HttpRequest, log: str) -> HttpResponseBase:
    """Return the newest checkpoint that a witness has cosigned."""
    return _served_note(request, witnessed_checkpoint(int(log)))


@_for_readers
def keys(request: HttpRequest, log: str) -> HttpResponseBase:
    """Return the public keys of a log, each with its period."""
    listed = key_list(int(log))
    if not listed:
        return _not_found()
    return _served(request, listed.encode(), content_type=_TEXT, cache=_FRESH)


@_for_readers
def tile(request: HttpRequest, log: str, path: str) -> HttpResponseBase:
    """Return a tile or a bundle of entries, which never changes."""
    asked = parse_path(path)
    found = None if asked is None else content(int(log), asked)
    if found is None:
        return _not_found()
    return _served(request, found, content_type=_BYTES, cache=_IMMUTABLE)


@csrf_exempt
def missing(request: HttpRequest) -> HttpResponseBase:
    """Return that the log has nothing at this path."""
    return _not_found()


def _served_note(request: HttpRequest, found: SignedCheckpoint | None) -> HttpResponseBase:
    if found is None:
        return _not_found()
    return _served(request, cosigned_note(found).encode(), content_type=_TEXT, cache=_FRESH)


def _served(
    request: HttpRequest, body: bytes, *, content_type: str, cache: str
) -> HttpResponseBase:
    etag = quote_etag(hashlib.sha256(body).hexdigest()[:32])
    whole = HttpResponse(body, content_type=content_type)
    response = get_conditional_response(request, etag, None, whole) or whole
    response["ETag"], response["Cache-Control"] = etag, cache
    return response


def _not_found() -> HttpResponse:
    return _refused("Not found", HTTPStatus.NOT_FOUND)


def _refused(text: str, status: HTTPStatus) -> HttpResponse:
    """Return a response that no cache keeps: a tile may be added in a second."""
    headers = {"Cache-Control": "no-store"}
    return HttpResponse(f"{text}\n", status=status, content_type=_TEXT, headers=headers)
