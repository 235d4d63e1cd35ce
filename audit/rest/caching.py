"""Conditional responses: 304 while the content is unchanged (RFC 9110, 13.1.2)."""

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
    """Return a response with the content and its ETag, or 304 if the caller has this ETag."""
    etag = etag_of(content)
    known = parse_etags(request.headers.get("If-None-Match", ""))
    sent = {**headers, "ETag": etag, "Cache-Control": "private, no-cache"}
    # Weak comparison: a cache in between may have made the ETag weak.
    if "*" in known or etag in {each.removeprefix("W/") for each in known}:
        return Response(status=status.HTTP_304_NOT_MODIFIED, headers=sent)
    return Response(content, headers=sent)


def etag_of(content: Mapping[str, Any]) -> str:
    """Return an ETag that changes whenever the content does."""
    rendered: bytes = JSONRenderer().render(content)
    return f'"{hashlib.sha256(rendered).hexdigest()[:_ETAG_CHARACTERS]}"'
