"""The responses of an operation: its result, the held command, and its problems."""

from collections.abc import Collection
from http import HTTPStatus
from typing import Any

from drf_spectacular.plumbing import ComponentRegistry, ResolvedComponent
from rest_framework.response import Response

from audit.rest.openapi.components import shared
from audit.rest.openapi.headers import RESPONSE_HEADERS, response_headers
from audit.rest.openapi.operations import Documentation
from audit.rest.openapi.problems import problems
from audit.rest.openapi.shapes import Schema, Shapes
from audit.rest.problems import LegacyProblem, ProblemDetails

_JSON = "application/json"
_OF_CALLERS = ("RateLimit", "RateLimit-Policy")
_OF_VERSION_ONE = ("Deprecation", "Link", "Sunset")


class Responses:
    """The responses of one operation of a viewset."""

    def __init__(
        self, registry: ComponentRegistry, documentation: Documentation, *, view: Any
    ) -> None:
        self._registry = registry
        self._shapes = Shapes(registry)
        self._documentation = documentation
        self._view = view
        self._is_legacy = view.channel == "v1"

    def by_status(self, *, has_body: bool, known: Collection[str]) -> Schema:
        """Return all responses; ``known`` are the names of the parameters in the URL."""
        answers = {self._documentation.succeeds_with: self._success()}
        if self._documentation.is_command:
            answers[HTTPStatus.ACCEPTED] = self._postponed()
        if self._documentation.is_conditional:
            answers[HTTPStatus.NOT_MODIFIED] = self._not_modified()
        found = problems(self._documentation, view=self._view, has_body=has_body, known=known)
        answers |= {status: self._problem(each) for status, each in found.items()}
        return {str(int(status)): answers[status] for status in sorted(answers)}

    def _success(self) -> Schema:
        documentation = self._documentation
        always, sometimes = documentation.always, documentation.sometimes
        if documentation.is_command:
            always = (*always, "Command-Id")
            sometimes = (*sometimes, "Idempotency-Replayed", "Cache-Control")
        return {
            "description": HTTPStatus(documentation.succeeds_with).phrase,
            "headers": self._headers(always=always, sometimes=sometimes),
            "content": {_JSON: {"schema": self._result()}},
        }

    def _result(self) -> Schema:
        documentation = self._documentation
        if documentation.lists is None:
            return self._shapes.schema(documentation.gives)
        is_sparse = bool(getattr(documentation.query, "resource_fields", ()))
        build = self._shapes.sparse if is_sparse else self._shapes.schema
        return _page(build(documentation.lists))

    def _postponed(self) -> Schema:
        always, sometimes = ("Command-Id", "Location"), ("Idempotency-Replayed",)
        return {
            "description": "Held until enough people approve it",
            "headers": self._headers(always=always, sometimes=sometimes),
            "content": {_JSON: {"schema": self._shapes.schema(self._view.postponed_shape)}},
        }

    def _not_modified(self) -> Schema:
        headers = self._headers(
            always=self._documentation.always, sometimes=self._documentation.sometimes
        )
        return {"description": "Not modified", "headers": headers}

    def _problem(self, answers: list[Response]) -> Schema:
        """Return a reference to the shared response of a status, with this operation's codes."""
        shape = LegacyProblem if self._is_legacy else ProblemDetails
        content = {"schema": self._shapes.schema(shape)}
        phrase = HTTPStatus(answers[0].status_code).phrase
        codes = ", ".join(f"`{answer.data['code']}`" for answer in answers)
        whole = {
            "description": phrase,
            "headers": self._problem_headers(answers),
            "content": {answers[0].content_type or _JSON: content},
        }
        answer = shared(self._registry, ResolvedComponent.RESPONSE, self._name(phrase), whole)
        return answer | {"description": f"{phrase}: {codes}"}

    def _name(self, phrase: str) -> str:
        """Return the name of the component for operations of this kind."""
        kind = "Command" if self._documentation.is_command else "Read"
        version = "V1" if self._is_legacy else ""
        return f"{phrase.title().replace(' ', '')}{kind}{version}"

    def _problem_headers(self, answers: list[Response]) -> Schema:
        carried = [set(answer.headers) & set(RESPONSE_HEADERS) for answer in answers]
        sometimes = set.union(*carried)
        if self._documentation.is_command:
            # Not on requests that are refused before they become a command.
            sometimes.add("Command-Id")
        return self._headers(always=set.intersection(*carried), sometimes=sometimes)

    def _headers(self, *, always: Collection[str], sometimes: Collection[str]) -> Schema:
        """Return references to these headers and to those of all responses."""
        always, sometimes = {*always}, {*sometimes}
        if self._documentation.needs_caller:
            sometimes |= set(_OF_CALLERS)
        if self._is_legacy:
            always |= set(_OF_VERSION_ONE)
        return response_headers(self._registry, always=always, sometimes=sometimes)


def _page(items: Schema) -> Schema:
    following = {
        "type": ["string", "null"],
        "format": "uri-reference",
        "description": "The URL of the next page.",
    }
    return {
        "type": "object",
        "properties": {"results": {"type": "array", "items": items}, "next": following},
        "required": ["results", "next"],
        "additionalProperties": False,
    }
