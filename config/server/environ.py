"""The WSGI environment of an ASGI request; text in it stands for bytes, as Latin-1 (PEP 3333)."""

import sys
from typing import Any
from urllib.parse import unquote_to_bytes

from rest_framework.exceptions import ParseError

from config.server.answers import Message

#: The server reads the body, so the application does not need to know how it was framed.
_FRAMING = {b"content-length", b"transfer-encoding", b"expect", b"connection"}
_FIXED = {
    "SCRIPT_NAME": "",
    "wsgi.version": (1, 0),
    "wsgi.errors": sys.stderr,
    "wsgi.multithread": True,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
}


def environ(scope: Message) -> dict[str, Any]:
    """Return the environment, without the body.

    :raises ParseError: if a proxy in front could have understood the request in another way.
    """
    _refuse_ambiguous(scope)
    server, client = scope["server"] or ("", ""), scope["client"] or ("", "")
    return {
        **_FIXED,
        "REQUEST_METHOD": scope["method"],
        "PATH_INFO": unquote_to_bytes(scope["raw_path"]).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1]),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": client[0],
        "wsgi.url_scheme": scope["scheme"],
        **_headers(scope),
    }


def _headers(scope: Message) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        # As variables, "x_forwarded_for" and "x-forwarded-for" have the same name.
        if b"_" in name or name in _FRAMING:
            continue
        key, text = name.decode("latin-1").upper().replace("-", "_"), value.decode("latin-1")
        key = key if key == "CONTENT_TYPE" else f"HTTP_{key}"
        separator = "; " if key == "HTTP_COOKIE" else ","
        found[key] = f"{found[key]}{separator}{text}" if key in found else text
    return found


def _refuse_ambiguous(scope: Message) -> None:
    names = [name for name, _ in scope["headers"]]
    is_old = scope["http_version"] == "1.0"
    hosts = names.count(b"host")
    if hosts > 1 or not (hosts or is_old):
        raise ParseError("The request must name one host.", code="bad_request")
    codings = [value.lower() for name, value in scope["headers"] if name == b"transfer-encoding"]
    lengths = [value for name, value in scope["headers"] if name == b"content-length"]
    is_clear = codings == [b"chunked"] and not is_old and not lengths
    if not (is_clear or (not codings and len(lengths) <= 1 and all(map(bytes.isdigit, lengths)))):
        raise ParseError("The length of the body is ambiguous.", code="bad_request")
