"""Reading request bodies: JSON, strictly, and not more of it than we want to hold."""

import json
from collections.abc import Mapping
from typing import IO, Any, NoReturn

from django.conf import settings
from rest_framework import status
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser


class BodyTooLarge(APIException):
    """The body is larger than we take."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_detail = "The body is too large."
    default_code = "body_too_large"


class StrictJSONParser(BaseParser):
    """Takes what RFC 8259 calls JSON: UTF-8, and no NaN or Infinity."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Parse the body; an empty one is an empty object.

        :raises BodyTooLarge: if it is longer than DATA_UPLOAD_MAX_MEMORY_SIZE.
        :raises ParseError: if it is no JSON.
        """
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE or 0
        body = stream.read(limit + 1)
        if len(body) > limit:
            message = f"The body is too large: at most {limit} bytes are taken."
            raise BodyTooLarge(message)
        try:
            return json.loads(body.decode(), parse_constant=_refuse_constant) if body else {}
        except UnicodeDecodeError as error:
            message = "The body is not valid UTF-8."
            raise ParseError(message) from error
        # Python's parser counts levels and digits, and gives up with these.
        except (ValueError, RecursionError) as error:
            message = "The body is not valid JSON."
            raise ParseError(message) from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)
