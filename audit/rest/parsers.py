"""Parsers of request bodies: strict JSON, of limited size."""

import json
import math
import re
from collections.abc import Mapping
from email.message import Message
from typing import IO, Any, ClassVar, NoReturn

from django.conf import settings
from rest_framework import status
from rest_framework.exceptions import APIException, ParseError, UnsupportedMediaType
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

_DEEPEST = 32
# The JSON escape of a surrogate. Without its pair it is not valid in UTF-8 or PostgreSQL.
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class BodyTooLarge(APIException):
    """The request body is too large."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_detail = "The body is too large."
    default_code = "body_too_large"
    remedy = "Send a smaller body: the detail has the limit in bytes."


class LengthRequired(APIException):
    """A web server passed on a chunked body undecoded. Our own server accepts them."""

    status_code = status.HTTP_411_LENGTH_REQUIRED
    default_detail = "Content-Length is required: this web server does not accept chunked bodies."
    default_code = "length_required"
    remedy = "Send the body with its Content-Length."


class CompressedBody(APIException):
    """The request body is compressed."""

    status_code = status.HTTP_415_UNSUPPORTED_MEDIA_TYPE
    default_detail = "Compressed bodies are not accepted: send the body without Content-Encoding."
    default_code = "compressed_body"
    remedy = "Send the body uncompressed, without Content-Encoding."
    headers: ClassVar = {"Accept-Encoding": "identity"}


class JSONParser(BaseParser):
    """A parser of JSON as defined by RFC 8259: UTF-8, without NaN or Infinity."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the parsed body; an empty body is an empty object.

        :raises UnsupportedMediaType: if `check_charset` does.
        :raises CompressedBody: if `check_encoding` does.
        :raises BodyTooLarge: if it is longer than DATA_UPLOAD_MAX_MEMORY_SIZE.
        :raises ParseError: if it is not JSON, incomplete, or refused by `load`.
        """
        self.check_charset(media_type or "")
        self.check_encoding(parser_context or {})
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE or 0
        body = stream.read(limit + 1)
        if len(body) > limit:
            message = f"The body is too large: at most {limit} bytes are accepted."
            raise BodyTooLarge(message)
        _refuse_cut(body, parser_context or {})
        try:
            return self.load(body.decode()) if body else {}
        except UnicodeDecodeError as error:
            message = "The body is not valid UTF-8."
            raise ParseError(message) from error
        # Python's parser raises these for too many levels or digits, too.
        except (ValueError, RecursionError) as error:
            message = "The body is not valid JSON."
            raise ParseError(message) from error

    def check_charset(self, media_type: str) -> None:
        """Check the stated charset: any is accepted."""

    def check_encoding(self, context: Mapping[str, Any]) -> None:
        """Check the stated content coding: any is accepted."""

    def load(self, text: str) -> Any:
        """Return the parsed text of a body.

        :raises ValueError: if it is not JSON.
        :raises RecursionError: if it is nested too deep for Python.
        """
        return json.loads(text, parse_constant=_refuse_constant)


class StrictJSONParser(JSONParser):
    """A parser of I-JSON (RFC 7493): every client and database reads it in the same way."""

    def check_charset(self, media_type: str) -> None:
        """Check the stated charset.

        :raises UnsupportedMediaType: if it is not UTF-8.
        """
        header = Message()
        header["Content-Type"] = media_type
        if header.get_content_charset() not in (None, "utf-8", "utf8"):
            message = "The body must be UTF-8."
            raise UnsupportedMediaType(media_type, detail=message)

    def check_encoding(self, context: Mapping[str, Any]) -> None:
        """Check the stated content coding.

        :raises CompressedBody: if there is one (RFC 9110, 15.5.16).
        """
        request: Request | None = context.get("request")
        coding = request.headers.get("Content-Encoding", "") if request else ""
        if coding.strip().lower() not in ("", "identity"):
            raise CompressedBody

    def load(self, text: str) -> Any:
        """Return the parsed text of a body.

        :raises ParseError: if it is JSON but not I-JSON, or nested too deep.
        """
        found = json.loads(
            text,
            parse_constant=_refuse_constant,
            parse_float=_finite,
            object_pairs_hook=_without_repeats,
        )
        _refuse_depth(found, left=_DEEPEST)
        if _SURROGATE.search(text):
            _refuse_surrogates(found)
        return found


def refuse_chunks(request: Request) -> None:
    """Refuse a body without a Content-Length, which the framework reads as an empty body.

    :raises LengthRequired: if the request has a Transfer-Encoding.
    """
    if "Transfer-Encoding" in request.headers:
        raise LengthRequired


def _refuse_cut(body: bytes, context: Mapping[str, Any]) -> None:
    request: Request | None = context.get("request")
    stated = request.META.get("CONTENT_LENGTH") if request else None
    # A body that a lost connection cut off may be valid JSON with another meaning.
    if stated and len(body) < int(stated):
        message = "The body ended before its Content-Length."
        raise ParseError(message)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        message = "The body has a number that is out of range."
        raise ParseError(message)
    return number


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        message = "The body has an object with a duplicate name."
        raise ParseError(message)
    return found


def _refuse_depth(value: Any, *, left: int) -> None:
    if not isinstance(value, dict | list):
        return
    if not left:
        message = f"The body is nested deeper than {_DEEPEST} levels."
        raise ParseError(message)
    for each in value.values() if isinstance(value, dict) else value:
        _refuse_depth(each, left=left - 1)


def _refuse_surrogates(value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        message = "The body has an unpaired surrogate, which is not a valid character."
        raise ParseError(message) from error
