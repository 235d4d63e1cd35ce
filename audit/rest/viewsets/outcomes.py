"""Headers of responses to commands, and the Idempotency-Key of a request."""

import re

from django.http import HttpRequest
from rest_framework.request import Request

from audit.messages.exceptions import CommandError, FieldError, Invalid, Place
from audit.messages.outcomes import Outcome, Postponed
from audit.rest.references import status_url

#: When to ask again for what is not settled yet.
RETRY_AFTER_SECONDS = "2"
# Without quotes no comma: web servers join repeated headers by commas.
_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x2b\x2d-\x7e]{1,255}")
# A string of RFC 9651, as in the IETF draft of the header.
_QUOTED_KEY = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\]){1,255})"')


def headers(outcome: Outcome) -> dict[str, str]:
    """Return the headers that identify a command, and where to follow one that is held."""
    found = {"Command-Id": str(outcome.command_id)}
    if outcome.is_repeat:
        found["Idempotency-Replayed"] = "true"
    if isinstance(outcome, Postponed):
        found["Location"] = status_url(outcome.command_id)
    return found


def identifying(error: CommandError) -> dict[str, str]:
    """Return the headers that identify a command that had no effect, if it was recorded."""
    found = {"Command-Id": str(error.command_id)} if error.command_id else {}
    return found | ({"Idempotency-Replayed": "true"} if error.is_repeat else {})


def idempotency_key(request: HttpRequest | Request, *, may_be_quoted: bool = True) -> str | None:
    """Return the Idempotency-Key of a request, or None without one.

    :raises Invalid: if it is malformed.
    """
    key: str | None = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if may_be_quoted and key.startswith('"'):
        quoted = _QUOTED_KEY.fullmatch(key)
        key = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else ""
    elif not _IDEMPOTENCY_KEY.fullmatch(key):
        key = ""
    if key:
        return key
    message = "must be a single key of 1 to 255 visible ASCII characters, without spaces and commas"
    raise Invalid(errors=[FieldError("Idempotency-Key", "invalid", message, Place.HEADER)])
