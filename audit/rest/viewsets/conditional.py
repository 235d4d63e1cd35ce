"""Conditional requests (RFC 9110, section 13): ETags, and the conditions of callers.

The ETag of a resource is ``"<version>-<digest>"``: the number of its last event, and a digest of
its whole representation. A GET compares all of it. A write compares the version only, so that a new
approval request, or another detail of the representation, does not stop an unrelated change.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from django.http import HttpResponse
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from audit.messages.classes import Command
from audit.messages.exceptions import FieldError, Invalid, Place, PreconditionFailed
from audit.subjects import types

_DIGEST_CHARACTERS = 32
_TAG = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
_LIST = re.compile(rf"[ \t,]*{_TAG}(?:[ \t]*,[ \t,]*{_TAG})*[ \t,]*")
_EACH = re.compile(_TAG)
# Unlike a version that is no longer current, these do not mean that anything has changed.
_NOT_THERE = "If-Match is never met by a request that creates something: send it without If-Match."
_THERE = "The resource exists, and “If-None-Match: *” accepts only what does not exist."
_EXCLUDED = "If-None-Match excludes the current version of the resource."
_NAMELESS = "If-Match has no ETag with a version, or only weak ones (W/), which never match."
_VERSION = re.compile(r'"([0-9]{1,18})(?:-[0-9a-f]*)?"')


class ConditionNotMet(PreconditionFailed):
    """The condition in If-Match or If-None-Match is not met."""

    code = PreconditionFailed.code
    remedy = "Read the detail: correct or drop the condition that it names."


def etag(content: Mapping[str, Any]) -> str:
    """Return the ETag of a resource."""
    return _etag(content, JSONRenderer().render(content))


def add_etag(response: HttpResponse, request: Request) -> None:
    """Add the ETag to the response of a GET, or make it a 304 if the caller has this ETag.

    :raises Invalid: if a header is not a list of ETags.
    :raises ConditionNotMet: if If-Match names other ETags only.
    """
    tag = _etag(getattr(response, "data", None), _content(response))
    wanted, known = _tags(request, "If-Match"), _tags(request, "If-None-Match")
    if wanted is not None and not {"*", tag} & set(wanted):
        message = (
            "If-Match does not name the current ETag: read the resource again without If-Match."
        )
        raise ConditionNotMet(message)
    response["ETag"] = tag
    response.setdefault("Cache-Control", "private, no-cache")
    # Weak comparison: a cache in between may have made the ETag weak.
    if known and not {"*", tag}.isdisjoint(each.removeprefix("W/") for each in known):
        response.status_code = HTTPStatus.NOT_MODIFIED
        response.content = b""
        del response["Content-Type"]


def accepts(request: Request, command: Command) -> Callable[[int], bool] | None:
    """Return the condition of a write on the number of its subject; None if there is none.

    The condition raises `ConditionNotMet` where nothing need have changed.

    :raises Invalid: if a header is not a list of ETags.
    """
    wanted, known = _tags(request, "If-Match"), _tags(request, "If-None-Match")
    must_exist = wanted is not None and command.creates_subject()
    if wanted in (None, ["*"]) and known is None and not must_exist:
        return None
    # A weak ETag never matches in If-Match: it names no exact state.
    numbers = None if wanted in (None, ["*"]) else _numbers(wanted or [])
    others = _numbers([each.removeprefix("W/") for each in known or []])
    must_be_new = known == ["*"]

    def accept(number: int) -> bool:
        if must_exist:
            raise ConditionNotMet(_NOT_THERE)
        if must_be_new and (number or _exists(command)):
            raise ConditionNotMet(_THERE)
        if number in others:
            raise ConditionNotMet(_EXCLUDED)
        if numbers == set():
            raise ConditionNotMet(_NAMELESS)
        return numbers is None or number in numbers

    return accept


def _tags(request: Request, name: str) -> list[str] | None:
    """Return the ETags in a header, or the asterisk; None without the header."""
    text = request.headers.get(name)
    if text is None or text.strip(" \t") == "*":
        return None if text is None else ["*"]
    if not _LIST.fullmatch(text):
        message = (
            "must be an ETag from one of our responses, including its quotes, "
            "or a list of such ETags"
        )
        raise Invalid(errors=[FieldError(name, "invalid", message, Place.HEADER)])
    return _EACH.findall(text)


def _numbers(tags: list[str]) -> set[int]:
    found = map(_VERSION.fullmatch, tags)
    return {int(match[1]) for match in found if match}


def _exists(command: Command) -> bool:
    subject = command.subject_reference()
    found = types.subject_type(subject.type) if subject else None
    return bool(subject and found and found.load(subject.id))


def _content(response: HttpResponse) -> bytes:
    if isinstance(response, Response):
        response.render()
    return response.content


def _etag(content: Any, rendered: bytes) -> str:
    digest = hashlib.sha256(rendered).hexdigest()[:_DIGEST_CHARACTERS]
    version = content.get("version") if isinstance(content, Mapping) else None
    return f'"{digest}"' if version is None else f'"{version}-{digest}"'
