"""JSON columns whose readers rely on its shape, also where older rows or other writers break it."""

from typing import Any

from django.db import models
from django.db.models.fields.json import KeyTransform

#: The name under which an object shows what was stored instead of one.
MALFORMED = "malformed"
_SHOWN = 200
# Templates and serializers recurse; messages are nested less deeply by far.
_DEEPEST = 100


class ShapedJSONField(models.JSONField):
    """JSON of one shape. Anything else is read as ``malformed`` returns it."""

    def is_well_formed(self, value: Any) -> bool:
        raise NotImplementedError

    def malformed(self, text: str) -> Any:
        raise NotImplementedError

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        """Return the value, which has the shape: other readers need no check."""
        if value is None or isinstance(expression, KeyTransform):
            return super().from_db_value(value, expression, connection)
        try:
            found = super().from_db_value(value, expression, connection)
        except (ValueError, RecursionError):
            # A number of thousands of digits, or lists in lists in lists.
            return self.malformed(value[:_SHOWN])
        is_shallow = value.count("[") + value.count("{") <= _DEEPEST or _is_shallow(found)
        return (
            found if is_shallow and self.is_well_formed(found) else self.malformed(value[:_SHOWN])
        )

    def deconstruct(self) -> Any:
        """Return the plain field: migrations change nothing about how it is read."""
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.JSONField", args, kwargs


class ObjectField(ShapedJSONField):
    """A JSON object."""

    def is_well_formed(self, value: Any) -> bool:
        return isinstance(value, dict)

    def malformed(self, text: str) -> dict[str, Any]:
        return {MALFORMED: text}


def _is_shallow(value: Any, levels: int = _DEEPEST) -> bool:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels > 0 and all(_is_shallow(part, levels - 1) for part in parts)
