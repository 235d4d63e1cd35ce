"""The responses of an operation: its result, the held command, and its problems."""

from collections.abc import Collection
from http import HTTPStatus
from typing import Any, is_typeddict

from drf_spectacular.plumbing import ComponentRegistry, ResolvedComponent
from rest_framework.response import Response

from audit.messages.text import phrase_of
from audit.rest.openapi.headers import RESPONSE_HEADERS, response_headers, shared
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
        self, registry: ComponentRegistry, documentation: Documentation, *, view: Any, is_read: bool
    ) -> None:
        self._registry = registry
        self._shapes = Shapes(registry)
        self._documentation = documentation
        self._view = view
        self._is_legacy = view.channel == "v1"
        self._is_read = is_read and view.is_conditional

    def by_status(self, *, has_body: bool, known: Collection[str]) -> Schema:
        """Return all responses; ``known`` are the names of the parameters in the URL."""
        documentation = self._documentation
        always, sometimes = documentation.always, documentation.sometimes
        answers: dict[int, Schema] = {}
        if self._is_read:
            always = (*always, "Cache-Control", "ETag")
            answers[HTTPStatus.NOT_MODIFIED] = self._response("Not modified", always, sometimes)
        if documentation.is_command:
            answers[HTTPStatus.ACCEPTED] = self._postponed()
            always = (*always, "Command-Id", *self._of_resource())
            sometimes = (*sometimes, "Idempotency-Replayed", "Cache-Control")
        shown = self._result()
        if documentation.is_command and self._view.refuses_misfits:
            tried = self._shapes.schema(self._view.dry_run_shape)
            of_dry_runs = ("Cache-Control", "Dry-Run")
            if documentation.succeeds_with == HTTPStatus.OK:
                # Both have this status, and only some headers in common.
                shown = _either(shown, tried)
                always, sometimes = (), (*always, *sometimes, *of_dry_runs)
            else:
                answers[HTTPStatus.OK] = self._response("Dry run", of_dry_runs, (), shown=tried)
        phrase = phrase_of(documentation.succeeds_with)
        answers[documentation.succeeds_with] = self._response(
            phrase, always, sometimes, shown=shown
        )
        found = problems(
            documentation, view=self._view, is_read=self._is_read, has_body=has_body, known=known
        )
        answers |= {status: self._problem(each) for status, each in found.items()}
        return {str(int(status)): answers[status] for status in sorted(answers)}

    def _result(self) -> Schema:
        documentation = self._documentation
        if documentation.lists is None:
            return self._shapes.schema(documentation.gives)
        is_sparse = bool(getattr(documentation.query, "resource_fields", ()))
        build = self._shapes.sparse if is_sparse else self._shapes.schema
        return _page(build(documentation.lists))

    def _of_resource(self) -> tuple[str, ...]:
        """Return the headers of the response to a write that returns a resource."""
        fields = set() if self._is_legacy else _fields_of(self._documentation.gives)
        is_created = self._documentation.succeeds_with == HTTPStatus.CREATED
        named = {"version": "ETag"} | ({"url": "Location"} if is_created else {})
        return tuple(header for field, header in named.items() if field in fields)

    def _postponed(self) -> Schema:
        return self._response(
            "Held until enough people approve it",
            always=("Command-Id", "Location", *(() if self._is_legacy else ("Retry-After",))),
            sometimes=("Idempotency-Replayed",),
            shown=self._shapes.schema(self._view.postponed_shape),
        )

    def _problem(self, answers: list[Response]) -> Schema:
        """Return a reference to the shared response of a status, with this operation's codes."""
        carried = [set(answer.headers) & set(RESPONSE_HEADERS) for answer in answers]
        # Not on requests that are refused before they become a command.
        own = {"Command-Id"} if self._documentation.is_command else set()
        own |= set() if self._is_legacy or not own else {"Idempotency-Replayed"}
        phrase = phrase_of(answers[0].status_code)
        whole = self._response(
            phrase,
            always=set.intersection(*carried),
            sometimes=set.union(own, *carried),
            shown=self._shapes.schema(LegacyProblem if self._is_legacy else ProblemDetails),
            content_type=answers[0].content_type or _JSON,
        )
        codes = ", ".join(f"`{answer.data['code']}`" for answer in answers)
        answer = shared(self._registry, ResolvedComponent.RESPONSE, self._name(phrase), whole)
        return answer | {"description": f"{phrase}: {codes}"}

    def _name(self, phrase: str) -> str:
        """Return the name of the component for operations of this kind."""
        kind = "Command" if self._documentation.is_command else "Read"
        version = "V1" if self._is_legacy else ""
        return f"{phrase.title().replace(' ', '')}{kind}{version}"

    def _response(
        self,
        description: str,
        always: Collection[str],
        sometimes: Collection[str],
        *,
        shown: Schema | None = None,
        content_type: str = _JSON,
    ) -> Schema:
        """Return a response with these headers and those of all responses."""
        always, sometimes = {*always, "X-Request-Id"}, {*sometimes}
        if self._documentation.needs_caller:
            sometimes |= set(_OF_CALLERS)
        if self._is_legacy:
            always |= set(_OF_VERSION_ONE)
        headers = response_headers(self._registry, always=always, sometimes=sometimes)
        content = {} if shown is None else {"content": {content_type: {"schema": shown}}}
        return {"description": description, "headers": headers} | content


def _either(first: Schema, second: Schema) -> Schema:
    return {"anyOf": [*first.get("anyOf", [first]), second]}


def _fields_of(shape: Any) -> set[str]:
    return set(shape.__annotations__) if is_typeddict(shape) else set()


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
    }
