"""Requests to webhooks and witnesses: by the HTTP client of webhook deliveries."""

import http.client
from http import HTTPStatus
from typing import NamedTuple

from audit.evidence.witnessing.acceptance import NotAccepted
from audit.webhooks.destinations import Unresolvable, resolved
from audit.webhooks.sending import client
from audit.webhooks.sending.connections import Kept

_HEADERS = {"Content-Type": "text/plain; charset=utf-8", "User-Agent": "Countersign"}


class Response(NamedTuple):
    """The status of a response, and its body, up to 64 KB."""

    status: int
    body: str

    @property
    def is_success(self) -> bool:
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES


def post(url: str, body: bytes) -> Response:
    """Send a body, and return the response.

    It follows no redirect, uses no proxy, and ends after ten seconds.

    :raises NotAccepted: if there is no response.
    """
    kept = Kept()
    try:
        reply = client.post(url, body, _HEADERS, kept=kept, resolve=resolved)
    except Unresolvable as error:
        raise NotAccepted("The host cannot be resolved.") from error
    except (OSError, http.client.HTTPException) as error:
        raise NotAccepted(client.words_of(error)) from error
    finally:
        kept.close()
    return Response(reply.status, reply.content.decode(errors="replace"))
