"""The operations of the OpenAPI document: methods of viewsets, and fields of serializers."""

import inspect
from typing import Any

import uritemplate
from drf_spectacular.drainage import warn
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import append_meta
from drf_spectacular.utils import Direction
from rest_framework import serializers

from audit.rest.openapi.headers import request_headers
from audit.rest.openapi.operations import Documentation
from audit.rest.openapi.responses import Responses
from audit.rest.openapi.shapes import Schema

# Not blank after str.strip(), and without NUL, which PostgreSQL cannot store.
_TEXT = r"^[^\u0000]*[^\s\u0000\u001c-\u001f\u0085][^\u0000]*$"
_TEXT_OR_BLANK = r"^[^\u0000]*$"


class OperationSchema(AutoSchema):
    """The operation for a method with ``@documented``, and what all operations share.

    A serializer's field may have a schema of its own, ``json_schema``; that of others is completed.
    """

    # An ActorViewSet; the base class declares an APIView.
    view: Any

    def get_operation(self, *route: Any) -> Schema | None:
        """Return one operation, or warn that it is not documented."""
        if not hasattr(self._method, "documentation"):
            warn(f"{self._method.__qualname__} is not documented")
            return None
        operation: Schema = super().get_operation(*route) or {}
        # Verification is a POST that is no command, so it has no conditions.
        has_conditions = self.method == "GET" or self._documentation.is_command
        headers = request_headers(
            self.registry,
            self._documentation,
            is_conditional=self.view.is_conditional and has_conditions,
        )
        operation["parameters"] = [*operation.get("parameters", []), *headers]
        responses = Responses(
            self.registry, self._documentation, view=self.view, is_read=self.method == "GET"
        )
        operation["responses"] = responses.by_status(
            has_body="requestBody" in operation, known=uritemplate.variables(self.path)
        )
        return operation

    def get_operation_id(self) -> str:
        """Return the declared id, with a prefix for version 1."""
        declared = self._documentation.operation_id
        return f"v1_{declared}" if self.is_deprecated() else declared

    def get_summary(self) -> str:
        """Return the first sentence of the docstring."""
        return _paragraphs(self._method)[0].split(". ")[0].rstrip(".")

    def get_description(self) -> str:  # type: ignore[override]  # as in the base class
        """Return the docstring without line breaks within paragraphs."""
        return "\n\n".join(_paragraphs(self._method))

    def get_tags(self) -> list[str]:
        """Return the tag of the viewset, by which operations are grouped."""
        return [f"{self.view.tag}, version 1" if self.is_deprecated() else self.view.tag]

    def is_deprecated(self) -> bool:
        """Return True for version 1."""
        return bool(self.view.channel == "v1")

    def get_auth(self) -> list[Schema]:
        """Return the credentials: a key, or a session, with a CSRF token for writes."""
        if not self._documentation.needs_caller:
            return [{}]
        key: Schema = {"key": []}
        session: Schema = {"session": []}
        if self.method != "GET":
            session |= {"csrf_cookie": [], "csrf_token": []}
        return [session] if self._documentation.is_for_people else [key, session]

    def get_override_parameters(self) -> list[Any]:
        """Return the serializer that checks the query parameters."""
        if self._documentation.query:
            return [self._documentation.query]
        return [self.view.write_parameters] if self._has_dry_run else []

    @property
    def _has_dry_run(self) -> bool:
        return self._documentation.is_command and self.view.refuses_misfits

    def _map_serializer(self, serializer: Any, *rest: Any, **options: Any) -> Schema:
        schema: Schema = super()._map_serializer(serializer, *rest, **options)
        is_strict = getattr(self.view, "refuses_misfits", True)
        return schema | ({"additionalProperties": False} if is_strict else {})

    def _map_serializer_field(
        self, field: serializers.Field, direction: Direction, *rest: Any, **options: Any
    ) -> Schema:
        declared: Schema | None = getattr(field, "json_schema", None)
        if declared is not None:
            meta = self._get_serializer_field_meta(field, direction)
            described: Schema = append_meta(dict(declared), meta)
            return described
        schema: Schema = super()._map_serializer_field(field, direction, *rest, **options)
        # For a hook of drf-spectacular that moves choices into components.
        schema.pop("x-spec-enum-id", None)
        return schema | _more(field)

    def _insert_field_validators(self, field: serializers.Field, schema: Schema) -> None:
        """Remove the alternative "or empty", which the pattern includes: "" must match only one."""
        super()._insert_field_validators(field, schema)
        if "oneOf" in schema:
            text, _ = schema.pop("oneOf")
            schema.update(text)

    def get_request_serializer(self) -> type[serializers.Serializer] | None:
        """Return the serializer that checks the body; every command may have a reason."""
        is_command = self._documentation.is_command
        return self._documentation.takes or (self.view.least_input if is_command else None)

    def _get_request_body(self, *arguments: Any) -> Schema | None:
        """Return the body, also of a DELETE that is a command."""
        method = self.method
        if method == "DELETE" and self._documentation.is_command:
            self.method = "POST"
        try:
            body: Schema | None = super()._get_request_body(*arguments)
        finally:
            self.method = method
        return body

    def get_response_serializers(self) -> Any:
        """Return nothing: `get_operation` adds the responses."""
        return {}

    @property
    def _method(self) -> Any:
        return getattr(self.view, self.view.action)

    @property
    def _documentation(self) -> Documentation:
        found: Documentation = self._method.documentation
        return found


def declare_tags(
    result: Schema, generator: Any, request: Any, public: Any
) -> Schema:  # a hook of drf-spectacular
    """Return the document with the tags of its operations, as a hook of drf-spectacular."""
    operations = (each for path in result["paths"].values() for each in path.values())
    names = dict.fromkeys(tag for operation in operations for tag in operation["tags"])
    return result | {"tags": [{"name": name, "description": _of_tag(name)} for name in names]}


def _of_tag(name: str) -> str:
    tag, _, version = name.partition(", ")
    kind = " of version 1, which is deprecated" if version else ""
    return f"{tag[0].upper()}{tag[1:]}{kind}."


def _paragraphs(method: Any) -> list[str]:
    text = inspect.getdoc(method) or ""
    return [" ".join(paragraph.split()) for paragraph in text.split("\n\n")]


def _more(field: serializers.Field) -> Schema:
    if isinstance(field, serializers.ListField) and not field.allow_empty:
        return {"minItems": 1}
    if type(field) is serializers.CharField:
        return {"pattern": _TEXT_OR_BLANK if field.allow_blank else _TEXT}
    return {}
