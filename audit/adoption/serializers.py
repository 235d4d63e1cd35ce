"""Fields of serializers whose values are not recorded: write-only ones, and files."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from rest_framework import serializers

# A view without a serializer for an action may fail in several ways here.
_WITHOUT = (AssertionError, AttributeError, KeyError, TypeError)


def write_only_names(view: Any) -> frozenset[str]:
    """Return the names of the write-only fields of a view's serializer, also of those inside it."""
    with suppress(*_WITHOUT):
        return frozenset(
            each.field_name for each in _fields(view.get_serializer()) if each.write_only
        )
    return frozenset()


def unrecorded_names(serializer_class: Any) -> tuple[str, ...]:
    """Return the names of required fields of which no value is recorded."""
    # A serializer that needs a request to know its fields has none here.
    with suppress(*_WITHOUT):
        return tuple(
            field.field_name
            for field in _fields(serializer_class(context={"request": None}))
            if field.required and (field.write_only or isinstance(field, serializers.FileField))
        )
    return ()


def _fields(serializer: Any) -> Iterator[Any]:
    inner = getattr(serializer, "child", serializer)
    for field in getattr(inner, "fields", {}).values():
        # The value of a hidden field is not taken from the request.
        if not isinstance(field, serializers.HiddenField):
            yield field
            yield from _fields(field)
