"""How a method of a viewset becomes an operation of the document."""

import inspect
from typing import Any

import uritemplate
from drf_spectacular.drainage import warn
from drf_spectacular.utils import Direction
from rest_framework.serializers import Serializer

from audit.rest.openapi.fields import FieldSchema
from audit.rest.openapi.headers import request_headers
from audit.rest.openapi.operations import Documentation
from audit.rest.openapi.responses import Answers
from audit.rest.openapi.shapes import Schema


class OperationSchema(FieldSchema):
    """Reads what ``@documented`` says of a method, and adds what all operations share."""

    # One of ours; the base class knows APIViews only.
    view: Any

    def get_operation(self, *route: Any) -> Schema | None:
        """Describe one operation, or warn that nothing is said of it."""
        if not hasattr(self._method, "documentation"):
            warn(f"{self._method.__qualname__} is not documented")
            return None
        operation: Schema = super().get_operation(*route) or {}
        headers = request_headers(self.registry, self._documentation)
        operation["parameters"] = [*operation.get("parameters", []), *headers]
        answers = Answers(self.registry, self._documentation, view=self.view)
        operation["responses"] = answers.by_status(
            has_body="requestBody" in operation, known=uritemplate.variables(self.path)
        )
        return operation

    def get_operation_id(self) -> str:
        """Take the declared one; version 1 puts its name before it."""
        declared = self._documentation.operation_id
        return f"v1_{declared}" if self.is_deprecated() else declared

    def get_summary(self) -> str:
        """Take the first sentence of the docstring."""
        return _paragraphs(self._method)[0].split(". ")[0].rstrip(".")

    def get_description(self) -> str:  # type: ignore[override]  # as theirs
        """Take the docstring as it is, without the breaks of its lines."""
        return "\n\n".join(_paragraphs(self._method))

    def get_tags(self) -> list[str]:
        """Sort the operations by what they are about."""
        return [f"{self.view.tag}, version 1" if self.is_deprecated() else self.view.tag]

    def is_deprecated(self) -> bool:
        """Tell everybody to move on from version 1."""
        return bool(self.view.channel == "v1")

    def get_auth(self) -> list[Schema]:
        """Let a key call, or a person who is signed in; then writes bring the CSRF token too."""
        if not self._documentation.needs_caller:
            return [{}]
        key: Schema = {"key": []}
        session: Schema = {"session": []}
        if self.method != "GET":
            session |= {"csrf_cookie": [], "csrf_token": []}
        return [session] if self._documentation.is_for_people else [key, session]

    def get_override_parameters(self) -> list[Any]:
        """Take the parameters of a list from the serializer that checks them."""
        return [self._documentation.query] if self._documentation.query else []

    def _map_serializer(
        self,
        serializer: Any,
        direction: Direction,
        bypass_extensions: bool = False,  # noqa: FBT001, FBT002  # theirs
    ) -> Schema:
        schema: Schema = super()._map_serializer(  # type: ignore[no-untyped-call]
            serializer, direction, bypass_extensions
        )
        is_strict = getattr(self.view, "refuses_misfits", True)
        return schema | ({"additionalProperties": False} if is_strict else {})

    def get_request_serializer(self) -> type[Serializer] | None:
        """Take the body from the serializer that checks it."""
        return self._documentation.takes

    def get_response_serializers(self) -> Any:
        """Leave the answers to us."""
        return {}

    @property
    def _method(self) -> Any:
        return getattr(self.view, self.view.action)

    @property
    def _documentation(self) -> Documentation:
        found: Documentation = self._method.documentation
        return found


def _paragraphs(method: Any) -> list[str]:
    text = inspect.getdoc(method) or ""
    return [" ".join(paragraph.split()) for paragraph in text.split("\n\n")]
