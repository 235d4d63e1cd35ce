"""Requests as a web server hands them to the program, without the server."""

import io
import sys
from typing import Any

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.test.utils import override_settings


def application(*more_middleware: str) -> WSGIHandler:
    """Build the program with its middleware, and with some on top."""
    with override_settings(MIDDLEWARE=[*settings.MIDDLEWARE, *more_middleware]):
        return WSGIHandler()


def send(handler: WSGIHandler, method: str, path: str, *, secret: str, body: bytes = b"") -> None:
    """Send one request, and read all of its answer.

    :raises RuntimeError: if it is no success, or this would measure refusals.
    """
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SCRIPT_NAME": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_HOST": "localhost",
        "HTTP_USER_AGENT": "benchmark",
        "HTTP_AUTHORIZATION": f"Bearer {secret}",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
    }
    told: list[str] = []
    answer = handler(environ, lambda status, _: told.append(status))
    content = b"".join(answer)
    answer.close()
    if not told[0].startswith("2"):
        message = f"{method} {path}: {told[0]} {content[:200]!r}"
        raise RuntimeError(message)
