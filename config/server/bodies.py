"""Request bodies: read in full, within a size and a time, before a thread is used."""

import asyncio
from tempfile import SpooledTemporaryFile

from rest_framework.exceptions import ParseError

from audit.rest.parsers import BodyTooLarge
from audit.rest.problems import BodyTimeout
from config.server.answers import Message, Receive

#: Longer bodies are stored on disk, because clients may send many at the same time.
_IN_MEMORY = 64 * 1024

Body = SpooledTemporaryFile[bytes]


async def read(scope: Message, receive: Receive, *, most: int, seconds: float) -> Body | None:
    """Return the body at its end; None if the request has none.

    :raises BodyTooLarge: if it is longer than `most`; one with a Content-Length is not read then.
    :raises BodyTimeout: if it does not arrive in time.
    :raises ParseError: if it is malformed, or incomplete.
    """
    headers = dict(scope["headers"])
    stated = int(headers.get(b"content-length", 0))
    if not stated and b"transfer-encoding" not in headers:
        return None
    if stated > most:
        raise _too_large(most)
    body: Body = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115  # the caller closes it
    try:
        async with asyncio.timeout(seconds):
            await _fill(body, receive, most=most)
    except TimeoutError as error:
        raise BodyTimeout from error
    if stated and body.tell() != stated:
        raise _incomplete()
    return body


async def _fill(body: Body, receive: Receive, *, most: int) -> None:
    more = True
    while more:
        message = await receive()
        # Also sent in place of a malformed chunk.
        if message["type"] == "http.disconnect":
            raise _incomplete()
        body.write(message.get("body", b""))
        if body.tell() > most:
            raise _too_large(most)
        more = message.get("more_body", False)


def _too_large(most: int) -> BodyTooLarge:
    return BodyTooLarge(f"The body is too large: at most {most} bytes are accepted.")


def _incomplete() -> ParseError:
    return ParseError("The body is malformed or incomplete.")
