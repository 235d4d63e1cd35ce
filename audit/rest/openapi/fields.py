"""Schemas of serializer fields, beyond those that drf-spectacular derives."""

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import append_meta
from drf_spectacular.utils import Direction
from rest_framework import serializers

from audit.rest.openapi.shapes import Schema

# Not blank after str.strip(), and without NUL, which PostgreSQL cannot store.
_TEXT = r"^[^\u0000]*[^\s\u0000\u001c-\u001f\u0085][^\u0000]*$"
_TEXT_OR_BLANK = r"^[^\u0000]*$"


class FieldSchema(AutoSchema):
    """A schema that uses a field's own ``json_schema``, and completes that of other fields."""

    def _map_serializer_field(
        self,
        field: serializers.Field,
        direction: Direction,
        bypass_extensions: bool = False,  # noqa: FBT001, FBT002  # as in the base class
    ) -> Schema:
        declared: Schema | None = getattr(field, "json_schema", None)
        if declared is not None:
            meta = self._get_serializer_field_meta(  # type: ignore[no-untyped-call]
                field, direction
            )
            described: Schema = append_meta(dict(declared), meta)
            return described
        schema: Schema = super()._map_serializer_field(  # type: ignore[no-untyped-call]
            field, direction, bypass_extensions
        )
        # For a hook of drf-spectacular that moves choices into components.
        schema.pop("x-spec-enum-id", None)
        return schema | _more(field)

    def _insert_field_validators(self, field: serializers.Field, schema: Schema) -> None:
        """Remove the alternative "or empty", which the pattern includes: "" must match only one."""
        super()._insert_field_validators(field, schema)  # type: ignore[no-untyped-call]
        if "oneOf" in schema:
            text, _ = schema.pop("oneOf")
            schema.update(text)


def _more(field: serializers.Field) -> Schema:
    if isinstance(field, serializers.ListField) and not field.allow_empty:
        return {"minItems": 1}
    if type(field) is serializers.CharField:
        return {"pattern": _TEXT_OR_BLANK if field.allow_blank else _TEXT}
    return {}
