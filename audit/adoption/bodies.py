"""Bodies of requests as they are recorded: without secrets, and without the content of files."""

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, QueryDict
from django.utils.datastructures import MultiValueDict

from audit.messages.classes import REDACTED
from audit.messages.values import codec

FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
#: The longest body that is recorded, as JSON; of a longer one only the size is.
LONGEST_BODY = 64 * 1024
_SECRETIVE = re.compile(
    r"passw(or)?d|passphrase|passcode|secret|token|authorization|credential|cookie|api_?key"
    r"|private_?key|signature|session_?(id|key)|^(pin|otp|cvv|cvc|pwd)$",
    re.IGNORECASE,
)
_CHUNK = 64 * 1024


class Stored(NamedTuple):
    """The recorded part of a body, the names of the other values, and the whole body as JSON."""

    content: Any
    withheld: tuple[str, ...]
    complete: bytes


def is_secretive(name: str) -> bool:
    """Return True if values of this name are masked: password, token, secret and the like."""
    return bool(_SECRETIVE.search(name.replace("-", "_")))


def stored(data: Any, *, masks: Collection[str] = (), shows: Collection[str] = ()) -> Stored:
    """Return the recorded part of parsed data.

    ``masks`` are names of further values that are masked, ``shows`` those of values that are not,
    in spite of their names. Files are recorded by name, size and digest.
    """
    plain = _plain(data)
    complete = _json(plain)
    masking = _Masking(frozenset(masks), frozenset(shows))
    content = masking.masked(plain)
    if not _is_storable(content):
        content = {"bytes": len(complete)}
        masking.withheld.append("body")
    return Stored(content, tuple(masking.withheld), complete)


def masked_query(query: str, *, masks: Collection[str] = ()) -> tuple[str, tuple[str, ...]]:
    """Return a query string with its secrets masked, and their names."""
    given = parse_qsl(query, keep_blank_values=True)
    secrets = tuple(name for name, value in given if value and _is_masked(name, masks))
    if not secrets:
        return query, ()
    masked = [(name, REDACTED if name in secrets else value) for name, value in given]
    return urlencode(masked), secrets


def form(content: Any) -> QueryDict:
    """Return a recorded form as Django parses one."""
    found = QueryDict(mutable=True)
    for name, value in (content or {}).items():
        found.setlist(name, list(value) if isinstance(value, list | tuple) else [value])
    found._mutable = False  # noqa: SLF001  # as Django does
    return found


def rewind(request: HttpRequest) -> None:
    """Set the files of a request back to their beginnings."""
    for files in (vars(request).get("_files") or MultiValueDict()).lists():
        for file in files[1]:
            file.seek(0)


class _Masking:
    def __init__(self, masks: frozenset[str], shows: frozenset[str]) -> None:
        self._masks, self._shows = masks, shows
        self.withheld: list[str] = []

    def masked(self, value: Any, name: str = "") -> Any:
        match value:
            case _File():
                self.withheld.append(name)
                return value._asdict()
            case _Raw():
                self.withheld.append("body")
                return {"bytes": value.bytes}
            case dict():
                return {key: self._member(key, item) for key, item in value.items()}
            case list():
                return [self.masked(item, name) for item in value]
            case _:
                return value

    def _member(self, name: str, value: Any) -> Any:
        is_empty = value in (None, "", [], {})
        if is_empty or name in self._shows or not _is_masked(name, self._masks):
            return self.masked(value, name)
        self.withheld.append(name)
        return REDACTED


class _File(NamedTuple):
    file: str
    bytes: int
    sha256: str


class _Raw(NamedTuple):
    bytes: int
    sha256: str


def _is_masked(name: str, masks: Collection[str]) -> bool:
    return name in masks or is_secretive(name)


def _plain(data: Any) -> Any:
    """Return parsed data as plain values; the lists of a form with one value as that value."""
    match data:
        case QueryDict():
            return {name: _plain(only(values)) for name, values in data.lists()}
        case Mapping():
            return {str(name): _plain(value) for name, value in data.items()}
        case list() | tuple():
            return [_plain(value) for value in data]
        case _:
            return _scalar(data)


def _scalar(data: Any) -> Any:
    match data:
        case UploadedFile():
            return _file(data)
        case bytes():
            return _Raw(len(data), hashlib.sha256(data).hexdigest())
        case None | bool() | int() | float() | str():
            return data
        case _:
            return str(data)


def only(values: list[Any]) -> Any:
    """Return the value of a field of a form, or its values if there are several."""
    return values[0] if len(values) == 1 else values


def _file(uploaded: UploadedFile) -> _File:
    digest = hashlib.sha256()
    for chunk in uploaded.chunks(_CHUNK):
        digest.update(chunk)
    uploaded.seek(0)
    return _File(str(uploaded.name), uploaded.size or 0, digest.hexdigest())


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


def _is_storable(content: Any) -> bool:
    try:
        codec(Any).check(content)
    except ValueError:
        return False
    return len(_json(content)) <= LONGEST_BODY
