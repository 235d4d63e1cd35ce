"""Strict request bodies: no unknown fields, no values of other types than declared.

A serializer silently drops the first and converts the second: it reads 5 as "5", and "off" as
false. The caller would notice too late.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rest_framework import serializers

from audit.messages.exceptions import FieldError, Invalid, escaped
from audit.rest.exception_handlers import field_errors

_OF_TEXT = (
    serializers.CharField,
    serializers.ChoiceField,
    serializers.DateTimeField,
    serializers.DurationField,
    serializers.SlugRelatedField,
    serializers.UUIDField,
)


def refuse_misfits(serializer: serializers.Serializer[Any], body: Any) -> None:
    """Check that a body has only known fields and declared types, at any depth.

    :raises Invalid: if it does not, with one error for each field, including the errors of the
        serializer itself.
    """
    misfits = list(_misfits(serializer, body, path=""))
    if not misfits:
        return
    found = {misfit.field for misfit in misfits}
    others = [error for error in _errors_of(serializer) if error.field not in found]
    raise Invalid(errors=[*others, *misfits])


def _errors_of(serializer: serializers.Serializer[Any]) -> Iterable[FieldError]:
    try:
        serializer.is_valid()
    except Invalid as refusal:
        # From a check of the domain that the serializer calls.
        return refusal.errors
    return field_errors(serializer.errors)


def _misfits(field: serializers.Field, value: Any, *, path: str) -> Iterator[FieldError]:
    if value is None:
        return
    match field:
        case serializers.Serializer():
            yield from _in_object(field, value, path=path)
        case serializers.ListSerializer() | serializers.ListField():
            yield from _in_list(field, value, path=path)
        case _:
            if needed := _needed(field, value):
                yield FieldError(path, "wrong_type", f"must be {needed}")


def _in_object(
    serializer: serializers.Serializer[Any], body: Any, *, path: str
) -> Iterator[FieldError]:
    # The serializer itself refuses a value that is not an object.
    if not isinstance(body, Mapping):
        return
    for name, value in body.items():
        inner = f"{path}/{escaped(name)}".lstrip("/")
        if name in serializer.fields:
            yield from _misfits(serializer.fields[name], value, path=inner)
        else:
            yield FieldError(inner, "unknown", "is not a known field")


def _in_list(field: Any, values: Any, *, path: str) -> Iterator[FieldError]:
    if not isinstance(values, list):
        return
    for place, value in enumerate(values):
        yield from _misfits(field.child, value, path=f"{path}/{place}")


def _needed(field: serializers.Field, value: Any) -> str:
    """Return the type that a value of the field must have, in words; empty if it has it."""
    match field:
        case serializers.BooleanField() if not isinstance(value, bool):
            return "true or false"
        case serializers.IntegerField() if not _is_whole(value):
            return "a whole number"
        case _ if isinstance(field, _OF_TEXT) and not isinstance(value, str):
            return "text"
        case _:
            return ""


def _is_whole(value: Any) -> bool:
    """Return True for an integer in the sense of JSON Schema: 5.0 is one, true is not."""
    return not isinstance(value, bool) and (
        isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    )
