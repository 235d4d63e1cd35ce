"""Conformance check of every API response in a test against docs/openapi.json."""

import json
import re
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import jsonschema_rs
from django.conf import settings
from django.http import HttpRequest, HttpResponse

from audit.rest import problems

#: Headers that HTTP, Django and its middleware define for any response.
OF_HTTP = {
    *("Content-Type", "Content-Length", "Content-Language", "Vary", "Allow", "Set-Cookie"),
    *("X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy"),
    *("Cross-Origin-Opener-Policy", "Strict-Transport-Security", "Content-Security-Policy"),
}


class Documented(NamedTuple):
    """The documentation of one method at one URL."""

    name: str
    answers: dict[str, Any]


def holds_to_the_document(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Fail the test if the response to its request does not conform to the document."""

    def respond(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        operation = documented(request.method or "", request.path)
        if operation:
            check(operation, response, has_body=request.method != "HEAD")
        elif request.path.startswith("/api/v2/") and request.method != "HEAD":
            check_undocumented(response)
        return response

    return respond


def check(operation: Documented, response: HttpResponse, *, has_body: bool) -> None:
    """Assert that a response conforms to the documentation of its status."""
    status = str(response.status_code)
    assert status in operation.answers, f"{operation.name} answers {status}, not documented"
    answer = resolved(operation.answers[status])
    _check_headers(f"{operation.name} {status}", answer.get("headers", {}), response)
    if has_body and response.content:
        codes = codes_in(answer["description"])
        _check_body(f"{operation.name} {status}", answer["content"], response, codes=codes)


def _check_headers(name: str, told: dict[str, Any], response: HttpResponse) -> None:
    carried = response.headers.keys() - OF_HTTP
    assert carried <= told.keys(), f"{name} carries {carried - told.keys()}, not documented"
    always = {header for header, what in told.items() if resolved(what).get("required")}
    assert always <= carried, f"{name} lacks {always - carried}"
    for header in carried:
        schema, value = resolved(told[header])["schema"], response.headers[header]
        as_json = int(value) if schema.get("type") == "integer" else value
        validator(json.dumps(schema)).validate(as_json)


def _check_body(
    name: str, content: dict[str, Any], response: HttpResponse, *, codes: list[str]
) -> None:
    media_type = response["Content-Type"].partition(";")[0]
    assert media_type in content, f"{name} comes as {media_type}, not documented"
    body = json.loads(response.content)
    validator(json.dumps(content[media_type]["schema"])).validate(body)
    if media_type == "application/problem+json" or codes:
        assert body["code"] in codes, f"{name} tells of {body['code']}, not documented"


def check_undocumented(response: HttpResponse) -> None:
    """Assert that what is not in the document is refused with a problem, or lists its methods."""
    if response.status_code in (200, 204):
        # The reference itself, the routes of tests, and OPTIONS.
        return
    if response["Content-Type"].startswith("application/problem+json"):
        code = json.loads(response.content)["code"]
        assert code in problems.pages(), f"{code} has no page"


def codes_in(description: str) -> list[str]:
    """List the codes of problems that the description of an answer names."""
    return re.findall(r"`(\w+)`", description)


def documented(method: str, path: str) -> Documented | None:
    """Return the documentation of a method at a URL; HEAD is GET without the body."""
    for pattern, methods in addresses():
        operation = methods.get("get" if method == "HEAD" else method.lower())
        if operation and pattern.fullmatch(path):
            return Documented(operation["operationId"], operation["responses"])
    return None


@cache
def addresses() -> list[tuple[re.Pattern[str], dict[str, Any]]]:
    return [
        (re.compile(re.sub(r"\{\w+\}", "[0-9a-fA-F-]{36}", path)), methods)
        for path, methods in document()["paths"].items()
    ]


@cache
def validator(schema: str) -> jsonschema_rs.Draft202012Validator:
    """Return the validator of a schema that may refer to the components."""
    whole = {**json.loads(schema), "components": document()["components"]}
    return jsonschema_rs.Draft202012Validator(whole, validate_formats=True)


def resolved(found: dict[str, Any]) -> dict[str, Any]:
    """Return the component behind a reference."""
    if "$ref" not in found:
        return found
    _, _, kind, name = found["$ref"].split("/")
    # A description beside the reference stands for that of the component.
    return document()["components"][kind][name] | found


@cache
def document() -> dict[str, Any]:
    """Return the document, in which no response has a field that is not documented.

    Clients have to ignore such fields, so the document itself leaves its schemas open.
    """
    return json.loads((settings.BASE_DIR / "docs/openapi.json").read_text(), object_hook=_closed)


def _closed(found: dict[str, Any]) -> dict[str, Any]:
    is_object = found.get("type") == "object" and "properties" in found
    return {"additionalProperties": False} | found if is_object else found
