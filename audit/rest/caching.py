"""Answers that a client need not be sent again while they stay the same (RFC 9110, 13.1.2)."""

import hashlib
from collections.abc import Mapping
from typing import Any

from django.utils.http import parse_etags
from rest_framework import status
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

_ETAG_CHARACTERS = 32


def conditional(
    request: Request, content: Mapping[str, Any], *, headers: Mapping[str, str]
) -> Response:
    """Answer with the content and its ETag, or with 304 if the caller has it already."""
    etag = etag_of(content)
    known = parse_etags(request.headers.get("If-None-Match", ""))
    sent = {**headers, "ETag": etag, "Cache-Control": "private, no-cache"}
    # By the weak comparison, as a cache on the way may have made it weak.
    if "*" in known or etag in {each.removeprefix("W/") for each in known}:
        return Response(status=status.HTTP_304_NOT_MODIFIED, headers=sent)
    return Response(content, headers=sent)


def etag_of(content: Mapping[str, Any]) -> str:
    """Compute an ETag that changes whenever the content does."""
    rendered: bytes = JSONRenderer().render(content)
    return f'"{hashlib.sha256(rendered).hexdigest()[:_ETAG_CHARACTERS]}"'
